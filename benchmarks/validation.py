"""Validation of the real Open Science Catalog, whole and one changed file, beside the official JavaScript validator.

    python benchmarks/validation.py [CATALOGUE] [SCHEMA_STORE]

Whole validations are measured as processes of the command line: CPU and peak memory. One changed file is measured in a
process whose schemas are compiled, as the platform has. The official validator takes part where
`TERRAFAIR_OSC_VALIDATOR` names its folder (`npm install ESA-EarthCODE/open-science-catalog-validation`, with
its node_modules) and node is there; it gets the same schemas from the same folder, and no network.
"""

import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 3
EDITS = 40
DRIVER = """
const [home, root, store] = process.argv.slice(2), fs = require('fs'), path = require('path');
if (!URL.parse) URL.parse = (text, base) => { try { return new URL(text, base); } catch { return null; } };
const validate = require(path.join(home, 'node_modules/stac-node-validator/src/index.js'));
const Custom = require(path.join(home, 'validate.js'));
const own = 'https://testing.earthcode.eox.at/schemas/';
const places = {[own]: 'osc-validation/', 'https://schemas.stacspec.org/': 'stac/',
  'https://geojson.org/schema/': 'geojson/',
  'https://stac-extensions.github.io/': 'ext/', 'https://proj.org/schemas/': 'proj/'};
const loader = async uri => {
  for (const [site, folder] of Object.entries(places))
    if (uri.startsWith(site)) uri = path.join(store, folder, uri.slice(site.length).replace(/#$/, ''));
  return JSON.parse(fs.readFileSync(uri, 'utf8'));
};
const files = [];
const walk = folder => { for (const entry of fs.readdirSync(folder, {withFileTypes: true})) {
  const place = path.join(folder, entry.name);
  if (entry.isDirectory()) walk(place); else if (/\\.(geo)?json$/i.test(entry.name)) files.push(place); } };
walk(root);
validate(files, {loader, schemaMap: {}, customValidator: new Custom(), SCHEMA_URL: own}).then(report => {
  const wrong = report.children.filter(child => child.valid === false).length;
  console.log(JSON.stringify({files: report.children.length, wrong}));
});
"""


def folders() -> tuple[Path, Path] | None:
    """Catalogue and schema store: from the command line, else the shared ones."""
    shared = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[1].parent / "shared") / "data"
    given = [Path(argument) for argument in sys.argv[1:3]]
    catalogue, store = [*given, *(shared / "open-science-catalog", shared / "schemas")[len(given) :]]
    return (catalogue, store) if catalogue.is_dir() and store.is_dir() else None


def measured(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """(CPU seconds, peak MB, output) of a process: the quickest of some rounds."""
    best, output = (float("inf"), 0.0), ""
    for _ in range(ROUNDS):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(write, 1)
            os.execvpe(command[0], list(command), environment)
        os.close(write)
        with os.fdopen(read) as pipe:
            output = pipe.read()
        _, status, usage = os.wait4(child, 0)
        if os.waitstatus_to_exitcode(status) not in {0, 1}:
            sys.exit(f"{command[0]} failed: {output[-300:]}")
        best = min(best, (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return *best, output


def whole(catalogue: Path, store: Path) -> None:
    """Our command line, then the official validator."""
    environment = {**os.environ, "TERRAFAIR_SCHEMAS": str(store)}
    command = [sys.executable, "-m", "terrafair", "validate", str(catalogue), "--json"]
    seconds, memory, output = measured(command, environment)
    report = json.loads(output)
    found = f"{report['files']} files, {report['errors']} errors, {report['warnings']} warnings"
    print(f"terrafair, whole catalogue: {seconds:.2f} s CPU, {memory:.0f} MB ({found})")
    home = os.environ.get("TERRAFAIR_OSC_VALIDATOR")
    if not home or shutil.which("node") is None:
        print("official validator: not measured (TERRAFAIR_OSC_VALIDATOR names no folder, or there is no node)")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".js") as driver:
        driver.write(DRIVER)
        driver.flush()
        node = ["node", driver.name, str(Path(home).absolute()), str(catalogue.absolute()), str(store.absolute())]
        seconds, memory, output = measured(node, dict(os.environ))
    report = json.loads(output)
    found = f"{report['files']} files, {report['wrong']} wrong"
    print(f"official validator, whole catalogue: {seconds:.2f} s CPU, {memory:.0f} MB ({found})")


def edits(catalogue: Path, folder: Path) -> None:
    """One changed product, one after the other."""
    from terrafair.catalogue.rules import Folder, Overlay, validate
    from terrafair.catalogue.schemas import Store

    store, base = Store(folder), Folder(catalogue)
    paths = [f"products/{name}/collection.json" for name in base.folders("products")][:EDITS]
    for field in ("description", "title"):
        times, files = [], 0
        for number, path in enumerate(paths):
            document = json.loads(base.read(path) or b"{}")
            changes = {path: {**document, field: f"Another {field}"}}
            begun = time.process_time()
            report = validate(Overlay(base, changes), changes, store=store)
            if number:
                times.append(time.process_time() - begun)
                files += report.files
        p95 = statistics.quantiles(times, n=20)[18]
        looked = f"{files / len(times):.0f} documents looked at"
        print(
            f"terrafair, one product with another {field}: p50 {statistics.median(times) * 1000:.0f} ms CPU, "
            f"p95 {p95 * 1000:.0f} ms ({looked})"
        )


def main() -> None:
    found = folders()
    if found is None:
        print("no catalogue with a schema store: give both, or set TERRAFAIR_SHARED")
        return
    print(f"catalogue {found[0]}, schemas {found[1]}")
    whole(*found)
    edits(*found)
    print(f"peak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
