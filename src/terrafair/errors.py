"""Everything that can go wrong, as one tree that knows nothing of HTTP.

An error says what happened, why, and the way out. `api.problems` maps the tree to status codes, `cli` to exit codes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in the words of a person who can mend it."""

    what: str
    """What happened, with the value seen."""
    why: str = ""
    """The rule or fact that makes it a problem."""
    remedy: str = ""
    """What to do about it."""
    where: str = ""
    """File, JSON pointer, node id, cell or input name."""
    code: str = ""
    """A stable kebab-case word for programs, e.g. `input-missing`."""

    def __str__(self) -> str:
        """One line for logs and terminals."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return " ".join([text, *(part for part in (self.why, self.remedy) if part)])

    def document(self) -> dict[str, str]:
        """The JSON form; empty fields are left out."""
        return {name: text for name, text in asdict(self).items() if text}


class TerrafairError(Exception):
    """The root of the tree; always carries what, why and the way out."""

    code = "error"

    def __init__(self, what: str, why: str = "", remedy: str = "", where: str = "", code: str = "") -> None:
        self.problem = Problem(what, why, remedy, where, code or self.code)
        super().__init__(str(self.problem))

    def __reduce__(self) -> tuple[type, tuple[str, ...]]:
        """Errors cross process boundaries; the default would lose the fields."""
        problem = self.problem
        return type(self), (problem.what, problem.why, problem.remedy, problem.where, problem.code)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems found; several for errors that collect them."""
        return (self.problem,)


class InvalidInput(TerrafairError):
    """What the caller gave cannot be used: a wrong value, type, name, document or reference."""

    code = "invalid-input"


class InvalidInputs(InvalidInput):
    """Several things in one request are wrong; all are told at once."""

    code = "invalid-inputs"

    def __init__(self, problems: Sequence[Problem], what: str = "", code: str = "") -> None:
        self._problems = tuple(problems)
        super().__init__(what or "; ".join(str(problem) for problem in self._problems), code=code)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:  # type: ignore[override]
        """Keep the list of problems across process boundaries."""
        return type(self), (self._problems, self.problem.what, self.problem.code)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Each problem on its own."""
        return self._problems


class NotFound(TerrafairError):
    """Nothing has that id, path or name."""

    code = "not-found"


class NotExecutable(InvalidInputs):
    """A workflow or experiment cannot run here; the problems say why and what would help."""

    code = "not-executable"


class Conflict(TerrafairError):
    """The thing is not in a state that allows this, or somebody else changed it meanwhile."""

    code = "conflict"


class Refused(TerrafairError):
    """It is understood, and not allowed: rights, isolation or policy."""

    code = "refused"


class Unreachable(TerrafairError):
    """An outside service, file or host does not answer; trying again may help."""

    code = "unreachable"


STORE_AWAY, DATABASE_AWAY = "store-away", "database-away"
"""Codes of `Unreachable` where one of the platform's own parts is meant."""
_PARTS = {STORE_AWAY: "object store", DATABASE_AWAY: "database"}


def public(error: TerrafairError) -> TerrafairError:
    """The error as whoever asks may read it: where the platform's own parts stand is its operator's business."""
    part = _PARTS.get(error.problem.code)
    if part is None:
        return error
    return Unreachable(
        f"The platform's {part} does not answer at the moment.",
        "It is starting again, or its connection is down; nothing that was accepted or stored is lost.",
        "Try again in a minute.",
        code=error.problem.code,
    )


class Unavailable(TerrafairError):
    """The platform does not take this at the moment, by its operator's word or for want of room; later it will."""

    code = "unavailable"


class WorkflowFailed(TerrafairError):
    """The user's code ran and failed; trying again does not help."""

    code = "workflow-failed"


class TimedOut(TerrafairError):
    """It took longer than its limit."""

    code = "timed-out"


class Cancelled(TerrafairError):
    """Somebody asked for it to end."""

    code = "cancelled"


class Damaged(TerrafairError):
    """The platform's own data is not as it wrote it."""

    code = "damaged"
