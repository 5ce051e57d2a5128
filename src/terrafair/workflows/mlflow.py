"""Reads models in MLflow's format (the file MLmodel): flavour, signature, bands; nothing of them is loaded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrafair.errors import InvalidInput
from terrafair.workflows.workflow import InputSpec

FLAVOURS = ("onnx", "sklearn", "python_function")
"""What is applied here, the plainest first: the last loads whatever MLflow itself can load."""
TILE = 256
"""Side of a block, in pixels, of models that take any."""
_REMEDY = "Save the model with a signature: mlflow.models.infer_signature(inputs, outputs)."


@dataclass(frozen=True, slots=True)
class Model:
    """What an MLmodel says of a model that is applied to images."""

    flavour: str
    path: str
    """File or folder of the model, relative to its MLmodel; empty: the MLmodel's folder."""
    bands: tuple[str, ...] = ()
    """In the model's order; empty: the signature does not name them."""
    count: int = 0
    """How many bands it takes; 0: any."""
    layout: str = "pixels"
    """`pixels` (n, bands), `columns` (a table), `planes` (n, bands, y, x) or `interleaved` (n, y, x, bands)."""
    tile: int = TILE
    """Side of a block that it takes, in pixels."""
    dtype: str = "float32"

    @property
    def by_pixel(self) -> bool:
        """Whether the surroundings of a pixel do not matter."""
        return self.layout in {"pixels", "columns"}


def read(document: Any) -> Model:
    """The model behind a parsed MLmodel; raises `InvalidInput` for one that cannot be applied to images."""
    flavours = document.get("flavors") if isinstance(document, Mapping) else None
    if not isinstance(flavours, Mapping) or not flavours:
        what = "The MLmodel names no flavours."
        raise InvalidInput(what, remedy="Save the model by mlflow, e.g. mlflow.onnx.save_model.", code="model-flavour")
    flavour = next((name for name in FLAVOURS if isinstance(flavours.get(name), Mapping)), "")
    if not flavour:
        what = f"No flavour of {', '.join(map(str, flavours))} can be applied here."
        raise InvalidInput(what, remedy="Export the model as ONNX: it needs no code of its own.", code="model-flavour")
    about = flavours[flavour]
    path = {"onnx": about.get("data"), "sklearn": about.get("pickled_model")}.get(flavour) or ""
    if flavour != "python_function" and not path:
        raise InvalidInput(f"The flavour {flavour} names no file.", remedy=_REMEDY, code="model-file")
    return _shaped(flavour, str(path), _inputs(document), _named(document))


def inputs(document: Any) -> tuple[InputSpec, ...]:
    """What is asked for to apply a model."""
    model = read(document)
    size = {"minItems": model.count, "maxItems": model.count} if model.count else {"minItems": 1}
    bands = {"type": "array", "items": {"type": "string"}, **size}
    overlap = 0 if model.by_pixel else model.tile // 8
    most = 0 if model.by_pixel else model.tile // 2 - 1
    return (
        InputSpec(
            "stac",
            {"type": "string", "format": "stac-collection"},
            title="Images",
            description="A STAC item, item collection, collection or catalogue; the model is applied to each item.",
        ),
        InputSpec(
            "bands",
            bands,
            required=not model.bands,
            default=list(model.bands) or None,
            title="Bands",
            description="Assets, or names of their bands, in the order that the model takes.",
        ),
        InputSpec(
            "output",
            {"type": "string", "enum": ["values", "class"]},
            required=False,
            default="values",
            title="Output",
            description="The model's values as they are, or the class with the highest.",
        ),
        InputSpec(
            "overlap",
            {"type": "integer", "minimum": 0, "maximum": most},
            required=False,
            default=overlap,
            title="Overlap",
            description="Pixels around each block that the model sees and whose results are left out.",
        ),
        InputSpec(
            "scale",
            {"type": "boolean"},
            required=False,
            default=True,
            title="Scale",
            description="Whether the scale and offset that the items declare are applied before the model.",
        ),
        InputSpec(
            "workers",
            {"type": "integer", "minimum": 1, "maximum": 64},
            required=False,
            default=2,
            title="Workers",
            description="Blocks at once; memory grows with them, results stay the same.",
        ),
    )


def _inputs(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    signature = document.get("signature")
    said = signature.get("inputs") if isinstance(signature, Mapping) else None
    try:
        entries = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not entries or not all(isinstance(each, Mapping) for each in entries):
        what = "The model's signature is missing or cannot be read."
        why = "Nothing says which bands of which type the model takes."
        raise InvalidInput(what, why, _REMEDY, "signature", "model-signature")
    return entries


def _named(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Bands that the model's own metadata names (`bands`, or `mlm:input` as STAC's extension has it)."""
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return ()
    said = metadata.get("bands")
    entries = metadata.get("mlm:input")
    if said is None and isinstance(entries, list) and entries and isinstance(entries[0], Mapping):
        said = entries[0].get("bands")
    if not isinstance(said, Sequence) or isinstance(said, str):
        return ()
    names = (each.get("name") if isinstance(each, Mapping) else each for each in said)
    return tuple(str(name) for name in names if name)


def _shaped(flavour: str, path: str, entries: list[Mapping[str, Any]], named: tuple[str, ...]) -> Model:
    spec = entries[0].get("tensor-spec")
    if not isinstance(spec, Mapping):
        columns = tuple(str(each["name"]) for each in entries if each.get("name"))
        return Model(flavour, path, columns or named, len(entries), "columns" if columns else "pixels")
    shape = spec.get("shape")
    if len(entries) > 1 or not isinstance(shape, list) or not all(isinstance(side, int) for side in shape):
        what = "The model takes several tensors, or one without a shape."
        raise InvalidInput(what, remedy="Give it one tensor of bands.", where="signature", code="model-signature")
    dtype = str(spec.get("dtype") or "float32")
    if len(shape) == 2:
        return Model(flavour, path, named, max(shape[1], 0), "pixels", dtype=dtype)
    if len(shape) != 4:
        what = f"The model takes a tensor of {len(shape)} dimensions."
        why = "Images have (n, bands), (n, bands, y, x) or (n, y, x, bands)."
        raise InvalidInput(what, why, "Wrap it so that it takes one of these.", "signature", "model-signature")
    planes = _bands_first(shape, len(named))
    count, rows, columns_ = (shape[1], shape[2], shape[3]) if planes else (shape[3], shape[1], shape[2])
    if rows != columns_:
        what = f"The model takes blocks of {rows} by {columns_}."
        raise InvalidInput(what, remedy="Only square blocks are cut here.", where="signature", code="model-signature")
    tile = rows if rows > 0 else TILE
    return Model(flavour, path, named, max(count, 0), "planes" if planes else "interleaved", tile, dtype)


def _bands_first(shape: list[int], known: int) -> bool:
    if known and (shape[1] == known) != (shape[3] == known):
        return shape[1] == known
    # Sides of a block are alike, or both left open; the number of bands seldom is like them.
    return shape[2] == shape[3]
