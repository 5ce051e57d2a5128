"""Which container images a record names."""

from terrafair.publishing import made
from terrafair.workflows.workflow import Application, CodeLocation, Resolution, WorkflowType

DIGEST = "a" * 64


def ran(image: str) -> Resolution:
    text = f"cwlVersion: v1.2\nclass: CommandLineTool\nrequirements: {{DockerRequirement: {{dockerPull: '{image}'}}}}\n"
    application = Application(WorkflowType.CWL, CodeLocation("water.cwl"), text.encode())
    return Resolution("water", "file", type=WorkflowType.CWL, application=application)


def test_images_are_named_by_the_application_and_their_digests_by_the_crate() -> None:
    crate = {"@graph": [{"@type": "ContainerImage", "name": "water", "tag": "1.0", "sha256": DIGEST}]}
    assert made._images({}, ran(f"localhost/water@sha256:{DIGEST}")) == {"localhost/water": DIGEST}
    assert made._images(crate, ran("water:1.0")) == {"water:1.0": DIGEST}
    assert made._images({}, ran("other:2")) == {"other:2": ""}
    assert made._images(crate, Resolution("water", "file")) == {"water:1.0": DIGEST}
