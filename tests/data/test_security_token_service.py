"""Keys by AssumeRoleWithWebIdentity, over real HTTP with boto3: a service that keeps the rules of the standard one.

It checks the person's token against its issuer's published keys, the role, the time, and the session's policy, and
answers in the words that stores have for each.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest

from terrafair.data.bucket_keys import StsKeys
from terrafair.errors import Conflict, Refused, TerrafairError, Unreachable
from terrafair.identity.oidc import OidcTokens, Provider

from ..identity.issuers import Issuer, Reply, serving

ROLE = "arn:aws:iam::123456789012:role/terrafair"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass
class Service:
    """The token service of a store."""

    tokens: OidcTokens
    given: list[dict[str, str]] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, given: dict[str, str], authorization: str) -> Reply:
        self.signed.append(authorization)
        if method != "POST" or given.get("Action") != "AssumeRoleWithWebIdentity" or given["Version"] != "2011-06-15":
            return fault(400, "InvalidAction", "Not known here.")
        if given["RoleArn"] != ROLE:
            return fault(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        if not 900 <= int(given["DurationSeconds"]) <= 43_200 or not re.fullmatch(
            r"[\w+=,.@-]{2,64}", given["RoleSessionName"]
        ):
            return fault(400, "ValidationError", "DurationSeconds or RoleSessionName")
        if len(given["Policy"]) > 2048 or json.loads(given["Policy"])["Version"] != "2012-10-17":
            return fault(400, "MalformedPolicyDocument", "Policy")
        try:
            self.tokens.person("test", given["WebIdentityToken"])
        except TerrafairError as refusal:
            return fault(400, "InvalidIdentityToken", str(refusal))
        self.given.append(given)
        end = datetime.now(UTC) + timedelta(seconds=int(given["DurationSeconds"]))
        keys = "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/1</SecretAccessKey><SessionToken>t+1</SessionToken>"
        keys += f"<Expiration>{end:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        return document(200, f"<AssumeRoleWithWebIdentityResponse xmlns='{NAMESPACE}'><AssumeRoleWithWebIdentityResult>"
                        f"<Credentials>{keys}</Credentials></AssumeRoleWithWebIdentityResult>"
                        "</AssumeRoleWithWebIdentityResponse>")  # fmt: skip


def document(status: int, text: str) -> Reply:
    return status, {"Content-Type": "text/xml"}, text.encode()


def fault(status: int, code: str, message: str) -> Reply:
    inner = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
    return document(status, f"<ErrorResponse xmlns='{NAMESPACE}'><Error>{inner}</Error></ErrorResponse>")


@dataclass
class Place:
    issuer: Issuer
    service: Service
    keys: StsKeys


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    issuer = Issuer()
    with serving(issuer.answer) as issuer.url:
        service = Service(OidcTokens((Provider("test", issuer.url, "platform"),)))
        with serving(service.answer) as url:
            yield Place(issuer, service, StsKeys(url, ROLE))


def test_a_persons_token_gives_keys_for_one_bucket(place: Place) -> None:
    made = place.keys.make("p-glaciers", write=False, seconds=3600, identity=place.issuer.token())
    assert (made.key, made.secret, made.token, made.handle) == ("ASIA1", "s/1", "t+1", "")
    given = place.service.given[-1]
    (allowed,) = json.loads(given["Policy"])["Statement"]
    assert allowed["Resource"] == ["arn:aws:s3:::p-glaciers", "arn:aws:s3:::p-glaciers/*"]
    assert allowed["Action"] == ["s3:GetObject", "s3:ListBucket"] and given["DurationSeconds"] == "3600"
    # The token is all that it goes by: the platform's own keys are not shown to it.
    assert set(place.service.signed) == {""}
    assert "s/1" not in repr(made) and "t+1" not in repr(made)
    place.keys.end(made.handle)


def test_a_short_time_is_the_shortest_that_the_service_has_and_keys_write(place: Place) -> None:
    place.keys.make("p-glaciers", write=True, seconds=1, identity=place.issuer.token())
    assert place.service.given[-1]["DurationSeconds"] == "900"
    assert "s3:PutObject" in place.service.given[-1]["Policy"]


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": "another"}, {"iss": "https://evil.example"}, {"sub": None}])
def test_tokens_that_do_not_hold(place: Place, claims: dict[str, object]) -> None:
    with pytest.raises(Refused, match="STS refuses") as caught:
        place.keys.make("p-glaciers", write=False, seconds=3600, identity=place.issuer.token(**claims))
    assert "InvalidIdentityToken" in str(caught.value)


def test_another_role_and_no_token_and_no_service(place: Place) -> None:
    with pytest.raises(Refused, match="AccessDenied"):
        StsKeys(place.keys.url, f"{ROLE}-2").make("p-x", write=False, seconds=900, identity=place.issuer.token())
    with pytest.raises(Conflict, match="provider's token"):
        place.keys.make("p-x", write=False, seconds=900, identity="")
    with pytest.raises(Unreachable, match="does not answer"):
        StsKeys("http://127.0.0.1:9", ROLE).make("p-x", write=False, seconds=900, identity="x" * 20)
