"""Routes about runs: accept, watch, end."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from terrafair.api.runs import Runs

WAIT_LIMIT = 60.0
POLL_SECONDS = 0.1


class Order(BaseModel):
    """The body of `POST /api/jobs`."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field("", max_length=500)
    kind: str = Field("", pattern="^(|experiment|workflow|job)$")
    file: str = Field("", max_length=2000)
    inputs: dict[str, Any] = {}
    reproduce: bool = False
    timeout: float | None = Field(None, ge=1, le=30 * 86400)
    project: str = Field("", max_length=64)
    visibility: str = Field("project", max_length=16)
    target: str = Field("", max_length=200)


def router(runs: Runs) -> APIRouter:
    """`/api/jobs`: the life of a job."""
    routes = APIRouter(prefix="/api", tags=["jobs"])

    @routes.post("/jobs", status_code=201)
    def accept(order: Order) -> JSONResponse:
        """Accept a job: once this answers, the job is not lost."""
        job = runs.accept(
            order.id,
            kind=order.kind,
            file=order.file,
            inputs=order.inputs,
            reproduce=order.reproduce,
            timeout=order.timeout,
            project=order.project,
            visibility=order.visibility,
            target=order.target,
        )
        return JSONResponse(job, 201, headers={"Location": f"/api/jobs/{job['id']}"})

    @routes.get("/jobs")
    def list_jobs(
        status: str = "",
        subject: str = "",
        limit: int = 100,
        type: str = "",  # noqa: A002 - the field's word
        project: str = "",
        text: str = "",
        after: str = "",
        until: str = "",
        before: str = "",
    ) -> list[dict[str, Any]]:
        """Jobs, newest first; `after` and `until` are days or instants, `before` is the last job of the page before."""
        more = {"type": type, "project": project, "text": text, "after": after, "until": until, "before": before}
        return runs.listing(status=status, subject=subject, limit=limit, **more)

    @routes.get("/comparisons")
    def compare(a: str, b: str, values: bool = True) -> dict[str, Any]:
        """Two jobs that have ended, side by side: inputs, software, what they took, and their files by value."""
        return runs.compare(a, b, values=values)

    @routes.get("/jobs/{id}/record")
    def record(id: str) -> dict[str, Any]:  # noqa: A002
        """The steps of a job, what it takes over time (`samples`), and what it has cost."""
        return runs.record(id)

    @routes.get("/jobs/{id}")
    def get(id: str) -> dict[str, Any]:  # noqa: A002
        """One job as it is now."""
        return runs.get(id)

    @routes.delete("/jobs/{id}")
    def dismiss(id: str) -> dict[str, Any]:  # noqa: A002
        """End a job and all its processes."""
        return runs.cancel(id)

    @routes.get("/jobs/{id}/log")
    async def log(id: str, since: int = 0, limit: int = 1000, wait: float = 0) -> dict[str, Any]:  # noqa: A002
        """Log lines from number `since`; `wait` seconds for a new one."""
        deadline = asyncio.get_running_loop().time() + min(max(wait, 0), WAIT_LIMIT)
        while True:
            page = await asyncio.to_thread(runs.log, id, since, limit)
            if page["lines"] or page["job"]["status"] in {"successful", "failed", "dismissed"}:
                return page
            if asyncio.get_running_loop().time() >= deadline:
                return page
            await asyncio.sleep(POLL_SECONDS)

    return routes
