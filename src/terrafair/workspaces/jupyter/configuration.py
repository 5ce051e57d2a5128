"""JupyterHub's configuration, from the platform's order."""

from pathlib import Path
from typing import Any

from terrafair.workspaces.orders import ROUTES, HubOrder, order_file, read, read_hub

BASE = "/workspaces/"
HERE = "terrafair.workspaces.jupyter"


def configure(c: Any, file: str) -> None:
    """Fill the configuration object `c`."""
    order = read_hub(Path(file))
    folder = Path(order.folder)
    host = "0.0.0.0" if order.connect_url else "127.0.0.1"  # noqa: S104 - servers on other machines call it
    c.JupyterHub.update(
        {
            "base_url": BASE,
            "hub_bind_url": f"http://{host}:{order.port}",
            "hub_routespec": BASE,
            "db_url": f"sqlite:///{folder / 'hub.db'}",
            "cookie_secret_file": str(folder / "cookie_secret"),
            "cleanup_servers": False,
            "cleanup_proxy": False,
            "allow_named_servers": True,
            "proxy_class": f"{HERE}.routes.FileRoutes",
            "authenticator_class": f"{HERE}.authenticator.PlatformAuthenticator",
            "spawner_class": order.spawner or f"{HERE}.spawner.SandboxSpawner",
            "services": [{"name": "terrafair", "api_token": order.token}],
            "load_roles": _roles(),
            "concurrent_spawn_limit": 10,
            "last_activity_interval": 60,
        }
    )
    if order.connect_url:
        c.JupyterHub.hub_connect_url = order.connect_url
    c.FileRoutes.file = str(folder / ROUTES)
    c.PlatformAuthenticator.secret = order.secret
    c.Authenticator.update({"allow_all": True, "auth_refresh_age": 1})
    c.SandboxSpawner.update({"folder": str(folder), "isolation": order.isolation})
    c.Spawner.update({"start_timeout": 120, "http_timeout": 120, "default_url": "/lab", "poll_interval": 5})
    if order.spawner:
        c.Spawner.pre_spawn_hook = _prepared(folder)
    _apply(c, order)


def _roles() -> list[dict[str, Any]]:
    servers = ["read:hub", "admin:users", "admin:servers", "access:servers", "list:users", "read:users", "read:servers"]
    return [
        {"name": "terrafair", "services": ["terrafair"], "scopes": servers},
        # Servers are started and ended by the platform, which charges for them.
        {"name": "user", "scopes": ["read:users!user", "users:activity!user", "access:servers!user"]},
    ]


def _prepared(folder: Path) -> Any:
    """For spawners of others: size and environment as the platform has ordered."""

    def prepare(spawner: Any) -> None:
        order = read(order_file(folder, spawner.user.name, spawner.name))
        spawner.mem_limit, spawner.cpu_limit = order.memory, order.cores
        spawner.environment = {**spawner.environment, **order.environment}
        spawner.args = [*spawner.args, *order.arguments]
        # KubeSpawner leaves an image's own command alone, and with it all arguments.
        spawner.cmd = spawner.cmd or ["jupyterhub-singleuser"]

    return prepare


def _apply(c: Any, order: HubOrder) -> None:
    for name, traits in order.options.items():
        c[name].update(traits)
