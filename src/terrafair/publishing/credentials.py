"""Who we are at GitHub: a person's token, a bot's token, or a GitHub App that gets itself a token for an hour."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from terrafair.errors import InvalidInput

EARLY_SECONDS = 120
"""A token is renewed so long before it ends."""
JWT_SECONDS = 540


class Credentials(Protocol):
    """Gives the value of the `Authorization` header."""

    def authorization(self) -> str:
        """`Bearer ...`; raises `InvalidInput` when there is nothing to sign in with."""
        ...

    def renew(self) -> bool:
        """Forget what was refused; whether another try may go better."""
        ...


@dataclass(frozen=True, slots=True)
class TokenCredentials:
    """A token from a file or, first, from the environment; read anew each time, so that it can be exchanged."""

    file: Path | None = None
    variable: str = ""
    value: str = field(default="", repr=False)

    def authorization(self) -> str:
        """The token as it is now."""
        return f"Bearer {self.value or secret(self.file, self.variable, 'a GitHub token')}"

    def renew(self) -> bool:
        """A refused token stays refused."""
        return False


class AppCredentials:
    """A GitHub App: signs a short JWT with its key and exchanges it for an installation's token."""

    def __init__(
        self,
        app: str,
        key: Path,
        installation: str,
        exchange: Callable[[str, str], dict[str, str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app, self._key, self._installation = app, key, installation
        self._exchange = exchange
        self._clock = clock
        self._token, self._ends = "", 0.0

    def authorization(self) -> str:
        """A token that has some minutes left."""
        if self._ends - EARLY_SECONDS < self._clock():
            path = f"/app/installations/{self._installation}/access_tokens"
            answer = self._exchange(path, f"Bearer {self.assertion()}")
            self._token, self._ends = answer["token"], datetime.fromisoformat(answer["expires_at"]).timestamp()
        return f"Bearer {self._token}"

    def renew(self) -> bool:
        """A new token at the next request."""
        fresh, self._ends = self._ends > 0, 0.0
        return fresh

    def assertion(self) -> str:
        """The signed JWT (RS256), valid for nine minutes, its start a minute ago against clocks that differ."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import RSAKey

        try:
            key = RSAKey.import_key(self._key.read_text("utf-8"))
        except OSError as fault:
            raise InvalidInput(f"The App's key {self._key} cannot be read: {fault.strerror}.") from None
        except (JoseError, ValueError, TypeError):
            raise InvalidInput(f"{self._key} is no RSA private key in PEM form.") from None
        now = int(self._clock())
        return jwt.encode({"alg": "RS256"}, {"iat": now - 60, "exp": now + JWT_SECONDS, "iss": self._app}, key)


def secret(file: Path | None, variable: str, what: str) -> str:
    """A secret from the environment, else from a file; raises `InvalidInput` that names neither's content."""
    found = os.environ.get(variable, "") if variable else ""
    if not found and file is not None:
        try:
            found = file.read_text("utf-8").strip()
        except OSError as fault:
            raise InvalidInput(f"{file} cannot be read: {fault.strerror}.", f"It should hold {what}.") from None
    if not found:
        raise InvalidInput(
            f"There is no {what.removeprefix('a ').removeprefix('the ')}.",
            remedy=f"Put {what} into {variable}, or into a file that the settings name.",
            code="no-secret",
        )
    if not found.isascii() or any(letter.isspace() for letter in found):
        raise InvalidInput(f"There are letters in {what} that cannot be in it.", remedy="Copy it again.")
    return found
