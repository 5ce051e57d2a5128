"""Reads a notebook document and says what is wrong with it; nothing of it is executed."""

import json
import re
from typing import Any

from terrafair.errors import InvalidInput, Problem

_OTHER_KERNELS = re.compile(r"^(ir\d*|julia.*|xcpp.*|octave|matlab.*|bash|javascript|deno|scala.*|sos|rust|\.net.*)$")


def read(content: bytes, where: str = "") -> Any:
    """Parse to the current notebook format; raises `InvalidInput` with the place where it does not parse."""
    import nbformat

    remedy = "Publish the .ipynb file itself, saved by Jupyter."
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("The notebook is not UTF-8 text.", remedy=remedy, where=where) from None
    if not text.strip():
        raise InvalidInput("The notebook is empty.", remedy=remedy, where=where)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as fault:
        what = f"The notebook is no JSON: {fault.msg} in line {fault.lineno}."
        raise InvalidInput(what, remedy=remedy, where=where) from None
    except RecursionError:
        raise InvalidInput("The notebook is nested too deeply.", remedy=remedy, where=where) from None
    if not isinstance(document, dict) or not ({"cells", "worksheets"} & document.keys()):
        raise InvalidInput("The document is no notebook: it has no cells.", remedy=remedy, where=where)
    try:
        return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except (nbformat.ValidationError, nbformat.reader.NotJSONError, KeyError, AttributeError, TypeError) as fault:
        reason = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
        raise InvalidInput(f"The notebook is not valid: {reason}", remedy=remedy, where=where) from None


def language(notebook: Any) -> str:
    """Give the language that the notebook's kernel speaks; Python where it does not say."""
    metadata = notebook.metadata
    named = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    kernel = str(metadata.get("kernelspec", {}).get("name", "")).lower()
    if not named and _OTHER_KERNELS.match(kernel):
        return kernel
    return str(named or "python").lower()


def problems(content: bytes, where: str = "") -> list[Problem]:
    """Say why the notebook cannot run here."""
    try:
        notebook = read(content, where)
    except InvalidInput as fault:
        return list(fault.problems)
    if (found := language(notebook)) not in {"python", "python3", "ipython"}:
        what = f"The notebook's kernel speaks {found}."
        return [
            Problem(what, "Only Python kernels run here.", "Publish a Python notebook.", where, "kernel-unsupported")
        ]
    if not any(cell.cell_type == "code" and cell.source.strip() for cell in notebook.cells):
        return [Problem("The notebook has no code cells.", remedy="Publish one with code.", where=where)]
    return []
