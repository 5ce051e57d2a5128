"""Routes about platforms elsewhere: which there are, and whether one would run something."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from terrafair.api.shapes import verdict
from terrafair.execution.engines.remote.delegation import Delegation
from terrafair.workflows.workflow import Resolution


def router(delegation: Delegation, resolve: Callable[[str], Resolution]) -> APIRouter:
    """`/api/targets`."""
    routes = APIRouter(prefix="/api/targets", tags=["federation"])

    @routes.get("")
    def targets() -> list[dict[str, Any]]:
        """Every target: its address, whether it answers, and what it is."""
        return delegation.overview()

    @routes.get("/{name}/verdicts/{id}")
    def ask(name: str, id: str) -> dict[str, Any]:  # noqa: A002 - the field's word
        """Whether an experiment, workflow or deployed process would run there, with the reasons if not."""
        return {"target": delegation.target(name).name, **verdict(delegation.delegate(resolve(id), name))}

    return routes
