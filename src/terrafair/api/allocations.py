"""Routes about credits: allocations, what jobs will cost, and what has been spent."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from terrafair import events
from terrafair.errors import InvalidInput
from terrafair.execution.egress import Sent
from terrafair.execution.quote import Quotes
from terrafair.identity import report
from terrafair.identity.allocation import Approved, Happening, Rejected, ToppedUp
from terrafair.identity.allocations import Account, Allocations
from terrafair.identity.asking import actor
from terrafair.identity.credits import MilliCredits

Document = dict[str, Any]
MOST_CREDITS = 10**12


class Wanted(BaseModel):
    """The body of `POST /api/allocations`; credits are whole ones."""

    model_config = ConfigDict(extra="forbid")

    project: str = Field(max_length=64)
    credits: float = Field(gt=0, le=MOST_CREDITS)
    start: date
    end: date
    sponsor: str = Field("ESA Network of Resources", max_length=200)
    documents: list[str] = Field(default=[], max_length=50)
    note: str = Field("", max_length=2000)


class Decision(BaseModel):
    """The body of `POST /api/allocations/{id}/decision`."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "reject", "top-up"]
    reference: str = Field("", max_length=200)
    credits: float | None = Field(None, gt=0, le=MOST_CREDITS)
    why: str = Field("", max_length=2000)


class Question(BaseModel):
    """The body of `POST /api/estimate`."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=500)
    timeout: float | None = Field(None, ge=1, le=30 * 86400)
    project: str = Field("", max_length=64)


def router(allocations: Allocations, quotes: Quotes, key: bytes, sent: Callable[..., list[Sent]]) -> APIRouter:
    """`/api/allocations`, `/api/usage`, `/api/estimate`; `key` signs reports, `sent` is `Egress.sent`."""
    routes = APIRouter(prefix="/api", tags=["allocations"])

    @routes.get("/allocations")
    def listing(project: str = "") -> list[Document]:
        """Those that one sees, those that end first coming first; amounts are in milli-credits."""
        return [document(account) for account in allocations.listing(actor(), project)]

    @routes.post("/allocations", status_code=201)
    def request(wanted: Wanted) -> Document:
        """Ask for resources."""
        asked = allocations.request(
            actor(), wanted.project, milli(wanted.credits), wanted.start, wanted.end, sponsor=wanted.sponsor,
            documents=wanted.documents, note=wanted.note,
        )  # fmt: skip
        return {**asdict(asked), "start": asked.start.isoformat(), "end": asked.end.isoformat()}

    @routes.post("/allocations/{id}/decision")
    def decide(id: str, wanted: Decision) -> Document:  # noqa: A002 - the field's word
        """What the sponsor says."""
        decided = allocations.decide(actor(), id, _happening(wanted))
        return {"id": decided.id, "stage": decided.stage.value, "credits": decided.credits}

    @routes.post("/estimate")
    def estimate(asked: Question) -> Document:
        """What a run is expected to cost at the most, and what the project has left."""
        return quotes.ask(asked.id, asked.timeout or 0.0, asked.project)

    @routes.get("/usage", response_model=None)
    def usage(request: Request, month: str = "", format: str = "json") -> Response:  # noqa: A002
        """What was spent per allocation, month and resource, and the bytes that left; `format=csv` as FOCUS."""
        if month and not (len(month) == 7 and month[4] == "-" and month.replace("-", "").isdecimal()):
            raise InvalidInput(f"{month[:20]!r} is no month.", "A month is YYYY-MM.", where="month")
        rows, place = allocations.usage(actor(), month=month), str(request.base_url).rstrip("/")
        if format == "csv":
            return Response(report.table(rows, place), media_type="text/csv")
        if format != "json":
            raise InvalidInput(f"There is no format {format[:20]!r}.", "Known: json, csv.", where="format")
        left = [
            {"month": each.month, "project": each.project, "bytes": each.size} for each in sent(actor(), month=month)
        ]
        return JSONResponse(report.report(rows, place, events.now(), key, left))

    return routes


def document(account: Account) -> Document:
    """An allocation with its sums."""
    about, sums = account.allocation, account.balance
    return {
        **asdict(about),
        "stage": about.stage.value,
        "start": about.start.isoformat(),
        "end": about.end.isoformat(),
        "reserved": sums.reserved,
        "spent": sums.spent,
        "free": sums.free,
        "running": about.start <= datetime.now(UTC).date() <= about.end,
    }


def milli(credits: float) -> MilliCredits:  # noqa: A002 - the field's word
    """Whole credits as they are kept."""
    return MilliCredits(round(credits * 1000))


def _happening(wanted: Decision) -> Happening:
    amount = milli(wanted.credits) if wanted.credits else None
    if wanted.decision == "approve":
        return Approved(wanted.reference, amount)
    if wanted.decision == "reject":
        return Rejected(wanted.why)
    if amount is None:
        raise InvalidInput("A top-up needs the credits that it adds.", where="credits")
    return ToppedUp(amount)
