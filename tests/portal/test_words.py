"""The pages' English stands in the templates and in `words`; no other module of the portal holds a sentence of them."""

import ast
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
