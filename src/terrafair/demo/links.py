"""The link conventions of the Open Science Catalog, at the test catalogue's own site."""

from terrafair.publishing import links
from terrafair.publishing.links import KINDS, ROOT_TITLE, Link, child, link, path, related

__all__ = ["KINDS", "ROOT_TITLE", "SITE", "Link", "child", "framed", "link", "path", "related"]

SITE = "https://catalogue.terrafair.example/"
"""Where the test catalogue says it is published."""


def framed(kind: str, identifier: str, between: list[Link]) -> list[Link]:
    """Put root and parent before an entry's links, and self after them."""
    return links.framed(kind, identifier, between, SITE)
