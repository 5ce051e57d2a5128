"""A release of the platform, step by step; docs/release.md says when to call what.

check          version, changelog, tag and tree fit together
wheel FOLDER   the wheel, with all browser files and the site inside
bill FOLDER    bill of materials (CycloneDX) and licences
all FOLDER     all three, and their checksums
"""

import argparse
import base64
import csv
import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from terrafair.development.bill import Part, Subject, document, parts

ROOT = Path(__file__).resolve().parents[1]
INSIDE = (
    "terrafair/portal/static/terrafair.css",
    "terrafair/portal/static/vendor/htmx.min.js",
    "terrafair/portal/static/vendor/eox-map.js",
    "terrafair/identity/vendor/package.json",
    "terrafair/portal/documents/index.html",
)
"""Files without which a wheel is not a release."""
BROWSER_LICENCES = {
    "@fortawesome/fontawesome-free": "CC-BY-4.0 AND OFL-1.1 AND MIT",
    "@openeo/vue-components": "Apache-2.0",
    "ace-builds": "BSD-3-Clause",
    "ol": "BSD-2-Clause",
    "htmx.org": "0BSD",
    "@eox/map": "MIT",
    "world-atlas": "ISC",
    "axe-core": "MPL-2.0",
}
"""Of requirements/assets.toml; other packages say theirs themselves."""


def version(root: Path) -> str:
    """The one that the sources name."""
    found = re.search(r'^__version__ = "([^"]+)"', (root / "src/terrafair/__init__.py").read_text("utf-8"), re.M)
    if not found:
        raise ValueError("src/terrafair/__init__.py names no version")
    return found[1]


def faults(root: Path) -> Iterator[str]:
    """What keeps this tree from being a release."""
    current = version(root)
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", current):
        yield f"{current} is no version: MAJOR.MINOR.PATCH, perhaps with a1, b1 or rc1"
    heads = re.findall(r"^## \[([^\]]+)\](.*)\n((?:(?!^## ).*\n?)*)", (root / "CHANGELOG.md").read_text("utf-8"), re.M)
    sections = {name: (rest, body) for name, rest, body in heads}
    if sections.get("Unreleased", ("", ""))[1].strip():
        yield f"CHANGELOG.md has entries that are unreleased: move them below ## [{current}]"
    rest, body = sections.get(current, ("", ""))
    if not body.strip():
        yield f"CHANGELOG.md says nothing of {current}"
    elif not re.fullmatch(r" - \d{4}-\d{2}-\d{2}", rest):
        yield f"CHANGELOG.md: ## [{current}] has no date; write ## [{current}] - YYYY-MM-DD"
    tagged = _git(root, "rev-parse", "--verify", "--quiet", f"v{current}^{{commit}}")
    if tagged and tagged != _git(root, "rev-parse", "HEAD"):
        yield f"the tag v{current} is another commit: raise the version"
    if changed := _git(root, "status", "--porcelain"):
        yield f"the tree has changes that are not committed: {changed.splitlines()[0]}"


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False).stdout.strip()


def wheel(root: Path, folder: Path) -> Path:
    """Build it, without network; raises `ValueError` when something is missing inside."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.resolve())]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return folder / f"terrafair-{version(root)}-py3-none-any.whl"


def lacks(built: Path) -> list[str]:
    """Files that a release needs and this wheel has not."""
    with zipfile.ZipFile(built) as archive:
        return sorted(set(INSIDE) - set(archive.namelist()))


def packed(root: Path, prefix: Path) -> list[Part]:
    """All packages of other people that a release comes with or asks for."""
    requirements = root / "requirements"
    found = parts((requirements / "run.txt").read_text("utf-8"), prefix)
    found += parts((requirements / "weights.txt").read_text("utf-8"), prefix)
    for name, asset in tomllib.loads((requirements / "assets.toml").read_text("utf-8")).items():
        found.append(_browser(name, asset["version"], asset["integrity"], BROWSER_LICENCES.get(name, "")))
    pins = json.loads((requirements / "oidc-provider/pins.json").read_text("utf-8"))["packages"]
    for path, package in pins.items():
        if path:
            name = path.rpartition("node_modules/")[2]
            found.append(_browser(name, package["version"], package["integrity"], str(package.get("license", ""))))
    once = {(part.index, part.name, part.version): part for part in found}
    return [once[key] for key in sorted(once)]


def _browser(name: str, number: str, integrity: str, licence: str) -> Part:
    digest = base64.b64decode(integrity.removeprefix("sha512-")).hex()
    return Part(name, number, (("SHA-512", digest),), licence, "npm")


def bill(root: Path, folder: Path, digest: str, prefix: Path) -> tuple[Path, Path]:
    """Write bill of materials and licences."""
    folder.mkdir(parents=True, exist_ok=True)
    current, found = version(root), packed(root, prefix)
    subject = Subject("terrafair", current, "Apache-2.0", f"sha256:{digest}", "application")
    materials, licences = (folder / f"terrafair-{current}{end}" for end in (".cdx.json", "-licences.csv"))
    materials.write_bytes(document(subject, found, platform.python_version()))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("index", "name", "version", "licence"))
    rows.writerows((part.index, part.name, part.version, part.licence or "not said") for part in found)
    licences.write_text(text.getvalue(), "utf-8")
    return materials, licences


def main() -> int:
    """Do one step; exit code 1: not a release."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("step", choices=("check", "wheel", "bill", "all"))
    asked.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    given = asked.parse_args()
    wrong = list(faults(ROOT)) if given.step in {"check", "all"} else []
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        return 1
    made: list[Path] = []
    if given.step in {"wheel", "all"}:
        made = [wheel(ROOT, given.folder)]
        if missing := lacks(made[0]):
            print(f"{made[0].name} lacks {', '.join(missing)}: `make assets docs` first.", file=sys.stderr)
            return 1
    if given.step in {"bill", "all"}:
        built = given.folder / f"terrafair-{version(ROOT)}-py3-none-any.whl"
        if not built.exists():
            print(f"{built} is not there: `tools/release.py wheel` first.", file=sys.stderr)
            return 1
        made += bill(ROOT, given.folder, hashlib.sha256(built.read_bytes()).hexdigest(), Path(sys.prefix))
    if given.step == "all":
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made]
        (given.folder / "SHA256SUMS").write_text("".join(sums), "utf-8")
    print(*made, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
