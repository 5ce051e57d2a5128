"""The pages' English stands in the templates and in `words`; no other module of the portal holds a sentence of them."""

import ast
import re
from pathlib import Path

import pytest

import terrafair.portal

HERE = Path(terrafair.portal.__file__).parent
ERRORS = {"Problem", "InvalidInput", "NotFound", "Conflict", "Refused", "NotExecutable"}
"""They say what they have to say where they are made."""
MODULES = sorted(path for path in HERE.glob("*.py") if path.name != "words.py")


def sentences(source: str) -> list[str]:
    """Texts of three words or more that begin as a sentence does, but docstrings and what errors say."""
    tree = ast.parse(source)
    left: set[int] = set()
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        name = getattr(called, "id", getattr(called, "attr", ""))
        about = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if about or isinstance(node, ast.Raise) or name in ERRORS or _of_an_error(node):
            left |= {id(each) for each in ast.walk(node)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [str(node.value) for node in texts if id(node) not in left]
    return [text for text in found if len(text.split()) > 2 and text[:1].isupper()]


def _of_an_error(node: ast.AST) -> bool:
    """`remedy = ...`, which the next line raises."""
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"what", "why", "remedy"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_holds_no_sentence(module: Path) -> None:
    assert sentences(module.read_text("utf-8")) == []


def test_a_sentence_would_be_found() -> None:
    assert sentences('x = {"a": "The end is excluded."}') == ["The end is excluded."]
    assert sentences('"""A module it is."""\nraise NotFound("There is no such.")') == []


STATIC = HERE / "static"
SCRIPTS = sorted(path for path in STATIC.glob("*.js") if path.name != "words.js")
NOT_SHOWN = re.compile(
    r"(?:querySelector(?:All)?|closest|createElement)\((?:[^()]|\([^()]*\))*\)"
    r"|cssText = .*|className: \"[^\"]*\"|^\s*//.*$",
    re.MULTILINE,
)
"""What finds or draws elements, and remarks."""
NAMES = {
    "Accept", "Content-Type", "Workflow", "Enter", "Escape", "Feature", "Image", "Polygon", "Vector", "Zoom",
}  # fmt: skip
"""Of events, headers, and shapes: single capitalised words that nobody reads."""


def shown(source: str) -> list[str]:
    """Texts of a script that look like words for people: several of them, or one that begins as a sentence does."""
    literals = re.findall(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', NOT_SHOWN.sub("", source))
    texts = [re.sub(r"\$\{[^}]*\}", "", one or other).strip() for one, other in literals]
    several = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")
    return [
        text
        for text in texts
        if several.search(text) or (re.fullmatch(r"[A-Z][a-z]+( …)?", text) and text not in NAMES)
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_holds_no_words(script: Path) -> None:
    assert shown(script.read_text("utf-8")) == []


def test_words_of_scripts_would_be_found() -> None:
    assert shown('say("Reading …"); other.textContent = `${count} values found`; x = "no data";') == [
        "Reading …",
        "values found",
        "no data",
    ]
    assert shown('box.querySelector(".whole img"); make({ className: "quiet small" });') == []


def test_each_word_of_the_scripts_is_used() -> None:
    words = (STATIC / "words.js").read_text("utf-8")
    groups = re.findall(r"^export const (\w+) =", words, re.MULTILINE)
    used = "".join(path.read_text("utf-8") for path in SCRIPTS)
    assert len(groups) >= 8 and [group for group in groups if f"{group}." not in used] == []
