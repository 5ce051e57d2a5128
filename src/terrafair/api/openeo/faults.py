"""Errors as openEO tells them: `{id, code, message, links}` with the codes and statuses of the standard's list."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from terrafair import errors
from terrafair.api.problems import RETRY_AFTER, status_of
from terrafair.execution.engines.openeo.codes import name_of

CODES: Mapping[str, tuple[int, str]] = {
    "Internal": (500, "Server error: {message}"),
    "NotFound": (404, "Resource not found."),
    "FeatureUnsupported": (501, "Feature not supported."),
    "InfrastructureBusy": (503, "Service is not available at the moment due to overloading. Please try again later."),
    "RequestTimeout": (408, "Request timed out."),
    "BudgetInvalid": (400, "The specified budget is too low."),
    "EstimateComplexity": (500, "The process is too complex to calculate an estimate."),
    "NoDataForUpdate": (400, "No data specified to be updated."),
    "PropertyNotEditable": (400, "The specified property '{property}' is read-only."),
    "CollectionNotFound": (404, "Collection '{identifier}' does not exist."),
    "StorageFailure": (500, "Unable to store files due to a server error. Please try again later."),
    "StorageQuotaExceeded": (400, "Your storage quota has been exceeded."),
    "FileNotFound": (404, "File '{file}' does not exist."),
    "FilePathInvalid": (400, "File path is invalid: {reason}"),
    "FileTypeInvalid": (400, "File format is not allowed."),
    "FileOperationUnsupported": (400, "The file operation is not supported for the specified path."),
    "ContentTypeInvalid": (400, "The media type is not supported. Allowed: {types}"),
    "FileSizeExceeded": (400, "File size is too large. Maximum file size: {size}"),
    "ProcessGraphNotFound": (404, "User-defined process '{identifier}' does not exist."),
    "ProcessInvalid": (400, "Invalid process specified."),
    "ProcessGraphMissing": (400, "Invalid process specified. It doesn't contain a process graph."),
    "ProcessGraphInvalid": (400, "Invalid process graph specified."),
    "PredefinedProcessExists": (400, "A predefined process with the given identifier exists."),
    "ProcessGraphComplexity": (400, "The process is too complex."),
    "ProcessUnsupported": (400, "Process with identifier '{process}' is not available in namespace '{namespace}'."),
    "ProcessParameterUnsupported": (400, "Process '{process}' does not support parameter '{parameter}'."),
    "ProcessParameterInvalid": (400, "A parameter of a process is invalid."),
    "ProcessParameterRequired": (400, "Process '{process}' parameter '{parameter}' is required."),
    "JobNotFound": (404, "The batch job '{identifier}' does not exist."),
    "JobLocked": (400, "Batch job is locked due to a queued or running batch computation."),
    "JobNotFinished": (400, "Batch job has not finished computing the results yet. Please try again later."),
    "JobNotStarted": (400, "Batch job must be started first."),
    "ResultLinkExpired": (410, "The link to the batch job result has expired. Please request the results again."),
    "PaymentRequired": (402, "The budget required to fulfil the request is not sufficient."),
    "BillingPlanInvalid": (400, "The billing plan is invalid."),
    "AuthenticationRequired": (401, "Unauthorized."),
    "AuthenticationSchemeInvalid": (403, "Authentication method not supported."),
    "TokenInvalid": (403, "Authorization token has expired or is invalid. Please authenticate again."),
    "CredentialsInvalid": (403, "Credentials are not correct."),
    "PermissionsInsufficient": (403, "Forbidden."),
    "ServiceNotFound": (404, "Service '{identifier}' does not exist."),
    "ServiceUnsupported": (400, "Service type '{type}' is not supported."),
    "ServiceConfigUnsupported": (400, "Service parameter '{parameter}' is not supported."),
    "ServiceConfigInvalid": (400, "The value passed for the service parameter '{parameter}' is invalid: {reason}"),
    # Not in the standard's list, which lets back-ends add theirs:
    "RequestInvalid": (400, "The request is invalid: {reason}"),
}
"""Code -> status and text, as in the list of error codes of the openEO API."""

_OF_PROBLEM = {
    "authentication-required": "AuthenticationRequired",
    "authentication-scheme": "AuthenticationSchemeInvalid",
    "token-invalid": "TokenInvalid",
    "credentials-invalid": "CredentialsInvalid",
    "process-definition-missing": "ProcessUnsupported",
    "process-recursion": "ProcessGraphComplexity",
    "memory-exhausted": "ProcessGraphComplexity",
    "input-required": "ProcessParameterRequired",
    "input-missing": "ProcessParameterRequired",
    "input-unknown": "ProcessParameterUnsupported",
    "input-invalid": "ProcessParameterInvalid",
}
"""Our codes of problems -> theirs, beside those that the engine names itself."""


class OpenEOFault(errors.TerrafairError):
    """An error that has its own code in the standard's list."""

    def __init__(self, code: str, more: str = "", **fields: object) -> None:
        self.openeo = code
        self.status, text = CODES[code]
        said = re.sub(r"\{(\w+)\}", lambda found: str(fields.get(found[1], ""))[:200], text)
        super().__init__(said, more, code=code)
        self._fields = (more, fields)

    def __reduce__(self) -> tuple[object, ...]:  # type: ignore[override]
        """Keep code and fields across process boundaries."""
        return _again, (self.openeo, *self._fields)


def _again(code: str, more: str, fields: Mapping[str, Any]) -> OpenEOFault:
    return OpenEOFault(code, more, **fields)


def code_of(problem: errors.Problem) -> str:
    """The standard's code for a problem of ours, or that of a process's specification."""
    return problem.code if problem.code in CODES else _OF_PROBLEM.get(problem.code) or name_of(problem)


def entry(problem: errors.Problem) -> dict[str, Any]:
    """A problem in the list that `/validation` gives."""
    return {"code": code_of(problem), "message": str(problem)}


def fault_of(error: errors.TerrafairError) -> tuple[int, str, str]:
    """Status, code and message of any error of the tree."""
    if isinstance(error, OpenEOFault):
        return error.status, error.openeo, str(error)
    error = errors.public(error)
    problem = error.problems[0] if error.problems else error.problem
    message = "\n".join(str(each) for each in error.problems[:50]) or str(error)
    if problem.code in _OF_PROBLEM:
        code = _OF_PROBLEM[problem.code]
        return CODES[code][0], code, message
    if isinstance(error, errors.NotExecutable | errors.InvalidInput):
        # What a graph names and is not there makes the request wrong, not its address.
        return 400, code_of(problem), message
    if isinstance(error, errors.Conflict):
        return 409, "Conflict", message
    if isinstance(error, errors.TimedOut):
        return 408, "RequestTimeout", message
    if isinstance(error, errors.NotFound):
        return 404, "NotFound", message
    if isinstance(error, errors.Unavailable):
        return 503, "InfrastructureBusy", message
    if isinstance(error, errors.Refused):
        return 403, "PermissionsInsufficient", message
    status = status_of(error)
    return status, "Internal", CODES["Internal"][1].format(message=message)


def of_request(error: errors.TerrafairError) -> JSONResponse:
    """The answer to a request that is refused before anybody looks at what it asks for."""
    if isinstance(error, errors.Unavailable):
        return answer(*fault_of(error))
    code = "ProcessGraphComplexity" if error.problem.code == "too-deep" else "RequestInvalid"
    return answer(status_of(error), code, str(error))


def answer(status: int, code: str, message: str) -> JSONResponse:
    """The error object."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: RETRY_AFTER}.get(status)
    # Short enough to be read to an operator.
    document = {"id": secrets.token_hex(8), "code": code, "message": message, "links": []}
    return JSONResponse(document, status, headers=headers)


def install(app: FastAPI) -> None:
    """Answer every error in this one shape."""

    @app.exception_handler(errors.TerrafairError)
    async def known(request: Request, error: errors.TerrafairError) -> JSONResponse:
        status, code, message = fault_of(error)
        reply = answer(status, code, message)
        if status == 500:
            structlog.get_logger().error("openeo.failed", path=request.url.path, problem=str(error))
        return reply

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, fault: RequestValidationError) -> JSONResponse:  # noqa: ARG001
        said = "; ".join(f"{entry['loc'][-1]}: {entry['msg']}" for entry in fault.errors())
        return answer(400, "RequestInvalid", f"The request is invalid: {said}.")

    @app.exception_handler(HTTPException)
    async def plain(request: Request, fault: HTTPException) -> JSONResponse:  # noqa: ARG001
        code = {404: "NotFound", 405: "FeatureUnsupported"}.get(fault.status_code)
        if code is None:
            return answer(fault.status_code, "RequestInvalid", str(fault.detail))
        return answer(*CODES[code][:1], code, CODES[code][1])

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, fault: Exception) -> JSONResponse:
        # The words of an unforeseen fault may hold paths or secrets: they go to the log, not to the caller.
        structlog.get_logger().exception("openeo.broken", path=request.url.path, exc_info=fault)
        return answer(500, "Internal", "Server error: the platform failed on this request; its log says why.")
