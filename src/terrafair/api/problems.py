"""Errors as HTTP answers: one table to status codes, one body shape (RFC 9457, problem details)."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from terrafair import errors
from terrafair.identity.person import NotSignedIn

STATUS: tuple[tuple[type[errors.TerrafairError], int], ...] = (
    (errors.NotExecutable, 422),
    (errors.InvalidInput, 400),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (NotSignedIn, 401),
    (errors.Refused, 403),
    (errors.Unreachable, 502),
    (errors.Unavailable, 503),
    (errors.TimedOut, 504),
    (errors.Cancelled, 410),
)
"""The first class that fits decides; all else is 500."""
BY_CODE = {
    "not-acceptable": 406,
    "precondition-failed": 412,
    "too-large": 413,
    "unsupported-media-type": 415,
    "method-not-allowed": 405,
    "job-failed": 422,
    "locked": 423,
    "too-many-requests": 429,
}
"""Codes of single problems that HTTP has a status of its own for."""
RETRY_AFTER = {"Retry-After": "120"}
"""Of what is not taken at the moment; seconds."""
_PROCESSES = "http://www.opengis.net/def/exceptions/ogcapi-processes"
TYPES = {
    "no-such-process": f"{_PROCESSES}-1/1.0/no-such-process",
    "no-such-job": f"{_PROCESSES}-1/1.0/no-such-job",
    "result-not-ready": f"{_PROCESSES}-1/1.0/result-not-ready",
    "duplicated-process": f"{_PROCESSES}-2/1.0/duplicated-process",
    "immutable-process": f"{_PROCESSES}-2/1.0/immutable-process",
    "workflow-not-found": f"{_PROCESSES}-2/1.0/workflow-not-found",
    "unsupported-media-type": f"{_PROCESSES}-2/1.0/unsupported-media-type",
}
"""Codes that OGC API - Processes gives a type URI; all else has its place in docs/errors.md."""


def status_of(error: errors.TerrafairError) -> int:
    """The HTTP status of an error of the tree."""
    if status := BY_CODE.get(error.problem.code):
        return status
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def answer(error: errors.TerrafairError, instance: str) -> JSONResponse:
    """The error as `application/problem+json`."""
    error = errors.public(error)
    code = error.problem.code
    document = {
        "type": TYPES.get(code) or f"https://github.com/terrafair/terrafair/blob/main/docs/errors.md#{error.code}",
        "title": error.problem.what,
        "status": status_of(error),
        "detail": str(error),
        "instance": instance,
        "code": error.code,
        "problems": [problem.document() for problem in error.problems],
    }
    headers = RETRY_AFTER if isinstance(error, errors.Unavailable) else None
    return JSONResponse(document, status_of(error), headers, media_type="application/problem+json")


def _validation(fault: RequestValidationError) -> errors.TerrafairError:
    problems = [
        errors.Problem(
            what=f"{entry['msg']}.",
            where="/".join(str(part) for part in entry["loc"] if part not in ("body", "query", "path")) or "body",
            code="invalid-request",
        )
        for entry in fault.errors()
    ]
    return errors.InvalidInputs(problems)


def install(app: FastAPI) -> None:
    """Answer every error of the tree, every invalid request and every fault in this one shape."""

    @app.exception_handler(errors.TerrafairError)
    async def known(request: Request, error: errors.TerrafairError) -> JSONResponse:
        if status_of(error) == 500:
            structlog.get_logger().error("request.failed", path=request.url.path, problem=str(error))
        return answer(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, fault: RequestValidationError) -> JSONResponse:
        return answer(_validation(fault), request.url.path)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, fault: HTTPException) -> JSONResponse:
        error = errors.TerrafairError(f"{fault.detail}.", where=request.url.path)
        document = {"type": "about:blank", "title": str(fault.detail), "status": fault.status_code}
        document |= {"instance": request.url.path, "problems": [error.problem.document()]}
        return JSONResponse(document, fault.status_code, headers=fault.headers, media_type="application/problem+json")

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, fault: Exception) -> JSONResponse:
        # The words of an unforeseen fault may hold paths or secrets: they go to the log, not to the caller.
        structlog.get_logger().exception("request.broken", path=request.url.path, exc_info=fault)
        error = errors.TerrafairError("The platform failed on this request.", remedy="Its log says why.")
        return answer(error, request.url.path)
