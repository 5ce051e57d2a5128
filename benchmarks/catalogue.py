"""Sync and search on the real Open Science Catalog, or on a generated one of the same size where it is absent.

    python benchmarks/catalogue.py [FOLDER_OR_REPOSITORY]

Syncs are measured as whole processes of the command line (CPU of the process and its children); searches inside one
process that has its connections open, as the platform has.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUERIES = (
    *("permafrost", "sea surface salinity", "glacier mass balance", "soil moisture", "crop type map", "methane"),
    *("ice sheet velocity antarctica", "lightning", "supraglacial lakes", "burnt area", "land surface temperature"),
    *("ocean colour chlorophyll", "sea level anomaly", "above ground biomass", "snow water equivalent", "NDVI"),
    *(
        "wind speed scatterometer",
        "river discharge altimetry",
        "forest disturbance sentinel-1",
        "aerosol optical depth",
    ),
    *("worldcereal", "polar", "CryoSat", "SMOS", "Sentinel-2 reflectance", "evapotranspiration", "urban heat island"),
    *("arctic sea ice thickness", "wildfire emissions", "phytoplankton", "geomagnetic field", "flood", "drought index"),
    *(
        "water quality lakes",
        "carbon flux",
        "precipitation",
        "tropical cyclones",
        "lake ice",
        "gravity waves",
        "vegetation",
    ),
    *("vegetation", "permafrots", "salinty", "glaceir"),
)
FILTERS = (
    {"kinds": ("product",), "bbox": "5,45,17,55"},
    {"text": "ice", "kinds": ("product",), "time": "2015/2020"},
    {"text": "temperature", "bbox": "170,-20,-170,20"},
    {"text": "ocean", "theme": "oceans"},
)
ROUNDS = 10


def source() -> Path | None:
    """The catalogue named on the command line, else the shared one, else none."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    shared = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[1].parent / "shared")
    real = shared / "data/open-science-catalog"
    return real if real.is_dir() else None


def generated(root: Path) -> Path:
    """A catalogue of 2,224 documents with texts of the usual length."""
    words = " ".join(QUERIES).split()
    themes = ("oceans", "land", "cryosphere", "atmosphere", "magnetosphere-ionosphere", "solid-earth")

    def write(path: str, document: dict[str, object]) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(json.dumps(document, indent=2))

    write("catalog.json", {"id": "osc", "type": "Catalog"})
    for name in themes:
        write(f"themes/{name}/catalog.json", {"id": name, "title": name.title(), "type": "Catalog"})
    folders = {
        "variables": 1246,
        "projects": 208,
        "products": 351,
        "eo-missions": 81,
        "workflows": 17,
        "experiments": 9,
    }
    folders |= {"experiments": 9, "items": 305}
    for folder, count in folders.items():
        for number in range(count):
            chosen = [words[(number * 7 + step * (step + 3)) % len(words)] for step in range(9)]
            west, south = number * 17 % 340 - 180, number * 11 % 150 - 80
            document: dict[str, object] = {
                "id": f"{folder}-{number}",
                "title": " ".join(chosen[:4]).title(),
                "description": " ".join(chosen + [f"term{number * step % 20011}" for step in range(110)]),
                "keywords": chosen[4:9],
                "themes": [{"concepts": [{"id": themes[number % 6]}]}],
                "osc:variables": [f"variables-{number % 1246}"],
                "extent": {
                    "spatial": {"bbox": [[west, south, west + 20, south + 10]]},
                    "temporal": {"interval": [[f"{2000 + number % 20}-01-01T00:00:00Z", None]]},
                },
            }
            place = f"products/products-{number}/item.json" if folder == "items" else f"{folder}/{folder}-{number}/"
            write(place if folder == "items" else f"{place}collection.json", document)
    return root


def sync(catalogue: Path, home: Path) -> tuple[float, dict[str, object]]:
    """CPU seconds of one `terrafair catalogue sync` and its report."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", "from terrafair.cli import run; run()", "catalogue", "sync", str(catalogue), "--json"],
        env={**os.environ, "TERRAFAIR_HOME": str(home)},
        stdout=subprocess.PIPE,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode == 2:
        sys.exit("The sync could not run.")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(done.stdout)


def repository(catalogue: Path, folder: Path) -> Path:
    """A git repository with the same files."""
    git = ["git", f"--git-dir={folder}/.git", f"--work-tree={catalogue}", "-c", "user.name=B", "-c", "user.email=b@b"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for arguments in (["add", "."], ["commit", "-qm", "as it is"]):
        subprocess.run([*git, *arguments], check=True)
    return folder


def searches(home: Path) -> tuple[list[float], list[float]]:
    """Milliseconds of every text search and of every filtered one, after the first round."""
    from terrafair.catalogue.catalogue import Catalogue
    from terrafair.catalogue.query import Query
    from terrafair.errors import InvalidInput

    texts, filtered = [], []
    with Catalogue(home) as catalogue:
        for turn in range(ROUNDS + 1):
            for fields in [{"text": text} for text in QUERIES] + list(FILTERS):
                started = time.perf_counter()
                try:
                    catalogue.search(Query.parse(**fields))
                except InvalidInput as fault:
                    print(f"not measured: {fault}")
                    continue
                if turn:
                    (texts if len(fields) == 1 else filtered).append((time.perf_counter() - started) * 1000)
    return texts, filtered


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalogue = source() or generated(Path(folder, "generated"))
        print(f"catalogue {catalogue}")
        kinds = {"as given": catalogue}
        if not (catalogue / ".git").exists() and not (catalogue / "HEAD").exists():
            kinds["as git repository"] = repository(catalogue.absolute(), Path(folder, "repository"))
        for name, place in kinds.items():
            home = Path(folder, "home " + name)
            for turn in ("first", "second"):
                seconds, report = sync(place, home)
                said = f"{report['documents']} documents, {report['changed']} read"
                print(f"{name}, {turn} sync: {seconds:.2f} s CPU, {said}")
        texts, filtered = searches(Path(folder, "home as given"))
        for name, times in (("search by text", texts), ("search with filters", filtered)):
            if times:
                p99 = statistics.quantiles(times, n=100)[98]
                print(f"{name}: p50 {statistics.median(times):.2f} ms, p99 {p99:.2f} ms ({len(times)} searches)")


if __name__ == "__main__":
    main()
