"""Prepares a model, the environment that it is loaded in and the images for the sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInput, Problem, TerrafairError
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.checkout import Repositories, application_of, inside, place
from terrafair.execution.engines.engine import Say
from terrafair.execution.engines.launch import child_command
from terrafair.execution.engines.references import Stager, complete, stage
from terrafair.execution.engines.software import Software
from terrafair.execution.task import JobFolder, Task
from terrafair.workflows.content import decode, load
from terrafair.workflows.mlflow import Model, inputs, read
from terrafair.workflows.workflow import Application, EnvironmentSpec, Resolution, WorkflowType

LOADERS = {"onnx": "onnxruntime", "sklearn": "sklearn", "python_function": "mlflow"}
"""Flavour -> the module that loads it."""
GDAL = {"GDAL_CACHEMAX": "128", "GDAL_NUM_THREADS": "1"}
"""Blocks are read once: a large cache (in MiB) would only take memory from the models."""
PACKAGES = {"onnx": ("onnxruntime",), "sklearn": ("scikit-learn", "cloudpickle"), "python_function": ("mlflow-skinny",)}


class MlflowEngine:
    """Applies a published model to each item of a STAC collection."""

    type = WorkflowType.MLFLOW

    def __init__(self, repositories: Repositories, stager: Stager, software: Software) -> None:
        self._repositories = repositories
        self._stager = stager
        self._software = software

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        """Look at the MLmodel and at what would load the model."""
        application = resolution.application
        if application is None:
            return [Problem("There is no model to apply.", remedy="Link its MLmodel.", code="application-missing")]
        try:
            model = read(load(decode(application.content)))
        except TerrafairError as fault:
            return list(fault.problems)
        return [*_alone(application), *self._software.check(_environment(resolution.environment, model))]

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        """Check out or fetch the model, stage the images, make its environment."""
        application = application_of(resolution)
        document = load(decode(application.content), application.location.url)
        model = read(document)
        merged = complete(inputs(document), values)
        staged = stage(inputs(document), merged, self._stager, folder.inputs)
        mlmodel = self._place(application, model, folder, say)
        spec = _environment(resolution.environment, model)
        built = self._software.build(spec, PACKAGES[model.flavour] if spec.kind == "python" else (), say)
        target = inside(mlmodel.parent, model.path) if model.path else mlmodel.parent
        if not target.exists():
            what = f"The model's file {model.path!r} is not beside its MLmodel."
            raise InvalidInput(
                what, remedy="Publish the whole folder.", where=application.location.url, code="model-file"
            )
        task = Task(
            job=folder.path.name,
            type=self.type.value,
            application=str(mlmodel),
            entry=str(mlmodel.relative_to(folder.application)),
            values=staged.values,
            sources=staged.sources,
            folder=str(folder.path),
            options={
                "model": str(target),
                "python": str(built.python),
                "lock": built.lock,
                "environment": built.digest,
            },
        )
        readable = (*built.readable, *staged.readable(folder.path))
        return child_command("mlflow", task, folder, limits, readable, environment=GDAL)

    def _place(self, application: Application, model: Model, folder: JobFolder, say: Say) -> Path:
        found = place(application, self._repositories, folder.application, say)
        if not application.location.repository and model.path:
            base = application.location.url.rpartition("/")[0]
            fetched = self._stager.file(f"{base}/{model.path}", folder.application)
            target = inside(folder.application, model.path)
            if fetched != target:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(fetched.read_bytes())
        return found


def _environment(spec: EnvironmentSpec, model: Model) -> EnvironmentSpec:
    """The platform's own where it can load the model: ONNX does not depend on who made it, pickles do."""
    here = find_spec(LOADERS[model.flavour]) is not None
    if here and (model.flavour == "onnx" or spec.kind in {"platform", "unknown"}):
        return EnvironmentSpec()
    if spec.kind in {"platform", "unknown"}:
        return replace(spec, kind="python", requirements=PACKAGES[model.flavour])
    return spec


def _alone(application: Application) -> list[Problem]:
    location = application.location
    if location.repository or "://" in location.url:
        return []
    what = "An MLmodel alone cannot be applied: the model's files lie beside it."
    remedy = "Give a published model, by its workflow's id or the address of its MLmodel."
    return [Problem(what, remedy=remedy, where=location.url, code="model-alone")]
