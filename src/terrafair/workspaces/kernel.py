"""A kernel that a workspace offers beside the usual one, told to Jupyter by files that its person cannot write."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = "jupyter"
"""Below a workspace's run; `JUPYTER_PATH` names it."""
NAME = "workflow"
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
"""Else the first thing that JupyterLab shows is the question whether it may ask another site for news."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A Python with ipykernel in it."""

    title: str
    python: Path
    readable: tuple[Path, ...]
    """Folders that it needs to see."""


def tell(run: Path, kernel: Kernel | None, modules: str = "") -> Path:
    """Leave the one kernel of a session, or none, for Jupyter, and its settings; gives the folder to look in.

    `modules`: a folder of the person's whose packages it imports, too.
    """
    folder = run / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "kernels" / NAME
    place.mkdir(parents=True)
    if kernel is not None:
        # Jupyter fills in ${PATH}: what a cell starts by `!python` is of the same environment.
        surroundings = {"PYTHONNOUSERSITE": "1", "PATH": f"{kernel.python.parent}:${{PATH}}"}
        surroundings |= {"PYTHONPATH": modules} if modules else {}
        argv = [str(kernel.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        about = {"argv": argv, "display_name": kernel.title, "language": "python", "env": surroundings}
        (place / "kernel.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")
    settings = folder / "config/labconfig/default_setting_overrides.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(QUIET), "utf-8")
    for path in (folder, *folder.rglob("*")):
        # The workspace's programs run as another user.
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
