"""What a published workflow or experiment is made of, once its records have been read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from terrafair.errors import Problem


class WorkflowType(StrEnum):
    """The kinds of executable definition that the Open Science Catalog knows."""

    OPENEO = "openeo"
    CWL = "cwl"
    NOTEBOOK = "notebook"
    COMMAND = "command"
    """A git repository and a command line in it."""
    ARGO = "argo"
    MLFLOW = "mlflow"
    BUILTIN = "builtin"
    """A process of the platform itself."""
    REMOTE = "remote"
    """Whatever it is, a platform elsewhere executes it."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CodeLocation:
    """Where code lies, as precisely as its link says."""

    url: str
    """The link as published."""
    repository: str = ""
    """Clone URL without `.git` and credentials, e.g. `https://github.com/owner/name`; empty for a plain file."""
    reference: str = ""
    """Branch, tag or commit named by the link; empty: the default branch."""
    commit: str = ""
    """Full commit id, once the repository has been read."""
    path: str = ""
    """File or folder inside the repository; empty: the whole repository."""


@dataclass(frozen=True, slots=True)
class Application:
    """The executable document itself."""

    type: WorkflowType
    location: CodeLocation
    content: bytes = b""
    """The document's bytes; empty where the application is a whole repository (`command`)."""
    entry: str = ""
    """What in it runs: a CWL id (`main`), the notebook's path in its repository, the command template."""
    digest: str = ""
    """sha256 of `content`, hex."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a workflow; forms, checks and stage-in follow it."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema 2020-12. `format` marks references: `stac-item`, `stac-collection`, `file`, `directory`, `uri`."""
    required: bool = True
    default: Any = None
    """Only meaningful where `required` is false."""
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """The software that the code needs, as published; `execution.environments` builds it."""

    kind: str = "platform"
    """`platform`: the engine suffices; `python`: see requirements; `container`: an image; `unknown`: nothing said."""
    python: str = ""
    """Version such as `3.10`; empty: any."""
    requirements: tuple[str, ...] = ()
    """PEP 508 lines, pip-installable; conda packages are mapped to them."""
    unmapped: tuple[str, ...] = ()
    """Conda packages with no counterpart that pip could install."""
    image: str = ""
    source: str = ""
    """URL or path of the file that said so."""
    digest: str = ""
    """sha256 of that file, hex."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """An experiment or workflow read down to what would run, or the reasons why it cannot run here."""

    id: str
    kind: str
    """`experiment` or `workflow`."""
    title: str = ""
    workflow: str = ""
    """Id of the workflow (its own for a workflow)."""
    type: WorkflowType = WorkflowType.UNKNOWN
    application: Application | None = None
    inputs: tuple[InputSpec, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """Input values that the experiment published."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """Settings beside the inputs, e.g. an openEO plan or the CWL requirements overridden."""
    environment: EnvironmentSpec = EnvironmentSpec()
    products: tuple[str, ...] = ()
    """Ids of the products that the experiment made."""
    project: str = ""
    catalogue_commit: str = ""
    reasons: tuple[Problem, ...] = ()
    """Why it cannot run here, each with what would help; empty: it can."""
    remarks: tuple[Problem, ...] = ()
    """What is odd in the records and does not stop the run."""

    @property
    def executable(self) -> bool:
        """Whether it can run here."""
        return not self.reasons
