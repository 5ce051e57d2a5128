"""What a document really is: decoded whatever its encoding, told by its content, never by its media type or name."""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import yaml

from terrafair.errors import InvalidInput

LIMIT = 16 * 2**20
ALIASES = 100
DEPTH = 60


class Format(StrEnum):
    """The documents that records link to."""

    OPENEO = "openEO process graph"
    CWL = "CWL document"
    PACKAGE = "OGC application package"
    NOTEBOOK = "Jupyter notebook"
    ARGO = "Argo workflow"
    CONDA = "conda environment"
    REQUIREMENTS = "pip requirements"
    MLFLOW = "MLflow model"
    STAC = "STAC document"
    PARAMETERS = "parameters"
    PROSE = "text without values"
    EMPTY = "empty file"
    HTML = "web page"
    BINARY = "binary file"


def decode(content: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark; latin-1 as the last resort."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    head = content[:400]
    if len(head) >= 4 and head[1::2].count(0) > len(head) * 0.4:
        return content.decode("utf-16-le", "replace")
    if len(head) >= 4 and head[::2].count(0) > len(head) * 0.4:
        return content.decode("utf-16-be", "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def load(text: str, where: str = "") -> Any:
    """JSON or YAML as plain values; raises `InvalidInput` with the line for anything else."""
    if len(text) > LIMIT:
        raise InvalidInput(
            f"The document has more than {LIMIT // 2**20} MiB.", remedy="Link a smaller one.", where=where
        )
    stripped = text.lstrip()
    if stripped.startswith(("{", "[")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as fault:
            # YAML's flow style begins like JSON.
            problem = fault
        try:
            return _yaml(text)
        except InvalidInput:
            raise InvalidInput(f"It is not valid JSON: {problem}.", where=where) from None
    try:
        return _yaml(text)
    except InvalidInput as error:
        raise InvalidInput(error.problem.what, error.problem.why, error.problem.remedy, where) from None


class _Loader(yaml.SafeLoader):
    """Plain values only, no alias bombs, dates as the texts that they are."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Count aliases before they are followed."""
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > ALIASES:
                raise yaml.YAMLError(f"more than {ALIASES} aliases")
        return super().compose_node(parent, index)


# Dates stay texts: JSON, and with it every input schema, has no dates.
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(text: str) -> Any:
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark
        line = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidInput(f"It is not valid YAML{line}: {fault.problem}.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        raise InvalidInput(f"It is not valid YAML: {str(fault)[:200]}.") from None
    finally:
        if loader is not None:
            loader.dispose()


def sniff(content: bytes) -> Format:
    """What a document is."""
    if not content.strip():
        return Format.EMPTY
    text = decode(content)
    head = text[:2000].lstrip().lower()
    if head.startswith(("<!doctype html", "<html")) or "<head>" in head:
        return Format.HTML
    if "\0" in text[:2000]:
        return Format.BINARY
    if head.startswith("#!/usr/bin/env cwl") or "cwlversion" in head:
        return Format.CWL
    try:
        document = load(text)
    except InvalidInput:
        return _of_lines(text)
    if isinstance(document, Mapping):
        return _of_mapping(document)
    if isinstance(document, list) and document:
        return Format.PARAMETERS
    return Format.EMPTY if document in (None, "", [], {}) and not text.strip() else _of_lines(text)


def _of_mapping(document: Mapping[str, Any]) -> Format:
    keys = set(document)
    if "cwlVersion" in keys or ("$graph" in keys and "process_graph" not in keys):
        return Format.CWL
    if {"cells", "nbformat"} <= keys:
        return Format.NOTEBOOK
    if "process_graph" in keys or _is_graph(document) or _is_graph(document.get("process") or {}):
        return Format.OPENEO
    if "processDescription" in keys or "executionUnit" in keys:
        return Format.PACKAGE
    if str(document.get("apiVersion", "")).startswith("argoproj.io") or _is_argo(document):
        return Format.ARGO
    if keys & {"flavors", "model_uuid"} and "artifact_path" in keys | {"artifact_path"}:
        return Format.MLFLOW
    if "stac_version" in keys or document.get("type") in {"Collection", "FeatureCollection", "Feature"}:
        return Format.STAC
    if isinstance(document.get("dependencies"), list):
        return Format.CONDA
    values = [key for key in keys if not str(key).startswith("$")]
    return Format.PARAMETERS if values else Format.PROSE


def _is_graph(document: Any) -> bool:
    """A process graph without its wrapper: every value is a node."""
    if not isinstance(document, Mapping) or not document:
        return False
    if "process_graph" in document:
        return True
    return all(isinstance(node, Mapping) and "process_id" in node for node in document.values())


def _is_argo(document: Mapping[str, Any]) -> bool:
    spec = document.get("spec")
    return isinstance(spec, Mapping) and isinstance(spec.get("templates"), list)


def _of_lines(text: str) -> Format:
    """Pip requirements or prose, told by the share of lines that name a package."""
    from packaging.requirements import InvalidRequirement, Requirement

    # `--hash` and continued lines belong to the requirement before them.
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = [re.sub(r"(#|--hash=).*$", "", line).strip() for line in joined.splitlines()]
    lines = [line for line in lines if line and not line.startswith("-")]
    good = 0
    for line in lines[:500]:
        try:
            Requirement(line)
            good += 1
        except InvalidRequirement:
            continue
    return Format.REQUIREMENTS if lines and good > 0.8 * min(len(lines), 500) else Format.PROSE
