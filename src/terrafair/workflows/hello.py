"""The process `hello-world`, with the inputs and the output that the field's tutorials use."""

from collections.abc import Mapping
from typing import Any

from terrafair.workflows.process import Process, ProcessInput, ProcessOutput
from terrafair.workflows.workflow import InputSpec, Resolution, WorkflowType

ID = "hello-world"
_GREETING = {
    "type": "object",
    "contentMediaType": "application/json",
    "properties": {"id": {"type": "string"}, "value": {"type": "string"}},
}


def process() -> Process:
    """Its description."""
    text = {"type": "string", "maxLength": 10_000}
    specs = (
        InputSpec("name", text, title="Name", description="Whom to greet."),
        InputSpec("message", text, required=False, title="Message", description="What to say beside that."),
    )
    resolution = Resolution(ID, "workflow", "Hello World", ID, WorkflowType.BUILTIN, inputs=specs)
    outputs = (ProcessOutput("echo", _GREETING, "Hello, world", "The greeting."),)
    about = "Greets somebody: the first request of a new client."
    inputs = tuple(ProcessInput(spec) for spec in specs)
    return Process(ID, "1.0.0", resolution, inputs, outputs, "Hello World", about, ("hello", "test"))


def greet(values: Mapping[str, Any]) -> dict[str, Any]:
    """Its output."""
    message = f" {values['message']}" if values.get("message") else ""
    return {"echo": {"id": "echo", "value": f"Hello {values['name']}!{message}"}}
