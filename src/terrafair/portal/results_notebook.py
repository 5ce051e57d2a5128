"""A notebook's parts as safe HTML: nothing of theirs executes, and nothing is loaded from anywhere."""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = frozenset(
    {"a", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "figcaption"}
    | {"figure", "h3", "h4", "h5", "h6", "hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "s", "samp", "small", "span"}
    | {"strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var"}
)
ATTRIBUTES: Mapping[str, set[str]] = {
    "a": {"href", "title"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "ol": {"start"},
}
SCHEMES = {"http", "https", "mailto"}
_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags={"script", "style", "template", "iframe", "svg", "math", "noscript", "title"},
    attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
    url_schemes=SCHEMES,
    link_rel="noopener noreferrer nofollow",
)
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).disable("image")
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a notebook."""

    kind: str
    """`prose` (safe HTML), `code`, `text`, `error`, `left` (plain), or `picture` (a data address)."""
    content: str
    label: str = ""


def parts(cells: Iterable[Mapping[str, Any]]) -> list[Part]:
    """Every cell's parts in their order; what is of no known kind is named and left out."""
    return [_part(cell) for cell in cells]


def _part(cell: Mapping[str, Any]) -> Part:
    kind, content = str(cell.get("kind", "")), str(cell.get("content", ""))
    if kind == "markdown":
        return Part("prose", prose(content))
    if kind == "html":
        return Part("prose", clean(content), "output")
    if kind == "picture" and cell.get("type") in _PICTURES and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", content):
        return Part("picture", f"data:{cell['type']};base64,{content}")
    if kind == "code":
        count = cell.get("count")
        return Part("code", content, f"[{count}]" if isinstance(count, int) else "")
    return Part(kind if kind in {"text", "error"} else "left", content)


def prose(markdown: str) -> Markup:
    """Markdown as safe HTML; headings start below the page's own."""
    return clean(_MARKDOWN.render(markdown))


def clean(given: str) -> Markup:
    """HTML without what executes, is loaded, styles or names anything."""
    lowered = re.sub(r"(?i)<(/?)h([1-6])(?=[\s>/])", _lower, given)
    try:
        # Tables of pandas begin with a heading of nothing, which is none.
        cleaned = re.sub(r"<th>\s*</th>", "<td></td>", _CLEANER.clean(lowered))
        return Markup(cleaned)  # noqa: S704 - this is what makes it safe
    except ValueError:
        return Markup(f"<pre>{html.escape(given)}</pre>")  # noqa: S704


def _lower(found: re.Match[str]) -> str:
    return f"<{found[1]}h{min(int(found[2]) + 2, 6)}"
