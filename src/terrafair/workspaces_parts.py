"""Wires the workspaces; part of the composition root."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from terrafair import identity_parts
from terrafair.api import workspaces as routes
from terrafair.api.passing import PREFIX, Passing
from terrafair.data.project_buckets import ProjectBuckets, environment
from terrafair.development import manifest
from terrafair.errors import InvalidInput, NotFound, TerrafairError
from terrafair.execution.engines.checkout import Checkout, open_commit
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.identity.credits import Prices
from terrafair.identity.people import People
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.portal import workspaces as pages
from terrafair.portal.page import Pages
from terrafair.repositories import Repository
from terrafair.workspace_kernels_parts import WITH_CODE, Kernels
from terrafair.workspaces import gate, orders, seed
from terrafair.workspaces.homes import clear, room
from terrafair.workspaces.hub import Hub, missing
from terrafair.workspaces.keeper import Keeper
from terrafair.workspaces.kernel import Kernel, tell
from terrafair.workspaces.seed import Source, Told
from terrafair.workspaces.workspace import Seed, Workspace, profiles
from terrafair.workspaces.workspaces import Offer, Workspaces

if TYPE_CHECKING:
    from fastapi import FastAPI

    from terrafair.app import Parts
    from terrafair.interfaces import Services

SOURCE = "127.0.0.2"
"""`api.reception.WORKSPACES`: where requests of workspaces come from."""
SCOPES = ("read", "run")
UNWATCHED = timedelta(hours=2)
"""What Jupyter itself ends, and so long after the keeper would have: for the time that neither platform nor hub is
there to look. Sooner it would take a kernel from somebody whose other one computes yet."""
ADDRESSES = ("TERRAFAIR_URL", "AWS_ENDPOINT_URL")
"""What programs inside know of this machine, for as long as they run."""
LATER = "The workflow's own kernel comes when the workspace is closed and opened again on it."


@dataclass(frozen=True, slots=True)
class Seeds:
    """What the platform knows of what workspaces open on."""

    parts: "Parts"
    runs: Any
    homes: Path

    def told(self, wanted: Seed) -> Told:
        """Raises `NotFound` for what is not there, or not the asker's."""
        match wanted.kind:
            case "product":
                found = self.parts.product(wanted.id)
                if found is None:
                    raise NotFound(f"There is no product {wanted.id[:80]!r}.", where="id")
                return Told(found[0], {})
            case "job":
                job = self.runs.get(wanted.id)
                return Told(str(job.get("title") or job["subject"]), job["inputs"])
            case "experiment" | "workflow":
                return self._workflow(wanted)
        return Told("", {})

    def add(self, workspace: Workspace) -> str:
        """Put another one into the home of a workspace that is open; gives the notebook's path there."""
        remark = LATER if workspace.seed.kind in WITH_CODE else ""
        told = replace(self.told(workspace.seed), remark=remark)
        return seed.plant(self.home(workspace), workspace.seed, told)

    def home(self, workspace: Workspace) -> Path:
        """Where the files of a person in a project lie."""
        return self.homes / workspace.person / workspace.project

    def _workflow(self, wanted: Seed) -> Told:
        found = self.parts.resolver.resolve(wanted.id, wanted.kind)
        told = Told(found.title, found.values)
        application = found.application
        if application is None or not application.location.repository:
            return told
        try:
            repository, commit = open_commit(application, self.parts.repositories)
        except TerrafairError as fault:
            structlog.get_logger().warning("workspace.source", id=wanted.id, reason=str(fault)[:300])
            return told
        assert isinstance(repository, Repository)  # noqa: S101 - the parts' own
        source = Source(repository.path, application.location.repository, commit, _modules(repository, commit))
        return replace(told, source=source)


def _modules(repository: Checkout, commit: str) -> str:
    try:
        return manifest.parse(repository.read(commit, manifest.FILE).decode()).modules
    except (TerrafairError, UnicodeDecodeError):
        # It is no repository of ours, or not a whole one: nothing of it is importable by itself.
        return ""


@dataclass(frozen=True, slots=True)
class Equipment:
    """Implements `keeper.Equipment`."""

    parts: "Parts"
    folder: Path
    offer: Offer
    seeds: Seeds
    people: People
    tokens: PersonalTokens
    buckets: ProjectBuckets
    kernels: Kernels
    url: Callable[[], str]
    """Of the platform, as this machine reaches it."""

    def lacks(self, workspace: Workspace) -> str:
        """Its kernel, while it is made; pods have the packages of their image alone."""
        return "" if self.parts.config.workspace_spawner else self.kernels.lacks(workspace)

    def renew(self, workspace: Workspace) -> None:
        """The addresses inside stay; where they lead to is another."""
        file = orders.order_file(self.folder, workspace.person, workspace.project)
        try:
            order = orders.read(file)
        except NotFound:
            return
        inside = {name: str(urlsplit(order.environment.get(name, "")).port or 80) for name in ADDRESSES}
        now = {
            name: way for name, way in zip(ADDRESSES, (self._here(), self._store()), strict=True)
            if way and inside[name] in order.ways
        }  # fmt: skip
        orders.write(file, replace(order, ways={**order.ways, **{inside[name]: way for name, way in now.items()}}))

    def give(self, workspace: Workspace) -> Workspace:
        """Home, seed, token, keys and the order for its server."""
        kernel = self.kernels.give(workspace)
        self.take(workspace)
        home = self.seeds.home(workspace)
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        clear(home)
        told = replace(self.seeds.told(workspace.seed), remark=_remark(kernel))
        path = seed.plant(home, workspace.seed, told)
        found = kernel if isinstance(kernel, Kernel) else None
        jupyter = self._tell(workspace, home, found, told.source)
        readable = (*([jupyter] if jupyter else []), *(found.readable if found else ()))
        lifetime = timedelta(hours=workspace.hours, minutes=10)
        name = f"workspace in {workspace.project}"
        secret, token = self.tokens.issue(workspace.person, name, SCOPES, lifetime)
        keys, store = self._keys(workspace, lifetime)
        own = {
            **self._environment(workspace), **store, "TERRAFAIR_TOKEN": secret, "TERRAFAIR_PROJECT": workspace.project,
        }  # fmt: skip
        if jupyter:
            own |= {"JUPYTER_PATH": str(jupyter), "JUPYTER_CONFIG_PATH": str(jupyter / "config")}
        order = replace(self._order(workspace, home, own), readable=tuple(map(str, readable)))
        orders.write(orders.order_file(self.folder, workspace.person, workspace.project), order)
        return replace(
            workspace,
            token=token.id,
            keys=keys,
            path=path,
            reason="" if found else _remark(kernel)[:400],
        )

    def _tell(self, workspace: Workspace, home: Path, kernel: Kernel | None, source: Source | None) -> Path | None:
        if self.parts.config.workspace_spawner:
            # Pods do not see this machine's folders.
            return None
        modules = home / seed.folder_name(source) / source.modules if source and source.modules else None
        run = self.folder / "runs" / f"{workspace.person}--{workspace.project}"
        return tell(run, kernel, str(modules or ""))

    def take(self, workspace: Workspace) -> None:
        """End its token and its keys, and forget the order."""
        self.kernels.forget(workspace)
        for id, end in ((workspace.token, self.tokens.revoke), (workspace.keys, self.buckets.end)):  # noqa: A001
            try:
                if id:
                    end(workspace.person, id)
            except NotFound:
                continue
        orders.order_file(self.folder, workspace.person, workspace.project).unlink(missing_ok=True)

    def _keys(self, workspace: Workspace, lifetime: timedelta) -> tuple[str, dict[str, str]]:
        longest = timedelta(hours=12)
        try:
            minted = self.buckets.mint(
                self.people.actor(workspace.person), workspace.project, write=True, lifetime=min(lifetime, longest)
            )
        except TerrafairError as fault:
            # A store that wants the provider's own token: the person makes keys on the page /account.
            structlog.get_logger().warning("workspace.keys", workspace=workspace.id, reason=str(fault)[:300])
            return "", {}
        return minted.held.id, {**environment(minted), "TERRAFAIR_BUCKET": minted.bucket}

    def _here(self) -> tuple[str, int, str]:
        """The way to the platform."""
        return "127.0.0.1", urlsplit(self.url()).port or 80, SOURCE

    def _store(self) -> tuple[str, int, str] | None:
        """The way to an object store on this machine; None: it is elsewhere."""
        store = urlsplit(self.parts.config.store_public_url or self.parts.store_access.endpoint)
        near = store.hostname in {"127.0.0.1", "localhost"} and store.port
        return ("127.0.0.1", store.port, "") if near and store.port else None

    def _environment(self, workspace: Workspace) -> dict[str, str]:
        profile, person = self.offer.profile(workspace.profile), self.people.get(workspace.person)
        threads = str(max(1, int(profile.cores)))
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GDAL_NUM_THREADS", "NUMBA_NUM_THREADS")
        found = dict.fromkeys(names, threads)
        name, email = person.name or person.id, person.email or f"{person.id}@users.invalid"
        for role in ("AUTHOR", "COMMITTER"):
            found |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": email}
        found |= {
            "SHELL": "/bin/bash",
            "TERRAFAIR_URL": self.parts.config.workspace_platform_url or self.url(),
            "JUPYTERHUB_ACTIVITY_INTERVAL": str(max(1, min(60, self.parts.config.workspace_idle // 3))),
        }
        if not self.parts.config.workspace_spawner:
            proxy = f"http://127.0.0.1:{gate.EGRESS}"
            found |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
            found |= dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")
        return found

    def _order(self, workspace: Workspace, home: Path, own: dict[str, str]) -> orders.Order:
        config, profile = self.parts.config, self.offer.profile(workspace.profile)
        hub = orders.read_hub(self.folder / orders.HUB).port
        here = self._here()
        ways = {str(hub): ("127.0.0.1", hub, ""), str(here[1]): here}
        admitted = [_host(each) for each in sorted(config.workspace_hosts)]
        store = urlsplit(config.store_public_url or self.parts.store_access.endpoint)
        if way := self._store():
            ways[str(way[1])] = way
        elif store.hostname:
            admitted.append((store.hostname, store.port or (443 if store.scheme == "https" else 80)))
        alone = config.workspace_idle + int(UNWATCHED.total_seconds())
        arguments = (
            f"--ServerApp.root_dir={home}" if not config.workspace_spawner else "",
            # Nothing is asked of other sites on anybody's behalf.
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            f"--MappingKernelManager.cull_idle_timeout={alone}",
            f"--ServerApp.shutdown_no_activity_timeout={alone}",
        )
        return orders.Order(
            workspace.id, str(home), profile.cores, profile.memory, workspace.hours * 3600.0,
            *room(config.workspace_disk, home), own,
            ways=ways, admitted=admitted, public=config.workspace_network == "public",
            arguments=tuple(filter(None, arguments)),
        )  # fmt: skip


def _remark(kernel: Kernel | str) -> str:
    if isinstance(kernel, Kernel):
        return f"The kernel *{kernel.title}* has the packages that the workflow runs with (Kernel, Change Kernel)."
    return f"The workflow's own environment was not to be had as a kernel: {kernel}" if kernel else ""


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidInput(f"{text!r} is no HOST:PORT.", remedy="Mend the setting workspace_hosts.")
    return host, int(port)


def install(app: "FastAPI", parts: "Parts", services: "Services", frame: Pages, stack: ExitStack) -> None:
    """`/workspaces`, `/api/workspaces`, the pages about them, and what keeps them."""
    config, engine = parts.config, services.engine
    lacking = ("the setting workspaces",) if config.workspaces == "no" else missing()
    folder = config.home / "workspaces"
    for each in config.workspace_hosts:
        _host(each)  # a mistake shows at the start, not with the first workspace
    offer = Offer(profiles(config.workspace_profiles), Prices.read(config.prices), config.workspace_hours)
    seeds = Seeds(parts, services.runs, folder / "homes")
    workspaces = Workspaces(engine, offer, seeds.told, seeds.add, lacking)
    app.state.notebooks = not lacking
    app.include_router(routes.router(workspaces))
    app.include_router(pages.router(frame, workspaces, lacking))
    app.mount(PREFIX, Passing(folder, lambda: orders.read_hub(folder / orders.HUB).secret, workspaces.admits))
    if parts.seat or lacking:
        return
    keeper = _keeper(parts, engine, offer, seeds, lambda: app.state.url, stack)

    def keep(ended: threading.Event) -> None:
        while not getattr(app.state, "url", ""):
            # What is open learns where the platform is, which its server says when all is put together.
            if ended.wait(0.2):
                return
        keeper.keep(ended)

    identity_parts.beside(stack, "workspaces", keep)


def _keeper(
    parts: "Parts", engine: sa.Engine, offer: Offer, seeds: Seeds, url: Callable[[], str], stack: ExitStack
) -> Keeper:
    config, people = parts.config, People(engine, parts.config.operators)
    folder = config.home / "workspaces"
    hub = Hub(
        folder,
        spawner=config.workspace_spawner,
        options=config.workspace_options,
        connect_url=config.workspace_hub_url,
        isolation=config.isolation,
    )
    stack.callback(hub.stop)
    buckets = identity_parts.project_buckets(parts, engine, people)
    software = Software(Environments(config.home / "environments"), parts.containers)
    kernels = Kernels(lambda wanted: parts.resolver.resolve(wanted.id, wanted.kind), software)
    equipment = Equipment(parts, folder, offer, seeds, people, PersonalTokens(engine), buckets, kernels, url)
    idle = timedelta(seconds=config.workspace_idle)
    return Keeper(engine, hub, offer, equipment, people.actor, folder / "runs", idle, config.workspace_disk)
