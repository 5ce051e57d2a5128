"""What a published link means: repository, branch or commit, and path, from the many forms that records use."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

from terrafair.workflows.workflow import CodeLocation

FORGES = frozenset({"github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.terrafair.example"})
"""Hosts on which two path segments name a repository."""
FILES = frozenset({"MLmodel", "Dockerfile", "Containerfile", "Makefile"})
"""Documents whose names have no extension that would tell them from folders."""
_MARK = re.compile(r"^(?P<repository>/.+?)/(?:-/)?(?P<kind>blob|tree|raw|src|edit|blame)/(?P<rest>.+)$")
_ARCHIVE = re.compile(
    r"^(?P<repository>/[^/]+/[^/]+)/archive/(?:refs/(?:heads|tags)/)?(?P<reference>.+?)\.(?:zip|tar\.gz)$"
)
_SCP = re.compile(r"^[\w.-]+@(?P<host>[\w.-]+):(?P<path>[^\s]+)$")


def locate(url: str) -> CodeLocation:
    """Read a link; a form that is not known is a plain document at that address."""
    url = url.strip()
    if found := _SCP.match(url):
        return CodeLocation(url, f"https://{found['host']}/{_bare(found['path'])}")
    parts = urlsplit(url)
    if wrapped := _wrapped(parts.query):
        return _renamed(locate(wrapped), url) if wrapped != url else CodeLocation(url)
    host, path = (parts.hostname or "").lower(), unquote(parts.path)
    if parts.scheme == "ssh" and host:
        return CodeLocation(url, f"https://{host}/{_bare(path)}")
    if parts.scheme not in {"http", "https", "git"} or not host:
        return CodeLocation(url)
    root = f"https://{host}{f':{parts.port}' if parts.port else ''}"
    if host == "raw.githubusercontent.com":
        return _raw(url, path)
    if found := _MARK.match(path.rstrip("/")):
        reference, below = _reference(found["rest"])
        return CodeLocation(url, f"{root}/{_bare(found['repository'])}", reference, path=below)
    if found := _ARCHIVE.match(path):
        return CodeLocation(url, f"{root}/{_bare(found['repository'])}", found["reference"])
    segments = [segment for segment in path.split("/") if segment]
    if path.rstrip("/").endswith(".git") or (host in FORGES and len(segments) == 2):
        branch = parse_qs(parts.query).get("ref", [""])[0]
        return CodeLocation(url, f"{root}/{_bare(path)}", branch)
    if host in FORGES and len(segments) > 3 and segments[2] == "releases":
        tag = segments[-1] if segments[3] == "tag" else ""
        return CodeLocation(url, f"{root}/{segments[0]}/{segments[1]}", tag)
    return CodeLocation(url)


def is_repository(location: CodeLocation) -> bool:
    """Whether a link leads to a whole repository or a folder in one, rather than to a document."""
    name = location.path.rpartition("/")[2]
    return bool(location.repository) and "." not in name and name not in FILES


def is_mutable(location: CodeLocation) -> bool:
    """Whether what the link leads to may change: anything but a full commit id."""
    return bool(location.repository) and not re.fullmatch(r"[0-9a-f]{40}", location.reference)


def _raw(url: str, path: str) -> CodeLocation:
    segments = [segment for segment in path.split("/") if segment]
    if len(segments) < 4:
        return CodeLocation(url)
    reference, below = _reference("/".join(segments[2:]))
    return CodeLocation(url, f"https://github.com/{segments[0]}/{segments[1]}", reference, path=below)


def _reference(rest: str) -> tuple[str, str]:
    """Branch, tag or commit, and the path behind it; branches with a slash are told only by `refs/heads/`."""
    for prefix in ("refs/heads/", "refs/tags/"):
        if rest.startswith(prefix):
            rest = rest.removeprefix(prefix)
    reference, _, path = rest.partition("/")
    return reference, path.strip("/")


def _wrapped(query: str) -> str:
    """The repository inside a hub's git-pull link, or the process inside an openEO editor's."""
    values = parse_qs(query)
    if repository := values.get("repo", [""])[0]:
        branch = values.get("branch", [""])[0]
        below = values.get("urlpath", [""])[0].removeprefix("lab/tree/").removeprefix("tree/").partition("/")[2]
        location = locate(repository)
        if location.repository and branch and below:
            return f"{location.repository}/blob/{branch}/{below}"
        return repository
    for name in ("process", "wizard~processUrl", "processUrl"):
        value = values.get(name, [""])[0]
        if value.startswith(("http://", "https://")):
            return value
    return ""


def _renamed(location: CodeLocation, url: str) -> CodeLocation:
    return CodeLocation(url, location.repository, location.reference, location.commit, location.path)


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".git")
