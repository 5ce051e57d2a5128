"""A model in MLflow's format: signature, flavour, files, environment."""

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name

from terrafair.development.checks.code import provided
from terrafair.development.checks.environment import packages
from terrafair.development.checks.lines import Lines
from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity
from terrafair.errors import InvalidInput
from terrafair.workflows.content import load

FLAVOURS: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnxruntime", "onnxruntime-gpu"),
    "sklearn": ("scikit-learn",),
    "pytorch": ("torch",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
}
"""Flavour -> packages, one of which must be there to load it."""
_VERSIONS = {"sklearn": ("sklearn_version", "scikit-learn"), "pytorch": ("pytorch_version", "torch")}
_PICKLES = frozenset({".pkl", ".pickle", ".pth", ".pt", ".joblib"})


def check(sources: Sources, file: str) -> Iterator[Finding]:
    """All that is odd about one MLmodel."""
    text = sources.text(file)
    try:
        document = load(text, file)
    except InvalidInput as fault:
        yield Finding.of(fault.problem, file).at(file)
        return
    if not isinstance(document, Mapping) or not isinstance(document.get("flavors"), Mapping):
        what = "The MLmodel names no flavours."
        yield Finding("model-flavour", what, file, 1, remedy="Save the model by mlflow, e.g. mlflow.onnx.save_model.")
        return
    lines = Lines(text)
    yield from _signature(document, file, lines)
    flavours = {name: about for name, about in document["flavors"].items() if name != "python_function"}
    known = [name for name in flavours if name in FLAVOURS]
    if flavours and not known:
        what = f"No flavour of {', '.join(flavours)} is known here."
        remedy = "Export the model as ONNX: it needs no code of its own."
        yield Finding(
            "model-flavour", what, file, lines.of("flavors"), Severity.ERROR, f"Known: {', '.join(FLAVOURS)}.", remedy
        )
    folder = PurePosixPath(file).parent
    for name, about in document["flavors"].items():
        yield from _flavour(sources, file, name, about if isinstance(about, Mapping) else {}, folder, lines)
    for name in known:
        yield from _environment(sources, file, name, flavours[name], lines)
    if not any('"mlm:name"' in sources.text(path) for path in sources.files if path.endswith(".json")):
        why = "Catalogues describe models by the STAC extension MLM."
        remedy = "Add a STAC item with mlm:name, mlm:input and mlm:output (see `terrafair new mlflow`)."
        yield Finding(
            "model-undescribed", "No STAC document describes the model.", "", 0, Severity.WARNING, why, remedy
        )


def _signature(document: Mapping[str, Any], file: str, lines: Lines) -> Iterator[Finding]:
    signature = document.get("signature")
    line = lines.of("signature")
    remedy = "Save the model with a signature: mlflow.models.infer_signature(inputs, outputs)."
    if not isinstance(signature, Mapping):
        why = "Nothing says which bands of which type the model takes."
        yield Finding("model-signature", "The model has no signature.", file, line, Severity.ERROR, why, remedy)
        return
    for name in ("inputs", "outputs"):
        said = signature.get(name)
        try:
            entries = json.loads(said) if isinstance(said, str) else said
        except ValueError:
            entries = None
        if not isinstance(entries, list) or not entries:
            what = f"The signature's {name} cannot be read."
            severity = Severity.ERROR if name == "inputs" else Severity.WARNING
            yield Finding("model-signature", what, file, lines.of("signature", name), severity, "", remedy)


def _flavour(
    sources: Sources, file: str, name: str, about: Mapping[str, Any], folder: PurePosixPath, lines: Lines
) -> Iterator[Finding]:
    line = lines.of("flavors", name)
    for key in ("data", "pickled_model", "model_data"):
        path = about.get(key)
        if not isinstance(path, str):
            continue
        target = (folder / path).as_posix()
        if not sources.has(target) and not (sources.folder / target).is_dir():
            what = f"The flavour {name} names {path}, which is not beside the MLmodel."
            line_ = lines.of("flavors", name, key)
            yield Finding(
                "model-file", what, file, line_, Severity.ERROR, "", "Commit the file (Git LFS for large ones)."
            )
        elif PurePosixPath(path).suffix in _PICKLES:
            why = "Loading it runs whatever code is inside; it runs in the sandbox only."
            yield Finding(
                "model-pickle", f"{path} is a pickle.", file, line, Severity.WARNING, why, "Export it as ONNX."
            )
    environment = about.get("env")
    for path in environment.values() if isinstance(environment, Mapping) else ():
        if isinstance(path, str) and not sources.has((folder / path).as_posix()):
            what = f"The flavour {name} names the environment {path}, which is not there."
            yield Finding("model-environment", what, file, line, Severity.WARNING, "", "Add it, or take it out.")


def _environment(sources: Sources, file: str, name: str, about: Any, lines: Lines) -> Iterator[Finding]:
    line = lines.of("flavors", name)
    if not provided(sources) & set(FLAVOURS[name]):
        what = f"The model is of the flavour {name}, and the requirements do not name {FLAVOURS[name][0]}."
        remedy = f"Add {FLAVOURS[name][0]} with a version to {sources.manifest.requirements or 'the requirements'}."
        yield Finding("model-environment", what, file, line, Severity.ERROR, "Nothing could load it.", remedy)
    key, package = _VERSIONS.get(name, ("", ""))
    said = about.get(key) if isinstance(about, Mapping) else None
    locked = packages(sources.text(sources.manifest.lock)) if sources.manifest.lock else {}
    there = locked.get(canonicalize_name(package), ("", 0, True))[0] if package else ""
    if said and there and str(said) != there:
        what = f"The model was saved with {package} {said}, and the lock has {there}."
        why = "A pickle of another version may load wrongly, or not at all."
        remedy = f"Ask for {package}=={said}, or save the model anew."
        yield Finding("model-version", what, file, lines.of("flavors", name, key), Severity.WARNING, why, remedy)
