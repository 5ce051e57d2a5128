"""A person's own processes: `/process_graphs`; and `/validation`."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from terrafair.api.openeo.asking import (
    PAGE,
    Document,
    Limit,
    Offset,
    base,
    body,
    page_links,
    perhaps_signed_in,
    signed_in,
)
from terrafair.api.openeo.assembly import Assembly
from terrafair.api.openeo.batch import Check
from terrafair.api.openeo.faults import OpenEOFault, code_of, entry, fault_of
from terrafair.api.openeo.submission import process_of
from terrafair.api.openeo.user_processes import PATTERN, UserProcess
from terrafair.errors import TerrafairError
from terrafair.identity.person import Authenticator, Person

_LARGE = frozenset({"process_graph", "exceptions", "examples", "links"})


def router(assembly: Assembly, validate: Check, authenticator: Authenticator) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    person, perhaps = signed_in(authenticator), perhaps_signed_in(authenticator)
    processes = assembly.processes

    @routes.get("/process_graphs")
    def listing(
        request: Request, who: Annotated[Person, Depends(person)], limit: Limit = None, offset: Offset = 0
    ) -> Document:
        """All, in their short form."""
        most = min(limit or PAGE, PAGE)
        found = processes.listing(who, most + 1, offset)
        shown = [_short(each.document) for each in found[:most]]
        return {"processes": shown, "links": page_links(request, most, offset, len(found) > most)}

    @routes.get("/process_graphs/{process_graph_id}")
    def one(process_graph_id: str, request: Request, who: Annotated[Person, Depends(person)]) -> Document:
        """One, with its graph."""
        return _whole(processes.get(who, process_graph_id), base(request))

    @routes.put("/process_graphs/{process_graph_id}")
    def store(
        process_graph_id: str, who: Annotated[Person, Depends(person)], document: Annotated[Document, Depends(body)]
    ) -> Response:
        """Store one, in place of what had its name."""
        keep(assembly, who, process_graph_id, document)
        return Response(status_code=200)

    @routes.delete("/process_graphs/{process_graph_id}", status_code=204)
    def delete(process_graph_id: str, who: Annotated[Person, Depends(person)]) -> Response:
        """Forget one; what ran with it stays as it was."""
        processes.delete(who, process_graph_id)
        return Response(status_code=204)

    @routes.post("/validation")
    async def check(
        request: Request,
        who: Annotated[Person | None, Depends(perhaps)],
        document: Annotated[Document, Depends(body)],
    ) -> Document:
        """Everything that is wrong with a process."""
        here = base(request)
        return {"errors": await run_in_threadpool(errors_of, document, who, here, assembly, validate)}

    return routes


def keep(assembly: Assembly, who: Person, name: str, document: Mapping[str, Any]) -> None:
    """Store a process of somebody's, in place of what had its name; raises `OpenEOFault`."""
    _check_name(name, assembly)
    public = document.get("public", False)
    if not isinstance(public, bool):
        raise OpenEOFault("RequestInvalid", reason="`public` is neither true nor false.")
    kept = {key: value for key, value in process_of(document).items() if key != "public" and value is not None}
    _check_metadata(kept)
    kept["parameters"] = [{"description": "", "schema": {}, **each} for each in kept.get("parameters") or ()]
    assembly.processes.put(who, name, kept, public=public)


def errors_of(
    document: Mapping[str, Any], who: Person | None, here: str, assembly: Assembly, validate: Check
) -> list[dict[str, Any]]:
    """The problems of a process as openEO lists them."""
    if "process_graph" not in document:
        raise OpenEOFault("ProcessGraphMissing")
    try:
        assembled = assembly.assemble(process_of(document), who, here)
        found = [entry(problem) for problem in validate(assembled).problems]
    except OpenEOFault as fault:
        return [{"code": fault.openeo, "message": str(fault)}]
    except TerrafairError as fault:
        _, code, _ = fault_of(fault)
        return [{"code": code_of(each) or code, "message": str(each)} for each in fault.problems]
    return found


def _check_name(name: str, assembly: Assembly) -> None:
    if not PATTERN.fullmatch(name):
        raise OpenEOFault("ProcessInvalid", "Its name has letters, digits and underscores only, at most 200.")
    if name in assembly.predefined:
        raise OpenEOFault("PredefinedProcessExists")


def _check_metadata(process: Mapping[str, Any]) -> None:
    for number, parameter in enumerate(process.get("parameters") or ()):
        if not isinstance(parameter, Mapping) or not isinstance(parameter.get("name"), str):
            raise OpenEOFault("ProcessInvalid", f"Parameter {number} has no name.")
        if not isinstance(parameter.get("schema", {}), Mapping | list):
            raise OpenEOFault("ProcessInvalid", f"The schema of the parameter {parameter['name'][:100]!r} is none.")
    for name, kind in (("returns", Mapping), ("categories", list), ("links", list), ("examples", list)):
        if not isinstance(process.get(name, kind()) if kind is list else process.get(name, {}), kind):
            raise OpenEOFault("ProcessInvalid", f"`{name}` has another form than the API says.")


def _short(document: Mapping[str, Any]) -> Document:
    return {name: value for name, value in document.items() if name not in _LARGE}


def _whole(process: UserProcess, here: str) -> Document:
    document = {**process.document, "public": process.public}
    if process.public:
        address = f"{here}/processes/{process.person}/{process.id}"
        canonical = {"rel": "canonical", "href": address, "type": "application/json", "title": "For everybody"}
        document["links"] = [*(document.get("links") or ()), canonical]
    return document
