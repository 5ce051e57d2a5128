"""What runs in the place of a container image: podman, or a local environment that stands in for it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from terrafair.errors import InvalidInput, NotExecutable, Problem
from terrafair.execution.environments import Built, Environments
from terrafair.execution.podman import Podman, registry_answers
from terrafair.workflows.workflow import EnvironmentSpec


@dataclass(frozen=True, slots=True)
class Image:
    """A container image's name, taken apart."""

    registry: str
    name: str
    """Path below the registry, e.g. `library/python`."""
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "Image":
        """Read `[REGISTRY/]NAME[:TAG][@DIGEST]` as container tools do: docker.io, library and latest are implied."""
        name, _, digest = text.strip().removeprefix("docker://").partition("@")
        head, slash, rest = name.partition("/")
        registry = head if slash and re.search(r"[.:]|^localhost$", head) else ""
        name = rest if registry else name
        name, _, tag = name.partition(":")
        registry = "docker.io" if registry in {"", "index.docker.io", "registry-1.docker.io"} else registry
        if registry == "docker.io" and "/" not in name and "*" not in name:
            name = f"library/{name}"
        return cls(registry, name, tag or ("" if digest else "latest"), digest)

    def matches(self, pattern: "Image") -> bool:
        """Tell whether a key of the table means this image; `*` in name or tag stands for anything."""
        if self.registry != pattern.registry or not fnmatchcase(self.name, pattern.name):
            return False
        if pattern.digest:
            return self.digest == pattern.digest
        return pattern.tag == "*" or fnmatchcase(self.tag, pattern.tag)


def pinned(image: str, references: Iterable[str]) -> str:
    """The reference by digest, of those that records give, that means a document's image; empty: none does.

    Releases put the registry before the name, and documents in repositories name their own image without one: where
    none has the same full name, the last part of the name decides.
    """
    wanted = Image.parse(image)
    if wanted.digest:
        return ""
    known = [(each, Image.parse(each)) for each in references if "@" in each]
    known = [(each, read) for each, read in known if read.tag in {"", wanted.tag}]
    for each, read in known:
        if (read.registry, read.name) == (wanted.registry, wanted.name):
            return each
    last = wanted.name.rpartition("/")[2]
    return next((each for each, read in known if read.name.rpartition("/")[2] == last), "")


@dataclass(frozen=True, slots=True)
class StandIn:
    """What runs an image's commands here."""

    image: str
    """For podman the reference under which it has the image."""
    kind: str
    """`podman`, `platform`, `requirements` or `folder`."""
    path: str = ""
    """Requirements file or environment folder."""
    digest: str = ""
    """Image id or digest of the environment, once provided."""
    built: Built | None = None
    """The environment, once provided; none for podman."""


class Containers:
    """Knows which images can run on this machine."""

    def __init__(
        self,
        substitutes: Mapping[str, str] | None = None,
        policy: str = "auto",
        podman: Podman | None = None,
        answers: Callable[[str], bool] = registry_answers,
        made: Callable[[str], str] = lambda _: "",
    ) -> None:
        """Take `Config.substitutes`, `Config.containers` and the podman that `Podman.probe` found.

        `made` gives the environment folder of an image that this platform has built, by the digest in its name.
        """
        self._made = made
        self._substitutes = dict(substitutes or {})
        self._policy = policy
        self.podman = None if policy == "none" else podman
        self._answers = answers

    def check(self, image: str, references: Iterable[str] = ()) -> list[Problem]:
        """Tell why the image cannot run here; never raises."""
        try:
            self.choose(image, references)
        except NotExecutable as fault:
            return list(fault.problems)
        return []

    def choose(self, image: str, references: Iterable[str] = ()) -> StandIn:
        """Decide what runs the image: the image itself if it lies here, its substitute, or a pull.

        `references` by digest, from the records, pin an image that the document names by tag: what lies here under
        that tag and is another image does not do.

        Raises `NotExecutable` with the reason and what would help.
        """
        pin = pinned(image, references)
        names = (pin, f"{image}@{pin.partition('@')[2]}") if pin else (image,)
        if wrong := _wrong_digest(names[0]):
            raise NotExecutable([wrong])
        for name in names if self.podman else ():
            if self.podman and (here := self.podman.here(name)):
                return StandIn(here, "podman")
        if self._policy != "podman":
            for name in names:
                if target := self._made(name) or self.substitute(name):
                    return self._stand_in(image, target)
        if self.podman and self._answers(Image.parse(names[0]).registry):
            return StandIn(names[0], "podman")
        raise NotExecutable([self._unavailable(names[0])])

    def substitute(self, image: str) -> str:
        """Give the table's entry for the image, the most exact key first; empty: it has none."""
        wanted = Image.parse(image)
        keys = sorted(self._substitutes, key=lambda key: (key.count("*"), "@" not in key, -len(key)))
        return next((self._substitutes[key] for key in keys if _means(key, wanted)), "")

    def provide(
        self, image: str, environments: Environments, say: Callable[[str], None], references: Iterable[str] = ()
    ) -> StandIn:
        """Make the image's stand-in ready: pull the image or build the environment; `references` as in `choose`."""
        chosen = self.choose(image, references)
        if chosen.kind == "podman" and self.podman:
            if not self.podman.has(chosen.image):
                say(f"Pulling the image {chosen.image}.")
                self.podman.pull(chosen.image)
            return replace(chosen, digest=self.podman.digest(chosen.image))
        if chosen.kind == "folder":
            prefix = Path(chosen.path)
            built = Built(prefix / "bin/python", prefix, "", "", "", (prefix, *_base(prefix)))
        elif chosen.kind == "requirements":
            lines = Path(chosen.path).read_text("utf-8").splitlines()
            kept = tuple(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
            built = environments.build(EnvironmentSpec("python", requirements=kept, source=chosen.path), say=say)
        else:
            built = environments.build(EnvironmentSpec(), say=say)
        say(f"The local environment {chosen.path or chosen.kind} stands in for the image {image}.")
        return replace(chosen, built=built, digest=built.digest)

    def _stand_in(self, image: str, target: str) -> StandIn:
        if target == "platform":
            return StandIn(image, "platform")
        path = Path(target).expanduser()
        if path.is_dir():
            return StandIn(image, "folder", str(path))
        if path.is_file():
            return StandIn(image, "requirements", str(path))
        what = f"The substitute {target!r} of the image {image} does not exist."
        remedy = "Mend the setting `substitutes`: `platform`, a requirements file, or the folder of an environment."
        raise NotExecutable([Problem(what, remedy=remedy, where=image, code="substitute-missing")])

    def _unavailable(self, image: str) -> Problem:
        if self._policy == "none":
            why = "Containers are switched off on this platform, and no substitute is listed for this image."
        elif not self.podman:
            why = "No podman works on this machine, and no substitute is listed for this image."
        else:
            why = f"It is not on this machine, and its registry {Image.parse(image).registry} does not answer."
        remedy = (
            f"Load it into podman, or list a local environment for it: substitutes = {{ {image!r} = 'platform' }}, "
            "or in place of 'platform' a requirements file or the folder of an environment."
        )
        return Problem(f"The container image {image} is not available here.", why, remedy, image, "image-unavailable")


def _wrong_digest(image: str) -> Problem | None:
    digest = Image.parse(image).digest
    if not digest or re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return None
    what = f"The digest of the image {image[:200]} is no sha256 digest."
    why = "It has to be `sha256:` and 64 lower-case hexadecimal digits."
    return Problem(what, why, "Mend it in the record or in the document.", image[:300], "image-digest-invalid")


def _means(key: str, wanted: Image) -> bool:
    if key == "*":
        return True
    if not key.strip():
        raise InvalidInput("The setting `substitutes` has an empty image name.", remedy="Name the image or write `*`.")
    return wanted.matches(Image.parse(key))


def _base(prefix: Path) -> tuple[Path, ...]:
    """Where the interpreter of a virtual environment lies; the sandbox must show it too."""
    settings = prefix / "pyvenv.cfg"
    if not settings.is_file():
        return ()
    found = re.search(r"^home\s*=\s*(.+)$", settings.read_text("utf-8"), re.MULTILINE)
    return (Path(found[1].strip()).parent,) if found else ()
