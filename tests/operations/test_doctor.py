"""`terrafair doctor`: what is configured and fails is found, each with the way to mend it."""

import json
import os
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from terrafair.config import Config
from terrafair.data.bucket_keys import make_bucket
from terrafair.data.seaweedfs import ObjectServer
from terrafair.database import NEWEST, migrate, open_engine
from terrafair.local_parts import examine
from terrafair.operations.certificates import certificates
from terrafair.operations.doctor import _space
from terrafair.operations.surroundings import examine_surroundings

from ..databases import empty


def found(config: Config) -> dict[str, tuple[bool, str]]:
    return {each.part: (each.works, each.says) for each in examine_surroundings(config)}


class Web:
    """An own server whose answers a test chooses: path -> (status, body), and its Date header."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.answers: dict[str, tuple[int, str]] = {}
        self.ahead = 0.0
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = web.answers.get(self.path, (404, ""))
                self.send_response_only(status)
                self.send_header("Date", formatdate(time.time() + web.ahead, usegmt=True))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body.encode())

            do_HEAD = do_GET  # noqa: N815 - the library's word

            def do_PUT(self) -> None:
                self.send_error(403)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web() -> Iterator[Callable[..., Web]]:
    running: list[Web] = []

    def start(certificate: Path | None = None) -> Web:
        running.append(Web(certificate))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def test_embedded_and_not_running_is_said_and_no_fault(tmp_path: Path) -> None:
    home = tmp_path / "home"
    parts = found(Config(home=home))
    assert parts["database"][0] and "not there yet" in parts["database"][1]
    assert parts["objects"][0] and "does not run" in parts["objects"][1]
    assert parts["schemas"][0] and set(parts) == {"database", "objects", "schemas"}
    assert not home.exists(), "looking makes nothing"


def test_a_whole_one(tmp_path: Path, web: Callable[..., Web], monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = signed(tmp_path, timedelta(days=90))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    provider, secured = web(), web(certificate)
    provider.answers["/.well-known/openid-configuration"] = (200, discovery(provider.url))
    store = ObjectServer(tmp_path / "store", "terrafair")
    (tmp_path / "store").mkdir()
    store.start()
    try:
        access = store.access
        make_bucket(access)
        config = Config(
            home=tmp_path, store_url=access.endpoint, store_key=access.key, store_secret=access.secret,
            url=secured.url, issuers={"eo": provider.url}, clients={"eo": "us"},
        )  # fmt: skip
        engine = open_engine(config.database_url)
        migrate(engine)
        engine.dispose()
        parts = found(config)
        assert all(works for works, _ in parts.values()), parts
        assert {"database", "objects", "objects clock", "sign-in eo", "schemas"} < set(parts) and len(parts) == 6
        assert NEWEST in parts["database"][1]
        names = {row["part"] for row in examine(config)}
        assert set(parts) < names and {"python", "disk", "isolation"} < names
        missing = Config(home=tmp_path, **{**keys(config), "store_bucket": "elsewhere"})
        works, says = found(missing)["objects"]
        assert works and "no bucket elsewhere yet: `terrafair serve` makes it" in says
        (tmp_path / "platform.lock").touch()
        works, says = found(missing)["objects"]
        assert not works and "No bucket elsewhere" in says and "`store_bucket`" in says
        wrong = Config(home=tmp_path, **{**keys(config), "store_secret": "wrong"})
        works, says = found(wrong)["objects"]
        assert not works and "`store_secret`" in says
    finally:
        store.stop()


def keys(config: Config) -> dict[str, str]:
    return {name: getattr(config, name) for name in ("store_url", "store_key", "store_secret")}


@pytest.mark.parametrize(
    ("at", "words"), [("0001", "older than"), ("9999", "newer than"), ("", "not this platform's")]
)  # fmt: skip
def test_tables_of_another_release(tmp_path: Path, at: str, words: str) -> None:
    with sqlite3.connect(tmp_path / "platform.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)" if at else "CREATE TABLE recipes (x)")
        if at:
            connection.execute("INSERT INTO alembic_version VALUES (?)", (at,))
    connection.close()
    works, says = found(Config(home=tmp_path))["database"]
    assert not works and words in says and says.count(". ") >= 1


def test_a_damaged_database(tmp_path: Path) -> None:
    (tmp_path / "platform.db").write_bytes(b"no database at all" * 100)
    works, says = found(Config(home=tmp_path))["database"]
    assert not works and "not a database" in says and "backup" in says


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:SECRET@127.0.0.1:1/none"
    works, says = found(Config(home=tmp_path, database=url))["database"]
    assert not works and "the setting `database`" in says and "SECRET" not in says


def test_an_empty_postgresql_and_its_clock(tmp_path: Path) -> None:
    from ..stac.cluster import missing

    if reason := missing():
        pytest.skip(reason)
    with empty("doctor") as (url,):
        parts = found(Config(home=tmp_path, database=url))
    assert parts["database"] == (True, "Reached; it is empty: `terrafair serve` makes its tables.")
    assert parts["database clock"] == (True, "Agrees with ours.")


@pytest.mark.parametrize(("ahead", "words"), [(600, "seconds ahead of ours"), (-600, "seconds behind ours")])
def test_the_stores_clock(tmp_path: Path, web: Callable[..., Web], ahead: float, words: str) -> None:
    store = web()
    store.answers["/terrafair"], store.ahead = (200, ""), ahead
    config = Config(home=tmp_path, store_url=store.url, store_key="k", store_secret="s")
    parts = found(config)
    assert parts["objects"][0] and not parts["objects clock"][0]
    assert words in parts["objects clock"][1] and "time server" in parts["objects clock"][1]


def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    works, says = found(Config(home=tmp_path, store_url="http://127.0.0.1:1"))["objects"]
    assert not works and "`store_url`" in says


def test_a_start_without_its_bucket_ends_with_the_way_out(tmp_path: Path, web: Callable[..., Web]) -> None:
    settings = {"HOME": str(tmp_path), "STORE_URL": web().url, "STORE_KEY": "k", "STORE_SECRET": "s"}
    environment = {**os.environ, **{f"TERRAFAIR_{name}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "terrafair", "serve", "--no-demo", "--port", "0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    said = ended.stdout + ended.stderr
    assert ended.returncode and "no bucket 'terrafair'" in said and "`store_bucket`" in said and "Traceback" not in said


def discovery(issuer: str, *left_out: str) -> str:
    about = {"issuer": issuer, **dict.fromkeys(("authorization_endpoint", "token_endpoint"), f"{issuer}/x")}
    about["jwks_uri"] = f"{issuer}/keys"
    return json.dumps({name: value for name, value in about.items() if name not in left_out})


def test_identity_providers(tmp_path: Path, web: Callable[..., Web]) -> None:
    absent, other, poor = web(), web(), web()
    path = "/.well-known/openid-configuration"
    other.answers[path] = (200, discovery("https://other.example"))
    poor.answers[path] = (200, discovery(poor.url, "jwks_uri"))
    issuers = {"absent": absent.url, "other": other.url, "poor": poor.url}
    parts = found(Config(home=tmp_path, issuers=issuers, clients=dict.fromkeys(issuers, "us")))
    for name, words in (("absent", "answers 404"), ("other", "other.example"), ("poor", "lacks jwks_uri")):
        works, says = parts[f"sign-in {name}"]
        assert not works and words in says and "the settings" in says, says
    unnamed = found(Config(home=tmp_path, issuers={"eo": absent.url}))
    assert not unnamed["sign-in"][0] and "clients" in unnamed["sign-in"][1]


def signed(folder: Path, lasts: timedelta) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400)).not_valid_after(now + lasts)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(
    ("days", "trusted", "words"),
    [(10.5, True, "Holds for 10 days"), (-1.0, True, "expired"), (90.0, False, "self-signed")],
)
def test_certificates(
    tmp_path: Path, web: Callable[..., Web], monkeypatch: pytest.MonkeyPatch, days: float, trusted: bool, words: str
) -> None:
    certificate = signed(tmp_path, timedelta(days=days))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    # Named twice, looked at once.
    url = web(certificate).url
    (finding,) = certificates(Config(home=tmp_path, url=url, store_public_url=f"{url}/objects"))
    assert not finding.works and words in finding.says.replace("self signed", "self-signed") and "Renew" in finding.says


def test_a_certificate_that_nobody_shows(tmp_path: Path) -> None:
    (finding,) = certificates(Config(home=tmp_path, providers={"eo": {"issuer": "https://127.0.0.1:1"}}))
    assert not finding.works and "Not seen" in finding.says and "settings" in finding.says


def test_the_disk_by_the_setting(tmp_path: Path) -> None:
    assert _space(Config(home=tmp_path / "not/yet", disk_floor="1 KB")).works
    full = _space(Config(home=tmp_path, disk_floor="100 %"))
    assert not full.works and "`disk_floor`" in full.says
    assert not _space(Config(home=tmp_path, disk_floor="much")).works


def test_schemas(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        works, says = found(Config(home=tmp_path, schemas=folder))["schemas"]
        assert not works and "terrafair schemas sync" in says


def test_a_batch_system_that_is_named_and_does_not_answer_is_found(tmp_path: Path) -> None:
    def says(system: str, **environment: str) -> tuple[bool, str]:
        options = {"environment": environment} if environment else {}
        config = Config(tmp_path, cwl_runner="toil", cwl_batch_system=system, cwl_options=options)
        (row,) = [each for each in examine(config) if each["part"] == "batch system"]
        return row["works"], row["says"]

    works, text = says("slurm", SLURM_CONF=str(tmp_path / "slurm.conf"))
    # Where Slurm or Toil is not installed, that.
    assert not works and any(each in text for each in ("does not answer", "not on the PATH", "extra `toil`"))
    works, text = says("slrum")
    assert not works and "slrum" in text and "TERRAFAIR_CWL_BATCH_SYSTEM" in text
    assert not [each for each in examine(Config(tmp_path)) if each["part"] == "batch system"]
