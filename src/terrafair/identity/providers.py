"""The identity providers that people sign in with: what the settings say of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from terrafair.config import Config
from terrafair.errors import InvalidInput
from terrafair.identity.oidc import Provider
from terrafair.identity.people import ClaimNames

GITHUB = "https://github.com"
USUAL = ClaimNames()


class Protocol(StrEnum):
    """How one signs in."""

    OIDC = "oidc"
    GITHUB = "github"
    """OAuth 2 without an ID token: the person is asked for at GitHub's API."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """This platform as a client of one provider."""

    provider: Provider
    secret: str = field(default="", repr=False)
    """Empty: a public client; PKCE guards the code."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    claims: ClaimNames = USUAL
    protocol: Protocol = Protocol.OIDC
    api: str = "https://api.github.com"
    """GitHub's, for the protocol `github`."""

    @property
    def id(self) -> str:
        """In URLs and in `oidc/ID/TOKEN`."""
        return self.provider.id

    @property
    def title(self) -> str:
        """On the sign-in page."""
        return self.provider.title or self.id


def read(settings: Mapping[str, Any]) -> tuple[RelyingParty, ...]:
    """From the setting `providers`: id -> issuer, client, secret or secret_file, scopes, audience, title, claims.

    Raises `InvalidInput` that names the provider and the key.
    """
    return tuple(_read(name, values) for name, values in settings.items())


_KEYS = frozenset(
    {"issuer", "client", "secret", "secret_file", "scopes", "audience", "title", "claims", "protocol", "api"}
)


def _read(name: str, values: Any) -> RelyingParty:
    if not isinstance(values, Mapping):
        raise InvalidInput(f"The provider {name} is {values!r}.", "It takes a table with issuer and client.")
    if unknown := sorted(set(values) - _KEYS):
        known = ", ".join(sorted(_KEYS))
        raise InvalidInput(f"The provider {name} has the unknown key {unknown[0]!r}.", f"Known: {known}.")
    try:
        protocol = Protocol(str(values.get("protocol", "oidc")))
    except ValueError:
        what = f"The provider {name} has the protocol {values['protocol']!r}."
        raise InvalidInput(what, "Known: oidc, github.") from None
    claims = values.get("claims", {})
    allowed = {entry.name for entry in fields(ClaimNames)}
    if not isinstance(claims, Mapping) or not allowed.issuperset(claims):
        raise InvalidInput(f"The claims of {name} are {claims!r}.", f"Known: {', '.join(sorted(allowed))}.")
    issuer = str(values.get("issuer", GITHUB if protocol is Protocol.GITHUB else ""))
    scopes = values.get("scopes", ("read:user", "user:email") if protocol is Protocol.GITHUB else None)
    scopes = scopes.split() if isinstance(scopes, str) else scopes
    return RelyingParty(
        Provider(
            name, issuer, str(values.get("client", "")), str(values.get("title", "")), str(values.get("audience", ""))
        ),
        _secret(name, values),
        tuple(scopes) if scopes else ("openid", "profile", "email"),
        ClaimNames(**claims),
        protocol,
        str(values.get("api", "https://api.github.com")),
    )


def _secret(name: str, values: Mapping[str, Any]) -> str:
    if "secret_file" not in values:
        return str(values.get("secret", ""))
    path = Path(str(values["secret_file"])).expanduser()
    try:
        return path.read_text("utf-8").strip()
    except OSError as fault:
        raise InvalidInput(f"The secret of {name} cannot be read from {path}: {fault.strerror}.") from fault


def parties(config: Config) -> tuple[RelyingParty, ...]:
    """All providers of the settings; `providers` says more of one than `issuers` and `clients` do."""
    named = read(config.providers)
    known = {party.id for party in named}
    short = (
        RelyingParty(Provider(name, issuer, config.clients.get(name, "")))
        for name, issuer in config.issuers.items()
        if name not in known
    )
    return (*named, *short)
