"""Who is asking, for as long as one request is answered: set once where requests come in, read where things are kept.

What runs outside of a request (workers, the command line, timers) is the platform itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from terrafair.events import ORIGIN
from terrafair.identity.access import Actor
from terrafair.identity.people import Profile


@dataclass(frozen=True, slots=True)
class Asker:
    """The actor of a request with what pages and the audit trail tell of it."""

    actor: Actor
    profile: Profile | None = None
    csrf: str = ""
    """Guards the forms of a signed-in browser; empty: no session's cookie came with the request."""
    address: str = ""
    """Where the request comes from."""
    request: str = ""
    """Id of the request, as in every line of the log."""
    token: str = field(default="", repr=False)
    """The provider's access token that came with the request, and the provider's id; empty: none did."""
    provider: str = ""
    project: str = ""
    """The project that new things go to, where the request names none; empty: the person's own."""

    @property
    def name(self) -> str:
        """For people to read."""
        if self.profile is not None:
            return self.profile.name or self.profile.email or self.profile.id
        return "the operator" if self.actor.operator else ""


PLATFORM = Asker(Actor(operator=True))
_NOW: ContextVar[Asker] = ContextVar("asker", default=PLATFORM)


def asker() -> Asker:
    """Who is asking now."""
    return _NOW.get()


def actor() -> Actor:
    """The same, as `access.may` wants it."""
    return _NOW.get().actor


@contextmanager
def asking(who: Asker) -> Iterator[None]:
    """Let somebody ask until the block ends."""
    origin = {"by": who.actor.person, "name": who.name, "from": who.address, "request": who.request}
    token, before = _NOW.set(who), ORIGIN.set({name: value for name, value in origin.items() if value})
    try:
        yield
    finally:
        ORIGIN.reset(before)
        _NOW.reset(token)
