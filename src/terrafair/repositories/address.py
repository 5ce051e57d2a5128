"""Addresses of repositories: their spellings, and which of them are taken."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, urlsplit

from terrafair.errors import InvalidInput, Refused

SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})


def split(url: str) -> SplitResult:
    """The parts of an address; raises `InvalidInput` for what is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InvalidInput(f"{public(url)!r} is no repository's address.") from None
    return parts


def plain(url: str) -> str:
    """One spelling for one repository: no `.git`, trailing slash, query or credentials; host in lower case."""
    if found := re.fullmatch(r"[\w.-]+@([\w.-]+):(.+)", url):
        url = f"ssh://{found[1]}/{found[2]}"
    parts = split(url)
    if not parts.scheme:
        return url.rstrip("/")
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{host}{parts.path.rstrip('/').removesuffix('.git')}"


def public(url: str) -> str:
    """The address, or a text that holds it, without credentials."""
    return re.sub(r"//[^/@\s]*@", "//", url)


def checked(url: str) -> str:
    """An address that git may be given, a path made absolute; for what the operator asks for.

    Raises `InvalidInput` for what is none, `Refused` for one with credentials.
    """
    if url.startswith("-") or "\0" in url or re.match(r"\w+::", url) or not url.strip():
        raise InvalidInput(f"{url!r} is no repository's address.")
    parts = split(url)
    if "://" in url and parts.scheme not in SCHEMES:
        raise InvalidInput(
            f"The address {public(url)!r} has the scheme {parts.scheme!r}.",
            remedy=f"Use {', '.join(sorted(SCHEMES))}.",
        )
    if "@" in parts.netloc and parts.scheme in {"http", "https"}:
        raise Refused(
            f"The address {public(url)} holds credentials.",
            "They would show in process lists and logs.",
            "Use an ssh:// address with a key.",
        )
    if "://" not in url and not re.match(r"[\w.-]+@[\w.-]+:", url):
        path = Path(url).expanduser().absolute()
        if not path.exists():
            raise InvalidInput(f"There is no repository at {url}.", remedy="Give a URL or a path that exists.")
        return str(path)
    return url


def place(url: str) -> PurePosixPath:
    """`HOST/OWNER/NAME.git`; raises `InvalidInput` for what could lie elsewhere."""
    parts = split(plain(url))
    host = (parts.hostname or "") + (f"_{parts.port}" if parts.port else "")
    path = PurePosixPath(parts.path.lstrip("/"))
    if not host or not path.parts or any(name.startswith(".") or "\0" in name for name in (host, *path.parts)):
        raise InvalidInput(f"{url!r} is no repository's address.", remedy="Give an https:// clone URL.")
    if any(name.endswith(".git") for name in path.parts):
        raise InvalidInput(f"{url!r} leads inside a repository.", remedy="Give the address up to `.git`.")
    return host / path.with_name(path.name + ".git")


def published(url: str) -> str:
    """The https address of a repository that a published record names; raises `Refused` for any other."""
    checked(url)
    address = re.sub(r"^(ssh|git)://", "https://", plain(url))
    if split(address).scheme not in {"https", "http"}:
        raise Refused(
            f"The repository {public(url)} is not at an https address.",
            "Published code is cloned over https only.",
            "Map it to a local mirror in the setting `repositories`.",
        )
    return address
