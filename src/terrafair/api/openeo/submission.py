"""What people hand in to be computed: a process with what is said about it; read once, checked at the edge."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from terrafair.api.openeo import bounds
from terrafair.api.openeo.asking import text_of
from terrafair.api.openeo.faults import OpenEOFault

LEVELS = ("debug", "info", "warning", "error")
"""From low to high."""
CHANGEABLE = ("title", "description", "process", "plan", "budget", "log_level")
READ_ONLY = frozenset({"id", "status", "created", "updated", "progress", "costs", "usage", "links"})


@dataclass(frozen=True, slots=True)
class Submission:
    """A process to compute, for a job, a service or at once."""

    process: Mapping[str, Any]
    """A process graph with metadata, as it came."""
    title: str | None = None
    description: str | None = None
    plan: str | None = None
    budget: float | None = None
    log_level: str = "info"
    """Log lines of less weight are not shown."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From a request's body; raises `OpenEOFault`."""
        return cls(
            process=process_of(body.get("process")),
            title=text_of(body, "title", 500),
            description=text_of(body, "description"),
            plan=_plan(body),
            budget=_budget(body),
            log_level=_level(body),
        )

    def changed(self, body: Mapping[str, Any], more: tuple[str, ...] = ()) -> Self:
        """With the changes of a `PATCH`; `more` are fields that the caller reads itself."""
        for name in body:
            if name in READ_ONLY:
                raise OpenEOFault("PropertyNotEditable", property=name)
        if not any(name in body for name in (*CHANGEABLE, *more)):
            raise OpenEOFault("NoDataForUpdate")
        given = type(self).read({"process": self.process, **body})
        return replace(self, **{name: getattr(given, name) for name in CHANGEABLE if name in body})

    def document(self) -> dict[str, Any]:
        """For the database."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From what `document` gave."""
        return cls(**{name: document[name] for name in CHANGEABLE if name in document})

    def shown(self, *, whole: bool) -> dict[str, Any]:
        """The fields that the API shows; the process only where the whole is asked for."""
        known: dict[str, Any] = {"title": self.title, "description": self.description, "log_level": self.log_level}
        if whole:
            known["budget"] = self.budget
            known["process"] = self.process
        return {name: value for name, value in known.items() if value is not None}


def process_of(value: Any) -> Mapping[str, Any]:
    """A process within bounds that has a graph; raises `OpenEOFault`."""
    if not isinstance(value, Mapping):
        raise OpenEOFault("ProcessInvalid", "`process` is no object with a `process_graph`.")
    graph = value.get("process_graph")
    if not isinstance(graph, Mapping) or not graph:
        raise OpenEOFault("ProcessGraphMissing")
    for name in ("id", "summary", "description"):
        text_of(value, name, 50_000)
    if not isinstance(value.get("parameters"), list | None):
        raise OpenEOFault("ProcessInvalid", "`parameters` is no list.")
    bounds.check(value)
    return value


def _plan(body: Mapping[str, Any]) -> str | None:
    plan = text_of(body, "plan", 100)
    if plan is not None:
        raise OpenEOFault("BillingPlanInvalid", f"There is no plan {plan[:40]!r}; computing here has no price.")
    return plan


def _budget(body: Mapping[str, Any]) -> float | None:
    budget = body.get("budget")
    if budget is None:
        return None
    if isinstance(budget, bool) or not isinstance(budget, int | float):
        raise OpenEOFault("RequestInvalid", reason="`budget` is no number.")
    if not math.isfinite(budget) or budget <= 0:
        raise OpenEOFault("BudgetInvalid")
    return float(budget)


def _level(body: Mapping[str, Any]) -> str:
    level = body.get("log_level")
    return level_of("info" if level is None else level)


def level_of(value: Any) -> str:
    """A level of the log; raises `OpenEOFault`."""
    if value not in LEVELS:
        raise OpenEOFault("RequestInvalid", reason=f"a log level is one of {', '.join(LEVELS)}.")
    return str(value)
