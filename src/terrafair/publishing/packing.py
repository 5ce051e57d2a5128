"""Brings the files of a delivery into its folder; what is there already, whole, is not brought again."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from terrafair.data.objects import ObjectStore, sha256_of
from terrafair.errors import Damaged, InvalidInput, InvalidInputs
from terrafair.publishing import prr_rules
from terrafair.publishing.delivery import THUMBNAIL, Delivery, Parcel, finished, manifest, readme
from terrafair.publishing.package import delivery_package
from terrafair.publishing.thumbnail import thumbnail

Document = dict[str, Any]
V2_MARKS = (".zgroup", ".zarray")
_EPOCH = (1980, 1, 1, 0, 0, 0)


class ToZarr2(Protocol):
    """Rewrites a Zarr store of another version as one zip of version 2; it opens users' data, so in the sandbox."""

    def __call__(self, source: Path, target: Path) -> None:
        """Write the file `target`; raises `TerrafairError`."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """A delivery on disk, checked by the archive's rules."""

    folder: Path
    collection: Document
    items: tuple[Document, ...]
    files: tuple[Document, ...]
    """Path, size and sha256 of each, as the manifest has them."""


def pack(
    delivery: Delivery,
    objects: ObjectStore,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
    to_zarr2: ToZarr2 | None = None,
) -> Packed:
    """Bring everything, then apply every rule; raises `InvalidInputs` with all that the archive would refuse.

    It may be interrupted anywhere and called again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = _known(folder)
    sizes: dict[tuple[str, str], tuple[int, str]] = {}
    for parcel in delivery.parcels:
        target = folder / "data" / parcel.item / parcel.file
        name = target.relative_to(folder).as_posix()
        if name in known and target.is_file() and target.stat().st_size == known[name][0]:
            sizes[parcel.item, parcel.file] = known[name]
            continue
        say(f"Packing {parcel.file}.")
        _bring(parcel, objects, target, to_zarr2)
        _check(delivery, parcel, target)
        known[name] = sizes[parcel.item, parcel.file] = (target.stat().st_size, sha256_of(target))
        _write(folder / "packed.json", json.dumps(known))
    items = tuple(finished(item, sizes) for item in delivery.items)
    complete = replace(delivery, items=items)
    _documents(complete, sizes, folder)
    problems = prr_rules.delivery_problems(complete.collection, items)
    if problems:
        raise InvalidInputs(problems, "The archive would refuse the delivery.")
    return load(folder)


def load(folder: Path) -> Packed:
    """A packed delivery; raises `Damaged` when it is not whole."""
    try:
        listed = json.loads((folder / "manifest.json").read_text("utf-8"))
        collection = json.loads((folder / "collection.json").read_text("utf-8"))
        items = tuple(json.loads((folder / f"items/{name}.json").read_text("utf-8")) for name in listed["items"])
    except (OSError, ValueError, KeyError) as fault:
        raise Damaged(f"The delivery folder {folder} is not whole: {fault}.", remedy="Publish again.") from None
    return Packed(folder, collection, items, tuple(listed["files"]))


def _known(folder: Path) -> dict[str, tuple[int, str]]:
    try:
        return {name: (pair[0], pair[1]) for name, pair in json.loads((folder / "packed.json").read_text()).items()}
    except (OSError, ValueError):
        return {}


def _bring(parcel: Parcel, objects: ObjectStore, target: Path, to_zarr2: ToZarr2 | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    if parcel.zarr:
        store = target.with_name(f".{target.name}.store")
        _zarr(parcel, objects, store)
        if any((store / mark).exists() for mark in V2_MARKS):
            zip_store(store, partial)
        else:
            _version_2(parcel, store, partial, to_zarr2)
        shutil.rmtree(store, ignore_errors=True)
    else:
        objects.get_file(parcel.source, partial)
    partial.replace(target)


def _zarr(parcel: Parcel, objects: ObjectStore, store: Path) -> None:
    for entry in objects.list(parcel.source):
        part = store / entry.key.removeprefix(f"{parcel.source}/")
        part.parent.mkdir(parents=True, exist_ok=True)
        if not part.is_file() or part.stat().st_size != entry.size:
            objects.get_file(entry.key, part)
    if not store.is_dir():
        raise Damaged(f"The result has no file {parcel.source!r}.", "Its description names it.", where=parcel.asset)


def _version_2(parcel: Parcel, store: Path, target: Path, to_zarr2: ToZarr2 | None) -> None:
    if to_zarr2 is None:
        raise InvalidInput(
            f"{parcel.file} is no Zarr of version 2.",
            "The archive takes version 2 as one .zarr.zip.",
            "Let the workflow write version 2.",
            parcel.asset,
            "zarr-version",
        )
    to_zarr2(store, target)
    with zipfile.ZipFile(target) as archive:
        if not set(V2_MARKS) & set(archive.namelist()):
            raise Damaged(f"The conversion of {parcel.file} gave no Zarr of version 2.", where=parcel.asset)


def zip_store(store: Path, target: Path) -> None:
    """A Zarr store as one file: stored, not compressed, contents at the root, the same bytes at every try."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(_plain_files(store)):
            info = zipfile.ZipInfo(path.relative_to(store).as_posix(), _EPOCH)
            info.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as out:
                while chunk := source.read(2**20):
                    out.write(chunk)


def _plain_files(store: Path) -> Iterator[Path]:
    for path in store.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path


def _check(delivery: Delivery, parcel: Parcel, target: Path) -> None:
    """The file is what the result's own description says; a store is described as a folder, so not its zip."""
    item = next(each for each in delivery.items if each["id"] == parcel.item)
    asset = item["assets"][parcel.asset]
    checksum = asset.get("file:checksum")
    if not parcel.zarr and checksum and checksum != "1220" + sha256_of(target):
        target.unlink()
        raise Damaged(
            f"{parcel.source} in the object store is not the file that the result describes.",
            "Its checksum differs.",
            "Run the job again.",
            parcel.asset,
        )


def _documents(delivery: Delivery, sizes: dict[tuple[str, str], tuple[int, str]], folder: Path) -> None:
    box = delivery.collection["extent"]["spatial"]["bbox"][0]
    image = folder / THUMBNAIL
    image.write_bytes(thumbnail(box))
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    about = delivery.collection["assets"]["thumbnail"]
    about |= {"file:size": image.stat().st_size, "file:checksum": "1220" + digest}
    links = [
        {"rel": "item", "href": f"./items/{item['id']}.json", "type": "application/geo+json"} for item in delivery.items
    ]
    (folder / "items").mkdir(exist_ok=True)
    for item in delivery.items:
        _write(folder / f"items/{item['id']}.json", json.dumps(item, indent=2))
    _write(folder / "collection.json", json.dumps({**delivery.collection, "links": links}, indent=2))
    listed = manifest(delivery, sizes)
    _write(folder / "README.md", readme(listed))
    _write(folder / "deliver.cwl", delivery_package(str(delivery.collection["id"])))
    _write(folder / "manifest.json", json.dumps(listed, indent=2))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)
