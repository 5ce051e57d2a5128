"""Who somebody is, said by the platform to the hub: a name with an end, signed with their common secret."""

import hashlib
import hmac
import time

HEADER = "X-Terrafair-Workspace"
SECONDS = 60


def prove(secret: str, person: str, *, now: float | None = None) -> str:
    """The header's value for a person."""
    text = f"{person}.{int((time.time() if now is None else now) + SECONDS)}"
    return f"{text}.{_sign(secret, text)}"


def proven(secret: str, value: str, *, now: float | None = None) -> str:
    """Whose value it is; empty: nobody's, or of another time."""
    text, _, signature = value.rpartition(".")
    person, _, until = text.rpartition(".")
    if not secret or not hmac.compare_digest(_sign(secret, text), signature) or not until.isdigit():
        return ""
    return person if int(until) > (time.time() if now is None else now) else ""


def _sign(secret: str, text: str) -> str:
    return hmac.digest(secret.encode(), text.encode("utf-8", "replace"), hashlib.sha256).hex()
