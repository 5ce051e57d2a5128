"""Gathers a CWL document with everything that it imports, so that nothing is fetched while it is read or run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

import yaml

from terrafair.errors import InvalidInput, NotFound, Refused, TerrafairError, Unreachable
from terrafair.execution.engines.checkout import Checkout, Repositories, open_commit
from terrafair.execution.engines.cwl.schemas import stand_in
from terrafair.workflows.workflow import Application

ROOT = "file:///application/"
"""Stands for the root of the repository in addresses; the child maps it to the checked-out files."""

_DOCUMENTS, _NODES, _BYTES = 200, 300_000, 8 * 2**20


class Document(Protocol):
    """What `Web.get` gives."""

    content: bytes


class Web(Protocol):
    """The part of `web.Web` that is needed here."""

    def get(self, url: str, *, limit: int = ...) -> Any:
        """Fetch a document; raises `NotFound`, `Unreachable` or `Refused`."""
        ...


@dataclass(frozen=True, slots=True)
class Bundle:
    """A CWL document and what it imports."""

    main: str
    """Address of the main document."""
    documents: Mapping[str, bytes] = field(default_factory=dict)
    """Address -> content."""


def gather(application: Application, repositories: Repositories, web: Web) -> Bundle:
    """Read the document and follow `run`, `$import`, `$include` and default files.

    Raises `InvalidInput` for YAML that does not parse (with its line) and for what is not there, `Unreachable` for
    hosts that do not answer.
    """
    location = application.location
    checkout: tuple[Checkout, str] | None = None
    if location.repository:
        checkout = open_commit(application, repositories)
        main = ROOT + quote(location.path)
    else:
        main = urldefrag(location.url)[0] if location.url.startswith("http") else ROOT + "application.cwl"
    documents = {main: application.content}
    waiting = [main]
    while waiting:
        base = waiting.pop()
        for reference, parsed in references(parse(documents[base], _short(base))):
            url = urldefrag(urljoin(base, reference))[0]
            if not url or url in documents:
                continue
            if len(documents) >= _DOCUMENTS:
                raise InvalidInput(f"The workflow imports more than {_DOCUMENTS} documents.")
            documents[url] = _fetch(url, reference, base, checkout, web)
            if parsed:
                waiting.append(url)
    return Bundle(main, documents)


def parse(content: bytes, name: str) -> Any:
    """Parse YAML; raises `InvalidInput` with the line, and for documents that would grow beyond measure."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise InvalidInput(f"{name} is not UTF-8 text (byte {fault.start}).", where=name, code="cwl-syntax") from None
    try:
        document = yaml.load(text, Loader=_Strings)  # noqa: S506 (a safe loader without dates)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidInput(
            f"{name} does not parse{place}: {fault.problem or fault.context}.",
            remedy="Mend the YAML at that line.",
            where=f"{name}:{mark.line + 1}" if mark else name,
            code="cwl-syntax",
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        raise InvalidInput(f"{name} does not parse: {str(fault)[:300]}.", where=name, code="cwl-syntax") from None
    if _size(document, {}) > _NODES:
        raise InvalidInput(f"{name} is too large to be a workflow once its aliases are written out.", where=name)
    return document


def references(node: Any) -> Iterator[tuple[str, bool]]:
    """Give what a document refers to, and whether that is a document of its own to look into."""
    stack, seen = [node], set()
    while stack:
        node = stack.pop()
        if id(node) in seen or not isinstance(node, dict | list):
            continue
        seen.add(id(node))
        if isinstance(node, list):
            stack.extend(node)
            continue
        for key, value in node.items():
            if isinstance(value, str) and not value.startswith("#"):
                if key in {"run", "$import", "$mixin"}:
                    yield value, True
                elif key == "$include" or (key in {"location", "path"} and _is_file(node, value)):
                    yield value, False
            elif key != "$schemas":
                stack.append(value)


def _is_file(node: dict[str, Any], value: str) -> bool:
    return node.get("class") == "File" and "$(" not in value and "${" not in value


def _fetch(url: str, reference: str, base: str, checkout: tuple[Checkout, str] | None, web: Web) -> bytes:
    name = _short(base)
    what = f"{name} refers to {reference!r}, which"
    try:
        if url.startswith(("http://", "https://")):
            try:
                return bytes(web.get(url, limit=_BYTES).content)
            except (Unreachable, NotFound):
                if (known := stand_in(url)) is not None:
                    return known
                raise
        if url.startswith(ROOT) and checkout:
            repository, commit = checkout
            return repository.read(commit, str(PurePosixPath(unquote(urlsplit(url).path)).relative_to("/application")))
    except Unreachable as fault:
        raise Unreachable(f"{what} does not answer: {fault.problem.what}", where=name, code="cwl-import") from None
    except (NotFound, Refused) as fault:
        why = fault.problem.what
        raise InvalidInput(f"{what} is not there.", why, "Publish it, or correct it.", name, "cwl-import") from None
    except TerrafairError:
        raise
    why = "Only documents of the same repository and of the web can be referred to."
    raise InvalidInput(f"{what} cannot be read.", why, "Publish it beside the workflow.", name, "cwl-import")


class _Strings(yaml.SafeLoader):
    """CWL is written in YAML 1.2: dates and yes/no are strings there."""


_Strings.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _size(node: Any, known: dict[int, int]) -> int:
    """Count the nodes as if every alias were written out; shared parts are counted once and multiplied."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in known:
        known[id(node)] = _NODES  # an alias to itself is endless
        children = node.values() if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def _short(url: str) -> str:
    return unquote(url.removeprefix(ROOT)) if url.startswith(ROOT) else url
