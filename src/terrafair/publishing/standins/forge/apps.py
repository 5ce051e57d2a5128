"""GitHub Apps: whose assertions are taken."""

from collections.abc import Mapping

from terrafair.errors import NotFound

LONGEST_SECONDS = 600
"""GitHub takes no assertion that is valid for longer."""


def acts_for(assertion: str, apps: Mapping[str, tuple[str, str]], now: float) -> str:
    """The account that an App acts for, by its signed assertion (JWT, RS256); raises `NotFound`.

    `apps` maps an App's id to its public key (PEM) and the account.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    for app, (key, login) in apps.items():
        try:
            claims = jwt.decode(assertion, RSAKey.import_key(key), algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            continue
        fresh = claims.get("iat", now + 1) <= now < claims.get("exp", 0) <= now + LONGEST_SECONDS
        if str(claims.get("iss")) == app and fresh:
            return login
    raise NotFound("A JSON web token could not be decoded")
