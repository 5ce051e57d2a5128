"""The tokens that programs of a person keep for platforms: one file that only they can read."""

import json
import os
from pathlib import Path

import platformdirs


def path() -> Path:
    """The file; `TERRAFAIR_CREDENTIALS` names another."""
    named = os.environ.get("TERRAFAIR_CREDENTIALS")
    return Path(named) if named else platformdirs.user_config_path("terrafair") / "credentials.json"


def token_for(url: str) -> str:
    """The token for a platform: `TERRAFAIR_TOKEN`, else the one that `terrafair login` has kept; empty: none."""
    return os.environ.get("TERRAFAIR_TOKEN") or _read().get(url.rstrip("/"), "")


def keep(url: str, token: str) -> None:
    """Keep a platform's token; an empty one is forgotten."""
    kept = {**_read(), url.rstrip("/"): token}
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    # Created for its person alone: a file that is closed up later has been open before.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({name: value for name, value in kept.items() if value}, out)
    fresh.replace(file)


def _read() -> dict[str, str]:
    try:
        kept = json.loads(path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in kept.items()} if isinstance(kept, dict) else {}
