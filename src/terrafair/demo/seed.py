"""Put the demo into a platform's home and object store; only what is missing is made."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from terrafair.demo import catalogue, dataset, history, products
from terrafair.demo.experiments import EXPERIMENTS
from terrafair.demo.stac import MEDIA_TYPES

CODE_REPOSITORY = Path("repositories", "git.terrafair.example", "demo", "workflows.git")
"""Below the home, where the platform's mirrors look for `entries.CODE`."""
CATALOGUE_REPOSITORY = Path("demo", "catalogue.git")
"""Below the home."""
PREFIXES = (f"datasets/{dataset.ID}/", *(f"products/{product}/" for product in products.PRODUCTS))
"""Where the demo's objects lie in the store."""

_STAMP = Path("demo", "seed.json")


class StoredObject(Protocol):
    """What seeding asks of a listed object."""

    @property
    def key(self) -> str:
        """Its name in the bucket."""
        ...

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...


class ObjectStore(Protocol):
    """What seeding asks of the object store; a part of `terrafair.data.objects.ObjectStore`."""

    def put_file(self, key: str, path: Path, media_type: str = "") -> None:
        """Store a file."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Give the objects whose keys start so."""
        ...

    def delete(self, prefix: str) -> int:
        """Delete the objects whose keys start so."""
        ...


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demo consists of on this platform."""

    catalogue: str
    """Path of the test catalogue's bare repository."""
    experiments: tuple[str, ...]
    """Ids of the experiments that can be run."""
    catalogue_commit: str
    code_commit: str
    made: tuple[str, ...] = ()
    """What this call made, in words; empty when all was there."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an earlier seeding left, kept in the home."""

    release: str = ""
    """`release()` of the code that it was made by."""
    code_commit: str = ""
    catalogue_commit: str = ""
    objects: Mapping[str, int] = field(default_factory=dict)
    """Size by key; empty until all are stored."""


def release() -> str:
    """Give a digest of the demo's code and files: another release makes other things."""
    digest = hashlib.sha256(f"rasterio {version('rasterio')}".encode())
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            content = file.read_bytes()
            digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def seed(home: Path, objects: ObjectStore, *, say: Callable[[str], None] = lambda _: None) -> Seeded:
    """Make the demo's objects and repositories where they are missing or from another release; three seconds.

    It can be interrupted anywhere and called again. A catalogue that somebody has published into is left as it is.
    Raises `Unreachable` when git is missing or the store does not answer.
    """
    stamp_file, current = home / _STAMP, release()
    earlier = _read(stamp_file)
    made: list[str] = []
    if earlier.release != current:
        # Objects of another release could have the sizes that a resumed seeding compares.
        for prefix in PREFIXES:
            objects.delete(prefix)
        stamp = Stamp(current)
        _write(stamp_file, stamp)
    else:
        stamp = earlier
    manifest = _seed_objects(objects, stamp.objects, say, made)
    code = _seed_code(home / CODE_REPOSITORY, stamp.code_commit, made)
    shown = _seed_catalogue(home / CATALOGUE_REPOSITORY, code, stamp.catalogue_commit, say, made)
    finished = Stamp(current, code, shown, manifest)
    if finished != earlier:
        _write(stamp_file, finished)
    return Seeded(str(home / CATALOGUE_REPOSITORY), EXPERIMENTS, shown, code, tuple(made))


def _seed_objects(
    objects: ObjectStore, manifest: Mapping[str, int], say: Callable[[str], None], made: list[str]
) -> Mapping[str, int]:
    stored = {entry.key: entry.size for prefix in PREFIXES for entry in objects.list(prefix)}
    if manifest and all(stored.get(key) == size for key, size in manifest.items()):
        return manifest
    from terrafair.demo.scene import build_season

    say("Making the demo's dataset and products ...")
    season = build_season()
    with tempfile.TemporaryDirectory(prefix="terrafair-demo-") as place:
        folder = Path(place)
        dataset.write(folder / "datasets" / dataset.ID, season)
        products.write(folder / "products", season)
        files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
        # What points to others goes after them: whoever finds a collection finds all of it.
        for key in sorted(files, key=lambda key: (key.endswith("/collection.json"), key.endswith(".json"), key)):
            if stored.get(key) != files[key].stat().st_size:
                objects.put_file(key, files[key], MEDIA_TYPES[files[key].suffix])
        made.append("dataset and products")
        return {key: files[key].stat().st_size for key in sorted(files)}


def _seed_code(repository: Path, commit: str, made: list[str]) -> str:
    if commit and history.head(repository) == commit:
        return commit
    made.append("code repository")
    return history.commit(repository, catalogue.code_files(), "Demo workflows\n")


def _seed_catalogue(repository: Path, code: str, commit: str, say: Callable[[str], None], made: list[str]) -> str:
    here = history.head(repository)
    if commit and here == commit:
        return commit
    if here and not history.is_ours(repository):
        say(f"The demo's test catalogue has been published into; it stays as it is, at {here[:12]}.")
        return here
    made.append("test catalogue")
    return history.commit(repository, catalogue.catalogue_files(code), "Test catalogue\n")


def _read(file: Path) -> Stamp:
    try:
        return Stamp(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        # Missing, cut short or from another release: all is made anew.
        return Stamp()


def _write(file: Path, stamp: Stamp) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(stamp), indent=1), "utf-8")
    partial.replace(file)
