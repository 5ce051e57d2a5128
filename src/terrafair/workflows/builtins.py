"""The processes that the platform itself computes."""

from collections.abc import Callable, Mapping
from typing import Any

from terrafair.workflows import echo, hello
from terrafair.workflows.process import Process

BUILTINS: Mapping[str, tuple[Callable[[], Process], Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    echo.ID: (echo.process, echo.echo),
    hello.ID: (hello.process, hello.greet),
}
"""Id -> what describes it, and what computes its outputs from checked values."""
