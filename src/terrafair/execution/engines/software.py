"""The Python environment that code runs in: published packages, an image's stand-in, or the platform's own."""

from collections.abc import Callable, Sequence

from terrafair.errors import NotExecutable, Problem
from terrafair.execution.containers import Containers
from terrafair.execution.environments import Built, Environments
from terrafair.workflows.workflow import EnvironmentSpec


class Software:
    """Environments and containers as one question: what runs this?"""

    def __init__(self, environments: Environments, containers: Containers) -> None:
        self.environments = environments
        self.containers = containers

    def check(self, spec: EnvironmentSpec) -> list[Problem]:
        """Tell why it cannot be had here; never raises."""
        if spec.kind == "container":
            try:
                chosen = self.containers.choose(spec.image)
            except NotExecutable as fault:
                return list(fault.problems)
            return [_only_local(spec.image)] if chosen.kind == "podman" else []
        return self.environments.check(spec)

    def build(self, spec: EnvironmentSpec, extra: Sequence[str], say: Callable[[str], None]) -> Built:
        """Make it ready; what the specification says and cannot be had is said."""
        if spec.kind == "container":
            provided = self.containers.provide(spec.image, self.environments, say)
            if provided.built is None:
                raise NotExecutable([_only_local(spec.image)])
            return provided.built
        if spec.kind == "unknown":
            say("The published environment could not be read; the platform's own packages are used.")
        return self.environments.build(spec, extra, say)


def _only_local(image: str) -> Problem:
    what = f"The container image {image} has no local environment that stands in for it."
    why = "Notebooks and commands run in a Python environment; images run for CWL workflows only."
    remedy = f"Publish an environment file, or list a substitute: substitutes = {{ {image!r} = 'platform' }}."
    return Problem(what, why, remedy, image, "image-unavailable")
