"""Signing out ends all that a sign-in gave: browsers, the command line, openEO's tokens, keys to buckets.

Personal tokens that somebody made by name for a program of theirs stay until they are revoked or their time is over. So
does what a workspace that is open holds: a token and keys, for what computes in it; both end with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from terrafair.identity.people import People
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.sessions import Sessions
from terrafair.identity.tokens import Tokens


@dataclass(frozen=True, slots=True)
class SignOut:
    """Ends it everywhere at once."""

    people: People
    sessions: Sessions
    personal: PersonalTokens
    tokens: Tokens
    keys: Callable[[str], object] = lambda _: None
    """Ends a person's keys to buckets, those of open workspaces excepted."""

    def of(self, person: str) -> None:
        """Sign a person out. The keys come last: the object store may be away, and what is here has ended by then."""
        self.people.sign_out(person, datetime.now(UTC))
        self.sessions.end_all(person)
        self.personal.end_logins(person)
        self.tokens.end_all(self.people.get(person).subject)
        self.keys(person)
