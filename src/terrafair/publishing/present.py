"""The catalogue as it is, read entry by entry."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from terrafair.catalogue.editing import parse
from terrafair.publishing.links import Document, path, title_of
from terrafair.publishing.proposal import Reader


@dataclass(frozen=True)
class Present:
    """One state of the catalogue; each file is read once."""

    read: Reader
    _known: dict[str, bytes | None] = field(default_factory=dict)

    def content(self, file: str) -> bytes | None:
        """A file; None: there is none."""
        if file not in self._known:
            self._known[file] = self.read(file)
        return self._known[file]

    def document(self, file: str) -> Document | None:
        """A document, parsed anew each time, so that it may be changed; raises `InvalidInput` when it is none."""
        content = self.content(file)
        found = None if content is None else parse(content, file)
        return found if isinstance(found, dict) else None

    def entry(self, kind: str, identifier: str) -> Document | None:
        """An entry."""
        return self.document(path(kind, identifier)) if identifier else None

    def title(self, kind: str, identifier: str) -> str:
        """The title of an entry; empty: there is none of that id."""
        document = self.entry(kind, identifier)
        return title_of(document) if document else ""

    def site(self) -> str:
        """Where the catalogue is published, by the root's own `self` link; ends with a slash."""
        for link in _links(self.document("catalog.json") or {}):
            if link.get("rel") == "self":
                return str(link.get("href", "")).removesuffix("catalog.json")
        return ""

    def listed(self, kind: str) -> Iterator[str]:
        """The ids that a folder's catalogue lists."""
        for link in _links(self.document(f"{kind}/catalog.json") or {}):
            if link.get("rel") in {"child", "item"}:
                yield str(link.get("href", "")).removeprefix("./").partition("/")[0]


def _links(document: Document) -> Iterator[Document]:
    found = document.get("links")
    yield from (link for link in found if isinstance(link, dict)) if isinstance(found, list) else ()
