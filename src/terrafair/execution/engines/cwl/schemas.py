"""Widely imported CWL type definitions, for when their own address does not answer."""

import re

_STRING_FORMATS = re.compile(r"https://raw\.githubusercontent\.com/eoap/schemas/.+/string_format\.yaml")
_NAMES = (
    *("Date", "DateTime", "Duration", "Email", "Hostname", "IDNEmail", "IDNHostname", "IPv4", "IPv6", "IRI"),
    *("IRIReference", "JsonPointer", "Password", "RelativeJsonPointer", "Time", "URI", "URIReference"),
    *("URITemplate", "UUID"),
)


def stand_in(url: str) -> bytes | None:
    """Give the definitions of the EOAP string formats, each a record with one string `value`; else nothing."""
    if not _STRING_FORMATS.fullmatch(url):
        return None
    lines = [f"- {{type: record, name: {name}, fields: [{{name: value, type: string}}]}}" for name in _NAMES]
    return "\n".join(lines).encode()
