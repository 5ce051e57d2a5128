"""The string formats of JSON Schema as the official validator understands them.

It runs ajv with its full formats and two of its own (`iri`, `iri-reference`). They differ from the standards and from
jsonschema-rs in what the catalogue's documents really use: spaces are fine in an `iri-reference` and not in a
`uri-reference`, a `date-time` needs no time zone, `iri` needs a host. Each rule here was compared with ajv.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache

CACHED = 4096
"""Links repeat (`../../catalog.json`): most answers are known already."""

# RFC 3986, appendix A; the official grammar for references also lets a double quote through.
_PERCENT = "%[0-9a-f]{2}"
_PLAIN = r"a-z0-9\-._~!$&'()*+,;="
_GROUP = "[0-9a-f]{1,4}"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
_LAST = f"(?:{_GROUP}:{_GROUP}|{_IPV4})"
_IPV6 = "|".join(
    [
        f"(?:{_GROUP}:){{6}}{_LAST}",
        f"::(?:{_GROUP}:){{5}}{_LAST}",
        *(
            f"(?:(?:{_GROUP}:){{0,{before}}}{_GROUP})?::(?:{_GROUP}:){{{4 - before}}}{_LAST}"
            if before < 4
            else f"(?:(?:{_GROUP}:){{0,4}}{_GROUP})?::{_LAST}"
            for before in range(5)
        ),
        f"(?:(?:{_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}",
        f"(?:(?:{_GROUP}:){{0,6}}{_GROUP})?::",
    ]
)


@cache
def _grammar(extra: str, scheme: str, *, path_needed: bool) -> re.Pattern[str]:
    character = f"(?:[{_PLAIN}{extra}:@]|{_PERCENT})"
    tail = f"(?:/{character}*)*"
    userinfo = f"(?:(?:[{_PLAIN}:]|{_PERCENT})*@)?"
    name = f"(?:[{_PLAIN}{extra}]|{_PERCENT})*"
    host = rf"(?:\[(?:{_IPV6}|v[0-9a-f]+\.[{_PLAIN}:]+)\]|{_IPV4}|{name})"
    hierarchy = f"(?://?{userinfo}{host}(?::[0-9]*)?{tail}|/(?:{character}+{tail})?|{character}+{tail})"
    more = f"(?:[{_PLAIN}{extra}:@/?]|{_PERCENT})*"
    optional = "" if path_needed else "?"
    return re.compile(rf"{scheme}{hierarchy}{optional}(?:\?{more})?(?:#{more})?", re.IGNORECASE | re.ASCII)


_SCHEME = r"[a-z][a-z0-9+\-.]*:"
# What nearly every link is; the whole grammar takes 20 ms to compile.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9\-._~/]+")
_PLAIN_ADDRESS = re.compile(r"https?://(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}(?:/[A-Za-z0-9\-._~/]*)?")


@lru_cache(CACHED)
def uri(text: str) -> bool:
    """An absolute address after RFC 3986."""
    if _PLAIN_ADDRESS.fullmatch(text):
        return True
    grammar = _grammar("", f"(?:{_SCHEME})", path_needed=True)
    return ("/" in text or ":" in text) and grammar.fullmatch(text) is not None


@lru_cache(CACHED)
def uri_reference(text: str) -> bool:
    """An absolute or relative address after RFC 3986."""
    if _PLAIN_PATH.fullmatch(text) or _PLAIN_ADDRESS.fullmatch(text):
        return True
    return _grammar('"', f"(?:{_SCHEME})?", path_needed=False).fullmatch(text) is not None


# RFC 3986, appendix B, which splits any text.
_PARTS = re.compile(
    r"(?:([^:/?#]+):)?(?://((?:[^/?#@]*@)?(\[[^/?#\]]+\]|[^/?#:]*)(?::([0-9]*))?))?([^?#]*)"
    r"(?:\?([^#]*))?(?:#(.*))?",
    re.DOTALL,
)
_NOT_SCHEME = re.compile(r"[^a-z0-9+\-.]", re.IGNORECASE | re.ASCII)


@lru_cache(CACHED)
def iri(text: str) -> bool:
    """With a scheme and a host; `file:` needs a path instead. Any character may stand in it."""
    found = _PARTS.match(text)
    if not text or found is None:
        return False
    # What cannot stand in a scheme is dropped from it before it is looked at.
    scheme, host, path = _NOT_SCHEME.sub("", found[1] or "").lower(), found[3], found[5]
    return bool(scheme) and bool(host or (scheme == "file" and path))


@lru_cache(CACHED)
def iri_reference(text: str) -> bool:
    """An `iri`, or a path: neither empty nor a fragment alone nor `mailto:`."""
    if iri(text):
        return True
    found = _PARTS.match(text)
    if not text or found is None:
        return False
    scheme, path, fragment = found[1], found[5], found[7]
    if scheme and (scheme.lower() == "mailto" or (scheme.lower() == "urn" and ":" in path[1:])):
        return False
    return bool(path) and (not scheme or fragment is not None)


_LABEL = "[a-z0-9\u00a1-\uffff]"
_PUBLIC_IPV4 = (
    r"(?!(?:10|127)(?:\.[0-9]{1,3}){3})(?!(?:169\.254|192\.168)(?:\.[0-9]{1,3}){2})"
    r"(?!172\.(?:1[6-9]|2[0-9]|3[01])(?:\.[0-9]{1,3}){2})"
    r"(?:[1-9][0-9]?|1[0-9]{2}|2[01][0-9]|22[0-3])(?:\.(?:1?[0-9]{1,2}|2[0-4][0-9]|25[0-5])){2}"
    r"\.(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-4])"
)
_NAMED = rf"(?:{_LABEL}+-)*{_LABEL}+(?:\.(?:{_LABEL}+-)*{_LABEL}+)*\.[a-z\u00a1-\uffff]{{2,}}"
URL_LIMIT = 4096
"""The grammar backtracks; a longer text is no address that anybody could use."""


@lru_cache(CACHED)
def url(text: str) -> bool:
    """An http, https or ftp address with a public host; a query needs a path before it."""
    if _PLAIN_ADDRESS.fullmatch(text):
        return True
    return len(text) <= URL_LIMIT and _url_grammar().fullmatch(text) is not None


@cache
def _url_grammar() -> re.Pattern[str]:
    host = f"(?:{_PUBLIC_IPV4}|{_NAMED})"
    return re.compile(rf"(?:https?|ftp)://(?:\S+@)?{host}(?::[0-9]{{2,5}})?(?:/\S*)?", re.IGNORECASE)


_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(
    rf"{_ATOM}(?:\.{_ATOM})*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?",
    re.IGNORECASE | re.ASCII,
)


@lru_cache(CACHED)
def email(text: str) -> bool:
    """A plain address whose host has a dot."""
    return _EMAIL.fullmatch(text) is not None


_SEPARATOR = re.compile(r"[tT\s]")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([zZ]|[+-][0-9]{2}(?::?[0-9]{2})?)?")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@lru_cache(CACHED)
def date_time(text: str) -> bool:
    """RFC 3339 with a real day; a blank for the T, and no time zone, are let through."""
    parts = _SEPARATOR.split(text)
    if len(parts) != 2:
        return False
    day, clock = _DATE.fullmatch(parts[0]), _TIME.fullmatch(parts[1])
    return day is not None and clock is not None and _is_day(day) and _is_time(clock)


def _is_day(found: re.Match[str]) -> bool:
    year, month, day = (int(part) for part in found.groups())
    if not 1 <= month <= 12:
        return False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= _DAYS[month - 1] + leap


def _is_time(found: re.Match[str]) -> bool:
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    return (hour <= 23 and minute <= 59 and second <= 59) or (hour, minute, second) == (23, 59, 60)


_VARIABLE = f"(?:[a-z0-9_]|{_PERCENT})+(?::[1-9][0-9]{{0,3}}|\\*)?"
_TEMPLATE = rf"(?:[^\x00-\x20\"'<>%\\^`{{|}}]|{_PERCENT}|\{{[+#./;?&=,!@|]?{_VARIABLE}(?:,{_VARIABLE})*\}})*"


@lru_cache(CACHED)
def uri_template(text: str) -> bool:
    """RFC 6570."""
    return re.fullmatch(_TEMPLATE, text, re.IGNORECASE | re.ASCII) is not None


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": date_time,
    "email": email,
    "iri": iri,
    "iri-reference": iri_reference,
    "uri": uri,
    "uri-reference": uri_reference,
    "uri-template": uri_template,
    "url": url,
}

_HOST = "https?://[A-Za-z0-9.-]+"
_NAME = r"https?://(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}(?:/[A-Za-z0-9._~/-]*)?"
USUAL: dict[str, str] = {
    "date-time": "^[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    "|(?:0[13578]|1[02])-31)T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]+)?Z$",
    "iri": f"^{_HOST}(?:/|$)",
    "iri-reference": f"^(?:{_HOST}(?:/|$)|[A-Za-z0-9._~-][A-Za-z0-9._~/-]*$)",
    "uri-reference": f"^(?:{_NAME}|[A-Za-z0-9._~/-]+)$",
    "url": f"^{_NAME}$",
}
"""Patterns of what nearly every text of a format is. The schema engine tells them without asking Python."""
