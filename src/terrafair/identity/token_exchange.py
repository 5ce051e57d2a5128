"""A person's token for another platform, in exchange for the one that they showed here (RFC 8693).

Their provider decides whether it gives one. What it gave is kept for the person's jobs, which run later and without
them, in files that the platform's own user alone can read.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from terrafair.errors import Refused, Unreachable
from terrafair.identity.asking import Asker, asker
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.providers import RelyingParty
from terrafair.identity.sign_in import ask

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
MARGIN_SECONDS = 30.0
UNSAID_SECONDS = 300.0
"""How long a token is taken to hold whose provider does not say."""


class ExchangeRefused(Refused):
    """The provider gives no token for that platform."""

    code = "exchange-refused"


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a provider gave."""

    token: str = field(repr=False)
    ends: float
    """Seconds since 1970."""
    provider: str
    refresh: str = field(default="", repr=False)
    subject: str = ""
    """Hash of the token that it was given for."""


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """The exchanges of one platform."""

    audiences: Mapping[str, str]
    """Name of a target -> what its tokens are meant for: an audience, or the address of a resource."""
    parties: tuple[RelyingParty, ...]
    tokens: OidcTokens
    folder: Path
    now: Callable[[], float] = time.time

    def __call__(self, target: str) -> str:
        """The token that whoever asks shows at a target; empty where none is exchanged for it, or for them.

        Raises `ExchangeRefused`, or `Unreachable` when the provider is away.
        """
        who = asker()
        if target not in self.audiences or not who.actor.person:
            return ""
        kept = self._kept(who.actor.person, target)
        subject = hashlib.sha256(who.token.encode()).hexdigest() if who.token else ""
        if kept and kept.ends - MARGIN_SECONDS > self.now() and subject in {"", kept.subject}:
            return kept.token
        if who.token:
            return self._keep(who.actor.person, target, self._exchange(who, target, subject))
        if kept is None:
            return ""
        if not kept.refresh:
            why = "Its provider gave it for a time that is over, and no way to renew it."
            raise ExchangeRefused(f"The token for {target} has ended.", why, "Send the job again.")
        return self._keep(who.actor.person, target, self._renew(kept, target))

    def _exchange(self, who: Asker, target: str, subject: str) -> Exchanged:
        party = self._party(who.provider)
        audience = self.audiences[target]
        form = {
            "grant_type": GRANT,
            "subject_token": who.token,
            "subject_token_type": ACCESS,
            "requested_token_type": ACCESS,
            "resource" if "://" in audience else "audience": audience,
        }
        return self._ask(party, form, target, Exchanged("", 0.0, party.id, "", subject))

    def _renew(self, kept: Exchanged, target: str) -> Exchanged:
        form = {"grant_type": "refresh_token", "refresh_token": kept.refresh}
        return self._ask(self._party(kept.provider), form, target, kept)

    def _ask(self, party: RelyingParty, form: dict[str, str], target: str, before: Exchanged) -> Exchanged:
        form["client_id"] = party.provider.client
        if party.secret:
            form["client_secret"] = party.secret
        endpoint = str(self.tokens.about(party.provider).get("token_endpoint", ""))
        answer = ask("POST", endpoint, data=form, headers={"Accept": "application/json"})
        if "error" in answer:
            why = str(answer.get("error_description") or answer["error"])[:300]
            remedy = "Ask the operator of the provider to let this platform exchange tokens for it."
            raise ExchangeRefused(f"{party.title} gives no token for {target}.", why, remedy)
        token, kind = answer.get("access_token"), str(answer.get("token_type", ""))
        if not isinstance(token, str) or not token or kind.lower() != "bearer":
            raise Unreachable(f"{party.title} answers an exchange with no bearer token.", f"Its type is {kind[:40]!r}.")
        seconds = answer.get("expires_in")
        known = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        refresh = answer.get("refresh_token")
        return Exchanged(
            token,
            self.now() + (float(seconds) if known else UNSAID_SECONDS),  # type: ignore[arg-type]
            party.id,
            refresh if isinstance(refresh, str) else before.refresh,
            before.subject,
        )

    def _party(self, provider: str) -> RelyingParty:
        for party in self.parties:
            if party.id == provider:
                return party
        raise ExchangeRefused(f"The provider {provider[:40]!r} is not known here.", remedy="Sign in at another.")

    def _path(self, person: str, target: str) -> Path:
        name = hashlib.sha256(f"{person}\0{target}".encode()).hexdigest()
        return self.folder / f"{name}.json"

    def _kept(self, person: str, target: str) -> Exchanged | None:
        try:
            document: dict[str, Any] = json.loads(self._path(person, target).read_text("utf-8"))
            return Exchanged(**document)
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _keep(self, person: str, target: str, found: Exchanged) -> str:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(person, target)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(found), file)
        partial.replace(path)
        return found.token
