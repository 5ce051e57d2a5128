"""The settings, read once from TOML and environment into frozen values.

`TERRAFAIR_<FIELD>` overrides the key of the same name in `$TERRAFAIR_CONFIG`, else in `HOME/terrafair.toml`;
`TERRAFAIR_<FIELD>_FILE` names a file that holds the value, as container platforms hand out secrets.
"""

import json
import os
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInput, Problem, Refused


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of the platform; a field's docstring is its documentation (docs/settings.md is made from it)."""

    home: Path
    """Folder that holds all that the embedded default keeps: databases, objects, mirrors, jobs, environments."""
    host: str = "127.0.0.1"
    """Address that the platform listens on."""
    port: int = 8080
    """Port that the platform listens on; 0 takes a free one."""
    web_workers: int = 1
    """Processes that answer web requests; each takes some 250 MB, and more than there are cores gain nothing."""
    url: str = ""
    """Address of the platform that the client and the command line talk to; empty: the one that runs on this home."""
    database: str = ""
    """SQLAlchemy URL of the control database and the job queue; empty: SQLite in the home folder."""
    items_database: str = ""
    """PostgreSQL URL for STAC items (pgSTAC; first `terrafair items prepare`); empty: SQLite in the home folder."""
    schemas: Path | None = None
    """Folder of JSON Schemas for offline validation (`terrafair schemas sync` fills one)."""
    catalogue: str = ""
    """Git URL or folder of the Open Science Catalog that this platform shows; empty: the demo's test catalogue."""
    branch: str = ""
    """Branch of the catalogue's repository; empty: the repository's default branch."""
    workers: int = 2
    """Jobs that run at the same time on this machine; 0: none, where workers on other hosts do them."""
    lease_seconds: int = 30
    """With PostgreSQL: a worker that has not been heard of for so long is given up, and others do its jobs."""
    job_seconds: int = 3600
    """Wall-clock limit of one job, in seconds."""
    job_memory: int = 8 * 1024**3
    """Memory limit of one job, in bytes."""
    job_disk: int = 20 * 1024**3
    """Limit of what one job may have on disk, in one file or in all, in bytes; its staged inputs do not count."""
    job_files: int = 1_000_000
    """Limit of how many files and folders one job may have on disk."""
    isolation: str = "auto"
    """`auto`: bubblewrap where it works, else plain processes with a warning; `require`: not without it; `none`."""
    containers: str = "auto"
    """`auto`: podman where it is installed; `podman`: require it; `none`: only the substitutes below."""
    substitutes: Mapping[str, str] = field(default_factory=dict)
    """Container image -> local environment that stands in for it: `platform`, or the path of a requirements file."""
    repositories: Mapping[str, str] = field(default_factory=dict)
    """Repository URL -> local mirror to read instead; every `HOME/repositories/HOST/OWNER/NAME.git` counts too."""
    git_ssh_keys: Mapping[str, str] = field(default_factory=dict)
    """Known host -> private key for its repositories over ssh; whoever may build can read them."""
    editor_repositories: frozenset[str] = frozenset()
    """Addresses of linked repositories that the text editor commits to, by the key of their host; none unless named."""
    sources_minutes: int = 5
    """Minutes between two looks at the repositories that projects have linked; 0: only a forge's call starts builds."""
    documents: Path | None = None
    """Folder with copies of published documents (`RECORD-ID/input.yaml` ...), used where their own address fails."""
    data_roots: tuple[Path, ...] = ()
    """Local folders that jobs may read in place by path or `file://`; `HOME/data` always counts."""
    store_url: str = ""
    """S3 endpoint of the object store; empty: the embedded one (SeaweedFS), started and watched by the platform."""
    store_key: str = ""
    """Access key for `store_url`."""
    store_secret: str = ""
    """Secret key for `store_url`."""
    store_bucket: str = "terrafair"
    """Bucket that holds job results and uploads; `s3://terrafair/...` addresses lead there too."""
    store_public_url: str = ""
    """Address at which people reach the object store, where a proxy gives it another than the platform's."""
    store_sts_url: str = ""
    """Security token service of `store_url` that gives people keys (AssumeRoleWithWebIdentity); empty: its IAM does."""
    store_role: str = ""
    """ARN of the role that people's keys of `store_sts_url` are narrowed down from."""
    allow_private_addresses: bool = False
    """Let references point into private networks; only for a platform whose users are all trusted."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Name -> address of an OGC API - Processes server or openEO back-end that jobs can be handed on to."""
    target_tokens: Mapping[str, str] = field(default_factory=dict)
    """Name of a target -> bearer token, or `user:password`, that this platform shows there."""
    target_audiences: Mapping[str, str] = field(default_factory=dict)
    """Name of a target -> audience or address for which people's own tokens are exchanged (RFC 8693) to show there."""
    registry: str = ""
    """Container registry that released images are pushed to, `HOST/NAMESPACE`; empty: they stay on this platform."""
    registry_user: str = ""
    """User name there; empty: nobody."""
    registry_password_file: Path | None = None
    """File with the password; TERRAFAIR_REGISTRY_PASSWORD goes before it."""
    mlflow_url: str = ""
    """MLflow tracking server that the metrics of jobs are passed on to; empty: they stay with the jobs."""
    mlflow_token: str = ""
    """Bearer token that is shown there."""
    github_url: str = ""
    """GitHub's REST address, https://api.github.com; empty: the platform's own forge stands in, and you review."""
    github_production: str = "ESA-EarthCODE/open-science-catalog-metadata"
    """Repository of the catalogue, `owner/name`."""
    github_testing: str = "ESA-EarthCODE/open-science-catalog-metadata-testing"
    """Repository where publications are tried first; empty: nowhere."""
    github_account: str = ""
    """Account that forks; empty: the token's own. A GitHub App needs it."""
    github_token_file: Path | None = None
    """File with the token of a person or bot; TERRAFAIR_GITHUB_TOKEN goes before it."""
    github_app: str = ""
    """Id of a GitHub App, instead of a token."""
    github_app_key: Path | None = None
    """The App's private key, PEM."""
    github_app_installation: str = ""
    """Id of the App's installation."""
    publish_author: str = "terrafair <publishing@terrafair.example>"
    """Author of commits, `Name <address>`, where a publication names no contact."""
    archive_route: str = "machine"
    """`machine`: deliver to the archive; `manual`: pack a delivery folder that a person hands over."""
    archive_url: str = ""
    """Address of the Project Results Repository, https://eoresults.esa.int; empty: a stand-in with its rules."""
    archive_user: str = ""
    """User name at the archive; also the key of its stage-in bucket."""
    archive_password_file: Path | None = None
    """File with the password; TERRAFAIR_ARCHIVE_PASSWORD goes before it."""
    archive_bucket: str = ""
    """Stage-in bucket; empty: `sg-USER-generic`."""
    archive_contract: str = ""
    """Number of the ESA contract that publications name unless they say another."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Local accounts for openEO's Basic sign-in: name -> `scrypt:SALT:DIGEST`, see docs/openeo-api.md."""
    issuers: Mapping[str, str] = field(default_factory=dict)
    """OpenID Connect providers: id (letters and digits) -> issuer URL."""
    clients: Mapping[str, str] = field(default_factory=dict)
    """Id of a provider in `issuers` -> client id that openEO clients use by default; tokens must be meant for it."""
    providers: Mapping[str, Any] = field(default_factory=dict)
    """Where people sign in: id -> table of issuer, client, secret_file, scopes, audience, title, claims, protocol."""
    operators: frozenset[str] = frozenset()
    """Who operates the platform: `ISSUER#SUBJECT`, e-mail address that the provider has checked, or `github:LOGIN`."""
    anonymous: str = "auto"
    """Who is it that has not signed in: `operator`, `visitor`; `auto`: operator where only this machine can ask."""
    prices: Mapping[str, Any] = field(default_factory=dict)
    """Milli-credits per cpu_second, memory_gb_second, storage_gb_month, egress_gb and job."""
    local_provider: str = "auto"
    """Provider with two demo people, for this machine alone: `yes`, `no`; `auto`: with the demo, if none is named."""
    synchronous_seconds: int = 300
    """Wall-clock limit of what openEO computes while the caller waits, in seconds."""
    user_quota: int = 10 * 1024**3
    """Bytes that one person may upload through openEO."""
    dask_scheduler: str = ""
    """Dask for openEO: `tcp://HOST:PORT`, `gateway:https://HOST`, `slurm` (`pbs` ...); empty: each job's threads."""
    dask_options: Mapping[str, Any] = field(default_factory=dict)
    """Of the cluster that `dask_scheduler` asks for: `minimum`, `maximum`, `idle_seconds`, and the library's own."""
    cwl_runner: str = "cwltool"
    """Who runs the steps of CWL workflows: `cwltool`, in the job's sandbox; `toil`: jobs of a batch system."""
    cwl_batch_system: str = "single_machine"
    """Of `cwl_runner = "toil"`: `slurm`, `kubernetes`, or `single_machine` to try it."""
    cwl_options: Mapping[str, Any] = field(default_factory=dict)
    """Of that batch system: `partition`, `arguments`, `max_cores`, `image` ..., see docs/operations.md."""
    read_only: bool = False
    """Refuse all changes from the start on; `terrafair read-only` does it while the platform runs."""
    disk_floor: str = "2 GB"
    """Jobs and uploads are refused while less is free on the home folder's disk: `2 GB`, `500 MB`, or `5 %` of it."""
    scrub_days: int = 7
    """Days between the beginnings of two looks at all stored results, by checksum; 0: only `terrafair scrub`."""
    scrub_rate: int = 20 * 10**6
    """Bytes a second that such a look reads at the most, when it is the platform's own."""
    logs: str = "text"
    """How the log's lines are written: `text` for people, `json` for programs, one object a line."""
    metrics: str = "operator"
    """Who may read `/metrics`: `operator` (a scraper with a personal token), or `open`: everybody who gets there."""
    traces: str = ""
    """Collector that traces are sent to by OTLP over HTTP, http://collector:4318; empty: as the OTEL_ variables say."""
    workspaces: str = "auto"
    """`auto`: offered where the extra `workspaces` is installed; `no`."""
    workspace_profiles: Mapping[str, Any] = field(default_factory=dict)
    """Sizes of workspaces: name -> table of cores, memory_gb and title; empty: a small and a large one."""
    workspace_hours: int = 12
    """The longest time that a workspace is open, in hours."""
    workspace_idle: int = 3600
    """A workspace in which nothing happens for so many seconds is closed; its files stay."""
    workspace_disk: int = 20 * 1024**3
    """What a person's files in one project's workspace may take on disk, in bytes; one that takes more is closed."""
    workspace_network: str = "public"
    """What programs in workspaces reach beside the platform: `public`, the internet; `platform`, nothing."""
    workspace_hosts: frozenset[str] = frozenset()
    """HOST:PORT of private networks that workspaces reach all the same, e.g. the site's own git server."""
    workspace_spawner: str = ""
    """JupyterHub spawner that starts workspaces, e.g. `kubespawner.KubeSpawner`; empty: the platform's sandbox."""
    workspace_options: Mapping[str, Any] = field(default_factory=dict)
    """JupyterHub class -> table of its settings, e.g. KubeSpawner -> image, namespace."""
    workspace_hub_url: str = ""
    """Address at which servers on other machines find the hub; empty: they run on this machine."""
    workspace_platform_url: str = ""
    """Address at which workspaces on other machines find the platform."""
    demo: bool = True
    """Seed the demo catalogue, dataset and workflows at first start."""

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL that is in force."""
        return self.database or f"sqlite:///{self.home / 'platform.db'}"


def check_owner(home: Path) -> None:
    """Raise `Refused` where root works on another user's home folder: its service could not read what root leaves."""
    try:
        user = home.stat().st_uid
    except OSError:
        return
    if os.geteuid() or not user:
        return
    import pwd

    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = f"#{user}"
    what = f"The home folder {home} belongs to {name}, and you are root."
    why = "Its platform could not read what root leaves there, and what holds for root need not hold for it."
    raise Refused(what, why, f"As its owner: runuser -u {name} -- env TERRAFAIR_HOME={home} terrafair ...")


def load(environment: Mapping[str, str] | None = None) -> Config:
    """Read the settings.

    Raises `InvalidInput` that names the setting, the value seen and what it takes.
    """
    environment = os.environ if environment is None else environment
    home = Path(environment.get("TERRAFAIR_HOME") or _usual_home()).expanduser().absolute()
    file = Path(environment.get("TERRAFAIR_CONFIG") or home / "terrafair.toml").expanduser()
    values = _read_file(file, named="TERRAFAIR_CONFIG" in environment)
    kinds = {entry.name: str(entry.type) for entry in fields(Config)}
    unknown = sorted(set(values) - set(kinds))
    if unknown:
        raise InvalidInput(
            f"{file} has the unknown setting {unknown[0]!r}.",
            remedy=f"Known settings: {', '.join(sorted(kinds))}.",
            where=str(file),
        )
    for name in kinds:
        if name != "home" and (text := _given(environment, name, kinds)) is not None:
            values[name] = text
    values.pop("home", None)
    parsed = {name: _parse(name, kinds[name], value) for name, value in values.items()}
    return Config(home=home, **parsed)


def _given(environment: Mapping[str, str], name: str, known: Container[str]) -> str | None:
    """What the environment says of a setting, itself or in the file that it names; None: nothing."""
    variable = f"TERRAFAIR_{name.upper()}"
    file = None if f"{name}_file" in known else environment.get(f"{variable}_FILE")
    if file is None:
        return environment.get(variable)
    if variable in environment:
        raise InvalidInput(f"{variable} and {variable}_FILE are both set.", remedy="Unset one of them.")
    try:
        # Editors and `echo` end files with a newline that is no part of a secret.
        return Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "It is no text."
        raise InvalidInput(
            f"The file {file} of {variable}_FILE cannot be read.", f"{why}.".replace("..", ".")
        ) from None


def _usual_home() -> Path:
    import platformdirs

    return platformdirs.user_data_path("terrafair")


def _read_file(file: Path, *, named: bool) -> dict[str, Any]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        if named:
            raise InvalidInput(f"The settings file {file} does not exist.", remedy="Mend TERRAFAIR_CONFIG.") from None
        return {}
    # Its parser takes longer to load than most commands run without a file.
    import tomllib

    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InvalidInput(f"The settings file does not parse: {fault}.", where=str(file)) from fault


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}
_CHOICES = {
    "isolation": ("auto", "require", "none"),
    "containers": ("auto", "podman", "none"),
    "local_provider": ("auto", "yes", "no"),
    "anonymous": ("auto", "operator", "visitor"),
    "archive_route": ("machine", "manual"),
    "logs": ("text", "json"),
    "metrics": ("operator", "open"),
    "workspaces": ("auto", "no"),
    "workspace_network": ("public", "platform"),
}

_WITHIN = {
    "workers": range(1025),
    "web_workers": range(1, 65),
    "lease_seconds": range(3, 3601),
    "scrub_days": range(366),
    "scrub_rate": range(1, 10**12),
    "workspace_hours": range(1, 169),
    "workspace_idle": range(1, 10**7),
    "workspace_disk": range(2**26, 10**15),
}


def _parse(name: str, kind: str, value: Any) -> Any:
    try:
        parsed = _convert(kind, value)
    except (TypeError, ValueError):
        raise InvalidInput(
            f"The setting {name} is {value!r}.", why=f"It takes {kind}.", remedy=f"Mend TERRAFAIR_{name.upper()}."
        ) from None
    if name in _WITHIN and parsed not in _WITHIN[name]:
        problem = Problem(f"The setting {name} is {value!r}.", f"It takes {_WITHIN[name][0]} to {_WITHIN[name][-1]}.")
        raise InvalidInput(problem.what, problem.why)
    if name in _CHOICES and parsed not in _CHOICES[name]:
        problem = Problem(f"The setting {name} is {value!r}.", f"It takes one of {', '.join(_CHOICES[name])}.")
        raise InvalidInput(problem.what, problem.why)
    return parsed


def _convert(kind: str, value: Any) -> Any:
    if "tuple" in kind:
        return tuple(_path(part) for part in (value.split(os.pathsep) if isinstance(value, str) else value) if part)
    if "Path" in kind:
        return _path(value) if value else None
    if "frozenset" in kind:
        return frozenset(part.strip() for part in (value.split(",") if isinstance(value, str) else value) if part)
    if "Any" in kind:
        table = json.loads(value or "{}") if isinstance(value, str) else value
        if not isinstance(table, Mapping):
            raise TypeError(value)
        return _whole(table)
    if "Mapping" in kind:
        return _pairs(value) if isinstance(value, str) else dict(value)
    if "bool" in kind:
        return value if isinstance(value, bool) else _boolean(value)
    if "int" in kind:
        return int(value)
    return str(value)


def _whole(value: Any) -> Any:
    """Helm writes each number with a point: 10001.0, which nobody takes for the id of a user."""
    if isinstance(value, Mapping):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _pairs(text: str) -> dict[str, str]:
    """`name=value,name=value`, or a JSON object of texts."""
    if text.lstrip().startswith("{"):
        table = json.loads(text)
        if not all(isinstance(value, str) for value in table.values()):
            raise TypeError(text)
        return dict(table)
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        raise ValueError(text)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)
