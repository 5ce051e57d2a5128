"""Passwords of local accounts: kept as scrypt digests, compared in constant time."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from terrafair.errors import InvalidInput

_N, _R, _P = 2**14, 8, 1
_MARK = "scrypt"
PASSWORD_BYTES = 1024


def digest(password: str) -> str:
    """What to write into the setting `accounts`: `scrypt:SALT:DIGEST`."""
    salt = secrets.token_hex(16)
    return f"{_MARK}:{salt}:{_scrypt(password, salt)}"


def check(accounts: Mapping[str, str]) -> None:
    """Raise `InvalidInput` for an account whose digest nobody could match."""
    for name, kept in accounts.items():
        mark, _, rest = kept.partition(":")
        salt, _, value = rest.partition(":")
        if mark != _MARK or not name or len(salt) != 32 or len(value) != 64:
            raise InvalidInput(
                f"The setting accounts has no password digest for {name!r}.",
                "Passwords are kept as `scrypt:SALT:DIGEST`.",
                "Make one: python -c 'import terrafair.identity.passwords as p; print(p.digest(input()))'",
            )


def matches(accounts: Mapping[str, str], name: str, password: str) -> bool:
    """Whether the password is that of the account; it takes as long for names that nobody has."""
    kept = accounts.get(name) or f"{_MARK}:{'0' * 32}:{'0' * 64}"
    _, salt, value = kept.split(":")
    known = name in accounts and len(password.encode()) <= PASSWORD_BYTES
    return hmac.compare_digest(_scrypt(password[:PASSWORD_BYTES], salt), value) and known


def _scrypt(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=_N, r=_R, p=_P, dklen=32).hex()
