"""The hub's routes, kept in a file from which the platform's own web processes pass requests on."""

import json
from pathlib import Path
from typing import Any

from jupyterhub.proxy import Proxy
from traitlets import Unicode

Table = dict[str, dict[str, Any]]


class FileRoutes(Proxy):
    """Implements JupyterHub's port for proxies; there is no process to start."""

    file = Unicode(config=True, help="Where the routes are kept.")
    should_start = False

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        """Lead a path to a server."""
        spec = self.validate_routespec(routespec)
        self._write({**self._read(), spec: {"routespec": spec, "target": target, "data": data}})

    async def delete_route(self, routespec: str) -> None:
        """Lead it there no longer."""
        table = self._read()
        table.pop(self.validate_routespec(routespec), None)
        self._write(table)

    async def get_all_routes(self) -> Table:
        """All of them."""
        return self._read()

    def _read(self) -> Table:
        try:
            found: Table = json.loads(Path(self.file).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _write(self, table: Table) -> None:
        fresh = Path(self.file).with_suffix(".new")
        fresh.write_text(json.dumps(table), "utf-8")
        fresh.replace(self.file)
