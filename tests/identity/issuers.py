"""Identity providers over real HTTP: an OpenID Connect one that can be made to lie, and one with GitHub's rules."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

Reply = tuple[int, dict[str, str], bytes]


def key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"}, private=True)


FIRST = key()


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@contextmanager
def serving(answer: Callable[[str, str, dict[str, str], str], Reply]) -> Iterator[str]:
    """Answers (method, path, parameters of query or form, authorization) at the address that it gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

        def _answer(self, text: str) -> None:
            given = {name: values[0] for name, values in parse_qs(text).items()}
            authorization = self.headers.get("Authorization", "")
            status, headers, body = answer(self.command, urlsplit(self.path).path, given, authorization)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def document(status: int, body: Any) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@dataclass
class Issuer:
    """An OpenID Connect provider at which everybody is the same person; `claims` are added to its ID tokens."""

    client: str = "platform"
    secret: str = "s3cret"
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: FIRST)
    published: list[RSAKey] = field(default_factory=list)
    url: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    shift: int = 0
    """Seconds by which its clock is wrong."""

    def __post_init__(self) -> None:
        self.published.append(self.key)

    def rotate(self) -> None:
        self.key = key()
        self.published[:] = [self.key]

    def token(self, **claims: Any) -> str:
        now = int(time.time()) + self.shift
        body = {"iss": self.url, "sub": "42", "aud": self.client, "iat": now, "exp": now + 300, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, body, self.key, algorithms=["RS256"])

    def answer(self, method: str, path: str, given: dict[str, str], authorization: str) -> Reply:
        if path == "/.well-known/openid-configuration":
            return document(200, {
                "issuer": self.url, "jwks_uri": f"{self.url}/keys", "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token", "userinfo_endpoint": f"{self.url}/me",
                "end_session_endpoint": f"{self.url}/end",
            })  # fmt: skip
        if path == "/keys":
            return document(200, {"keys": [each.as_dict(private=False) for each in self.published]})
        if path == "/authorize":
            code = secrets.token_urlsafe(8)
            self.codes[code] = given
            query = urlencode({"code": code, "state": given["state"], "iss": self.url})
            return 302, {"Location": f"{given['redirect_uri']}?{query}"}, b""
        if path == "/token" and method == "POST":
            return self._exchange(given)
        if path == "/me" and authorization == "Bearer access":
            return document(200, {"sub": "42", **self.userinfo})
        return document(404, {"error": "not_found"})

    def _exchange(self, given: dict[str, str]) -> Reply:
        asked = self.codes.pop(given.get("code", ""), None)
        right = asked is not None and challenge(given.get("code_verifier", "")) == asked["code_challenge"]
        right = right and (given["client_id"], given.get("client_secret")) == (self.client, self.secret)
        if asked is None or not right or given["redirect_uri"] != asked["redirect_uri"]:
            return document(400, {"error": "invalid_grant", "error_description": "The grant does not hold."})
        token = self.token(**{"nonce": asked.get("nonce"), **self.claims})
        return document(200, {"access_token": "access", "token_type": "Bearer", "id_token": token})


@dataclass
class GitHub:
    """GitHub's OAuth rules: errors come with status 200, form by default, JSON when asked; codes work once."""

    client: str = "Iv1.platform"
    secret: str = "hub-secret"
    url: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def answer(self, method: str, path: str, given: dict[str, str], authorization: str) -> Reply:
        if path == "/login/oauth/authorize":
            if given.get("client_id") != self.client:
                return 404, {}, b""
            code = secrets.token_hex(10)
            self.codes[code] = given
            query = urlencode({"code": code, "state": given["state"]})
            return 302, {"Location": f"{given['redirect_uri']}?{query}"}, b""
        if path == "/login/oauth/access_token" and method == "POST":
            asked = self.codes.pop(given.get("code", ""), None)
            if (given.get("client_id"), given.get("client_secret")) != (self.client, self.secret):
                return document(200, {"error": "incorrect_client_credentials"})
            if asked is None or challenge(given.get("code_verifier", "")) != asked.get("code_challenge"):
                what = "The code passed is incorrect or expired."
                return document(200, {"error": "bad_verification_code", "error_description": what})
            return document(200, {"access_token": "gho_x", "token_type": "bearer", "scope": "read:user"})
        if path == "/user":
            if authorization != "Bearer gho_x":
                return document(401, {"message": "Bad credentials"})
            return document(200, {"id": 583231, "login": "octocat", "name": "Octo Cat", "email": None})
        return document(404, {"message": "Not Found"})
