"""The Python client: what scientists and the command line use to talk to a running platform over HTTP.

    from terrafair.client import Client

    with Client("http://127.0.0.1:8080") as platform:
        job = platform.run("demo-ndvi", inputs={"end": "2024-07-01"})
        for line in platform.follow(job["id"]):
            print(line["message"])
        print(platform.results(job["id"])["assets"])

It imports nothing of the platform but the error tree: `pip install terrafair` on a laptop is enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from terrafair.errors import (
    Cancelled,
    Conflict,
    InvalidInput,
    InvalidInputs,
    NotExecutable,
    NotFound,
    Problem,
    Refused,
    TerrafairError,
    TimedOut,
    Unreachable,
)

Document = dict[str, Any]

_ERRORS: dict[str, type[InvalidInputs]] = {"invalid-inputs": InvalidInputs, "not-executable": NotExecutable}
_BY_STATUS: dict[int, type[TerrafairError]] = {
    400: InvalidInput,
    401: Refused,
    403: Refused,
    404: NotFound,
    408: TimedOut,
    409: Conflict,
    410: Cancelled,
    413: InvalidInput,
    415: InvalidInput,
    422: InvalidInput,
    429: Refused,
    502: Unreachable,
    503: Unreachable,
}
ENDED = frozenset({"successful", "failed", "dismissed"})


class Client:
    """One connection to one platform; every method raises `TerrafairError` with the platform's own words."""

    def __init__(self, url: str, *, token: str = "", project: str = "", timeout: float = 30.0) -> None:
        """`token` is a personal token (page /account); `project` is whose the jobs are, else your own."""
        self.url = url.rstrip("/")
        self._http = httpx2.Client(base_url=self.url, timeout=timeout, trust_env=False)
        if token:
            self.sign_in(token)
        if project:
            self._http.headers["X-Terrafair-Project"] = project

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def health(self) -> Document:
        """What runs there: version, isolation, catalogue, engines."""
        return self._json("GET", "/health")

    def read_only(self) -> Document:
        """Whether the platform refuses changes: `{on, since, by, reason}`; for operators."""
        return self._json("GET", "/api/operation/read-only")

    def set_read_only(self, *, on: bool, reason: str = "") -> Document:
        """Let it refuse changes, or take them again; for operators."""
        return self._json("PUT", "/api/operation/read-only", json={"on": on, "reason": reason})

    def find(self, text: str = "", **filters: Any) -> Document:
        """Search the catalogue: `{total, items: [{kind, id, title, score}]}`.

        Filters: `kind`, `theme`, `variable`, `mission`, `project`, `bbox` ("west,south,east,north", degrees),
        `time` ("start/end"), `limit`, `offset`.
        """
        chosen = {name: value for name, value in filters.items() if value not in (None, "", ())}
        return self._json("GET", "/api/find", params={"text": text, **chosen})

    def experiments(self) -> list[Document]:
        """Each experiment and workflow with its verdict: `[{id, kind, type, executable, reasons}]`."""
        rows: list[Document] = self._send("GET", "/api/experiments", timeout=300).json()
        return rows

    def explain(self, id: str, kind: str = "") -> Document:  # noqa: A002 - the field's word
        """What an experiment or workflow comes down to: code, inputs, environment, products, reasons."""
        return self._json("GET", f"/api/experiments/{_segment(id)}", params={"kind": kind} if kind else None)

    def run(
        self,
        id: str = "",  # noqa: A002
        *,
        kind: str = "",
        inputs: Mapping[str, Any] | None = None,
        file: Path | None = None,
        reproduce: bool = False,
        timeout: float | None = None,
        target: str = "",
    ) -> Document:
        """Start a job from a published id, or from a local workflow file; gives the accepted job.

        `inputs` replace the published values one by one. `reproduce` compares the result with the published product.
        `target` names a platform elsewhere that executes it. With the kind `job`, `id` is a job to be run once more.
        """
        body: Document = {"id": id, "kind": kind, "inputs": dict(inputs or {}), "reproduce": reproduce}
        if timeout is not None:
            body["timeout"] = timeout
        if target:
            body["target"] = target
        if file is not None:
            body["file"] = self.upload(file)
        return self._json("POST", "/api/jobs", json=body)

    def build(self, name: str, file: Path, *, version: str = "", release: bool = False, revision: str = "") -> Document:
        """Build packed sources (.tar.gz) there; a release becomes a process. Gives the accepted job."""
        body: Document = {"name": name, "file": self.upload(file), "release": release}
        body |= {key: value for key, value in {"version": version, "revision": revision}.items() if value}
        return self._json("POST", "/api/builds", json=body)

    def builds(self, name: str = "") -> list[Document]:
        """Builds, newest first."""
        rows: list[Document] = self._send("GET", "/api/builds", params={"name": name}).json()
        return rows

    def releases(self, name: str = "") -> list[Document]:
        """Released versions, newest first."""
        rows: list[Document] = self._send("GET", "/api/releases", params={"name": name}).json()
        return rows

    def processes(self) -> list[Document]:
        """Everything that OGC API - Processes lists here."""
        rows: list[Document] = self._send("GET", "/processes", timeout=300).json()["processes"]
        return rows

    def deploy(self, content: bytes, media_type: str, *, replace: str = "", entry: str = "") -> Document:
        """Deploy a process from CWL or an application package; `replace` is the id of one whose place it takes."""
        options: Document = {"content": content, "headers": {"Content-Type": media_type}}
        if replace:
            self._send("PUT", f"/processes/{_segment(replace)}", **options)
            return self._json("GET", f"/processes/{_segment(replace)}")
        return self._json("POST", "/processes", params={"w": entry} if entry else None, **options)

    def undeploy(self, id: str) -> None:  # noqa: A002
        """Take a deployed process away."""
        self._send("DELETE", f"/processes/{_segment(id)}")

    def capabilities(self) -> Document:
        """Which workflows, data and interfaces the platform supports, within which limits."""
        return self._json("GET", "/capabilities", headers={"Accept": "application/json"})

    def targets(self) -> list[Document]:
        """The platforms elsewhere that jobs can be handed on to."""
        rows: list[Document] = self._send("GET", "/api/targets").json()
        return rows

    def upload(self, file: Path) -> str:
        """Bring a local file to the platform; gives the reference that inputs can name."""
        try:
            with file.open("rb") as content:
                reply = self._json("POST", "/api/uploads", params={"name": file.name}, content=content, timeout=3600)
        except OSError as fault:
            raise InvalidInput(f"{file} cannot be read: {fault.strerror}.") from fault
        return str(reply["reference"])

    def jobs(self, **filters: Any) -> list[Document]:
        """Jobs, newest first; filters: `status`, `subject`, `limit`."""
        rows: list[Document] = self._send("GET", "/api/jobs", params=filters or None).json()
        return rows

    def job(self, id: str) -> Document:  # noqa: A002
        """One job as it is now."""
        return self._json("GET", f"/api/jobs/{_segment(id)}")

    def cancel(self, id: str) -> Document:  # noqa: A002
        """End a job and all its processes."""
        return self._json("DELETE", f"/api/jobs/{_segment(id)}")

    def log(self, id: str, since: int = 0, limit: int = 1000, wait: float = 0) -> Document:  # noqa: A002
        """Log lines from number `since`: `{lines: [{line, time, level, message}], next, job}`.

        `wait` lets the platform hold the answer for so many seconds until there is a new line or the job has ended.
        """
        params = {"since": since, "limit": limit, "wait": wait}
        return self._json("GET", f"/api/jobs/{_segment(id)}/log", params=params, timeout=30 + wait)

    def follow(self, id: str, since: int = 0, *, progress: bool = False) -> Iterator[Document]:  # noqa: A002
        """Log lines as they come, until the job has ended; with `progress` also those that only move it."""
        while True:
            page = self.log(id, since, wait=10)
            yield from (line for line in page["lines"] if progress or line["message"])
            since = page["next"]
            if page["job"]["status"] in ENDED and not page["lines"]:
                return

    def results(self, id: str) -> Document:  # noqa: A002
        """What a job made: `{collection, crate, assets: [{name, href, type, size, sha256}]}`."""
        return self._json("GET", f"/api/jobs/{_segment(id)}/results")

    def reproduction(self, id: str) -> Document:  # noqa: A002
        """How a job's result compares with the published product."""
        return self._json("GET", f"/api/jobs/{_segment(id)}/reproduction")

    def compare(self, first: str, second: str) -> Document:
        """Two jobs that have ended, side by side: `{verdict, summary, inputs, environment, metrics, outputs}`."""
        return self._json("GET", "/api/comparisons", params={"a": first, "b": second}, timeout=600)

    def download(self, id: str, folder: Path) -> list[Path]:  # noqa: A002
        """Bring all files of a job's results into a local folder."""
        written = []
        for file in self.results(id)["files"]:
            target = folder / file["name"]
            if not target.resolve().is_relative_to(folder.resolve()):
                raise Refused(f"The result {file['name']!r} would be written outside {folder}.")
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._http.stream("GET", file["href"], timeout=600) as reply:
                if reply.status_code != httpx2.codes.OK:
                    reply.read()
                    raise _error(reply)
                with target.open("wb") as out:
                    for chunk in reply.iter_bytes():
                        out.write(chunk)
            written.append(target)
        return written

    def product_files(self, id: str) -> Document:  # noqa: A002
        """The data of a published product: `{id, title, files: [{name, href, type, item, asset, datetime}]}`."""
        return self._json("GET", f"/api/products/{_segment(id)}/files", timeout=300)

    def fetch(self, file: Document, target: Path) -> Path:
        """Bring one file of a product or a job; one that is there already is left."""
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        own = str(file["href"]).startswith(f"{self.url}/")
        # The platform's token is no other site's business.
        reader = self._http if own else httpx2.Client(timeout=600, follow_redirects=True)
        try:
            with reader.stream("GET", file["href"], timeout=600) as reply, partial.open("wb") as out:
                if reply.status_code != httpx2.codes.OK:
                    reply.read()
                    raise _error(reply)
                for chunk in reply.iter_bytes():
                    out.write(chunk)
        except (httpx2.TransportError, httpx2.UnsupportedProtocol) as fault:
            raise Unreachable(f"{file['href']} cannot be had.", str(fault), "Read it with your own tools.") from None
        finally:
            if reader is not self._http:
                reader.close()
        return partial.replace(target)

    def sign_in(self, token: str) -> None:
        """Use a bearer token from here on."""
        self._http.headers["Authorization"] = f"Bearer {token}"

    def me(self) -> Document:
        """Who is asking: `{id, name, operator, projects: {id: role}}`."""
        return self._json("GET", "/api/me")

    def providers(self) -> list[Document]:
        """Where one can sign in: `[{id, title, issuer, client}]`."""
        rows: list[Document] = self._send("GET", "/api/providers").json()
        return rows

    def make_token(self, name: str, scopes: Sequence[str], days: int, *, login: bool = False) -> str:
        """A new personal token; its secret is shown this once. `login`: it ends when its person signs out."""
        body = {"name": name[:200], "scopes": list(scopes), "days": days, "login": login}
        return str(self._json("POST", "/api/tokens", json=body)["token"])

    def end_token(self) -> None:
        """End the personal token that this client signs in with."""
        self._send("DELETE", "/api/tokens/this")

    def bucket_keys(self, project: str = "", *, write: bool = True, seconds: int = 3600) -> Document:
        """Keys to a project's bucket: `{bucket, endpoint, key, secret, token, expires, environment}`."""
        return self._json("POST", "/api/s3/keys", json={"project": project, "write": write, "seconds": seconds})

    def held_keys(self) -> list[Document]:
        """One's keys that hold, without their secrets."""
        rows: list[Document] = self._send("GET", "/api/s3/keys").json()
        return rows

    def end_keys(self, id: str) -> None:  # noqa: A002
        """End keys before their time."""
        self._send("DELETE", f"/api/s3/keys/{_segment(id)}")

    def share(self, key: str, project: str = "", seconds: int = 3600) -> str:
        """An address at which everybody can read one object of a project's bucket for so long."""
        body = {"project": project, "key": key, "seconds": seconds}
        return str(self._json("POST", "/api/s3/links", json=body)["url"])

    def projects(self) -> list[Document]:
        """One's projects: `[{id, title, description}]`."""
        rows: list[Document] = self._send("GET", "/api/projects").json()
        return rows

    def usage(self, month: str = "") -> Document:
        """What was spent per allocation and month, in milli-credits, signed."""
        return self._json("GET", "/api/usage", params={"month": month} if month else None)

    def estimate(self, id: str, project: str = "") -> Document:  # noqa: A002
        """What a run may cost at the most, in milli-credits, and what the project has left."""
        return self._json("POST", "/api/estimate", json={"id": id, "project": project})

    def publish(self, job: str, answers: Mapping[str, Any] | None = None, *, dry_run: bool = False) -> Document:
        """Begin to publish a job's result, or add answers to the publication that it has.

        With `dry_run` nothing is kept: `{answers, entries, problems, warnings, files, diff}`.
        """
        body = {"job": job, "answers": dict(answers or {}), "dry_run": dry_run}
        return self._json("POST", "/api/publications", json=body, timeout=300)

    def publications(self, **filters: Any) -> list[Document]:
        """Publications, newest first; filters: `state`, `limit`."""
        rows: list[Document] = self._send("GET", "/api/publications", params=filters or None).json()
        return rows

    def publication(self, id: str) -> Document:  # noqa: A002
        """One publication, by its id or its job's."""
        return self._json("GET", f"/api/publications/{_segment(id)}")

    def advance(self, id: str) -> Document:  # noqa: A002
        """Do a publication's next step; answers once that is done or has failed."""
        return self._json("POST", f"/api/publications/{_segment(id)}/advance", timeout=24 * 3600)

    def merge(self, id: str) -> Document:  # noqa: A002
        """Play the reviewer, on a platform whose forge is the embedded one."""
        return self._json("POST", f"/api/publications/{_segment(id)}/merge", timeout=300)

    def _json(self, method: str, path: str, **options: Any) -> Document:
        document: Document = self._send(method, path, **options).json()
        return document

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            reply = self._http.request(method, path, **options)
        except httpx2.TimeoutException as fault:
            raise TimedOut(f"{self.url} did not answer {method} {path} in time.") from fault
        except httpx2.TransportError as fault:
            raise Unreachable(
                f"No platform answers at {self.url}.",
                remedy="Start one with `make run` (or `terrafair serve`), or set TERRAFAIR_URL.",
                code="no-platform",
            ) from fault
        if reply.is_success:
            return reply
        raise _error(reply)


def _segment(text: str) -> str:
    return quote(text, safe="")


def _error(reply: httpx2.Response) -> TerrafairError:
    """The platform's problem document (RFC 9457) as the error it was."""
    try:
        document = reply.json()
        problems = [Problem(**problem) for problem in document.get("problems", ())]
    except (ValueError, TypeError, AttributeError):
        return TerrafairError(f"{reply.request.url} answered {reply.status_code}.", reply.text[:200])
    if several := _ERRORS.get(document.get("code", "")):
        return several(problems, document.get("title", ""))
    kind = _BY_STATUS.get(reply.status_code, TerrafairError)
    if problems:
        first = problems[0]
        return kind(first.what, first.why, first.remedy, first.where, first.code)
    return kind(document.get("title") or document.get("detail") or f"The platform answered {reply.status_code}.")
