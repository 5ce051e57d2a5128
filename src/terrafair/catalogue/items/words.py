"""The words of a text, the same for both engines: without case and accents, cut at whatever is no letter or digit."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

PHRASE_LIMIT = 50
_WORD = re.compile(r"[^\W_]+")


def plain(text: str) -> str:
    """Without accents: compatibility decomposition, combining marks dropped."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not "\u0300" <= letter <= "\u036f")


def words(text: str) -> str:
    """The words of a text with one space between them."""
    return " ".join(_WORD.findall(plain(text).lower()))


def searchable(properties: Mapping[str, Any]) -> str:
    """Title, description and keywords as words; ` | ` keeps a phrase from reaching across."""
    texts = [properties.get("title"), properties.get("description")]
    keywords = properties.get("keywords")
    texts += keywords if isinstance(keywords, list) else []
    return " | ".join(found for text in texts if isinstance(text, str) and (found := words(text)))


def phrases(query: str) -> tuple[str, ...]:
    """The alternatives of a `q`: between commas, each a phrase."""
    found = (words(part.strip().strip('"')) for part in query.split(","))
    return tuple(dict.fromkeys(phrase for phrase in found if phrase))[:PHRASE_LIMIT]
