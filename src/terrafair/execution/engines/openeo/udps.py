"""User-defined processes that a graph may call."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from terrafair.errors import InvalidInput, InvalidInputs
from terrafair.execution.engines.openeo.graph import Graph, parse
from terrafair.workflows.openeo import free_parameters, process_of


class Definitions:
    """User-defined processes, by name or by the URL of their namespace; parsed once."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._documents = documents
        self._graphs: dict[str, Graph] = {}

    def find(self, process: str, namespace: str) -> Graph | None:
        """The graph behind a call, if it is a user-defined process."""
        address = namespace.rstrip("/")
        keys = (namespace, address, f"{address}/{process}", process) if "://" in namespace else (process,)
        if namespace == "backend":
            return None
        for key in keys:
            if key in self._documents:
                if key not in self._graphs:
                    self._graphs[key] = self._parse(key)
                return self._graphs[key]
        return None

    def _parse(self, key: str) -> Graph:
        document = self._documents[key]
        try:
            # Published processes often use parameters that they do not declare.
            free = free_parameters(process_of(document)["process_graph"]) if isinstance(document, Mapping) else ()
            return parse(document, tuple(free))
        except InvalidInputs as fault:
            raise InvalidInputs([replace(p, where=f"{key}: {p.where}") for p in fault.problems]) from fault
        except InvalidInput as fault:
            problem = fault.problem
            raise InvalidInput(problem.what, problem.why, problem.remedy, key, problem.code) from fault

    def __contains__(self, key: str) -> bool:
        return key in self._documents
