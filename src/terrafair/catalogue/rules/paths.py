"""Where links lead: resolved as the official validator resolves them, on paths inside the catalogue."""

import posixpath
from urllib.parse import unquote

PUBLISHED = "https://esa-earthcode.github.io/open-science-catalog-metadata/"
"""Where the catalogue is on the web; every `self` link starts with it."""
OUTSIDE = "\0/"
"""Begins every path that leaves the catalogue's folder, so that no file is ever found there."""
# Deep enough that no number of `..` meets the end of the path.
_ABOVE = "/\0" * 64


def step(folder: str, href: str) -> str | None:
    """Where an ordinary relative reference leads, officially and for every reader; None: it takes more to tell."""
    href = href.removeprefix("./")
    while href.startswith("../"):
        if not folder:
            return None
        folder, href = folder.rpartition("/")[0], href[3:]
    if not href or href[0] == "/" or "./" in href or "//" in href or href[-1] in "./":
        return None
    return f"{folder}/{href}" if folder else href


def resolve(folder: str, href: str, name: str) -> str:
    """The path that `href` leads to from a folder; `name` is that of the catalogue's own folder.

    The published address counts as a relative one, taken from the *document's* folder: so does the official validator,
    and absolute links to the catalogue's own files fail there. Other addresses become paths that never exist.
    """
    if (plain := step(folder, href)) is not None:
        return plain
    root = f"{_ABOVE}/{name}/"
    if href.startswith("/"):
        return OUTSIDE + href
    full = posixpath.normpath(f"{root}{folder}/{href.removeprefix(PUBLISHED)}")
    return full[len(root) :] if full.startswith(root) else "" if full == root[:-1] else OUTSIDE + full


def local(folder: str, href: str) -> str:
    """The path of the file in the catalogue that a reader would expect behind a link; empty: it leads elsewhere."""
    if href.startswith(("https://", "http://")) and not href.startswith(PUBLISHED):
        return ""
    plain = href.partition("#")[0].partition("?")[0]
    plain = unquote(plain) if "%" in plain else plain
    if plain.startswith(PUBLISHED):
        return posixpath.normpath(plain[len(PUBLISHED) :])
    if not plain or "://" in plain or plain.startswith(("/", "mailto:", "urn:", "doi:")):
        return ""
    path = step(folder, plain) or posixpath.normpath(f"{folder}/{plain}" if folder else plain)
    return "" if path.startswith("..") else path


def relative(source: str, target: str) -> str:
    """The shortest relative reference from one document to another; inside one folder it begins with `./`."""
    reference = posixpath.relpath(target, posixpath.dirname(source) or ".")
    return reference if reference.startswith("..") else f"./{reference}"


def parent(path: str) -> str:
    """The folder of a path as Node's `path.dirname` gives it: a slash at the end does not count."""
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head or ("/" if slash else ".")


def last(path: str) -> str:
    """The last part of a path as Node's `path.basename` gives it."""
    return path.rstrip("/").rpartition("/")[2]
