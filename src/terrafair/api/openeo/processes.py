"""What graphs may call: `/processes`, with the namespaces of the catalogue and of people."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from terrafair.api.openeo.asking import PAGE, Document, Limit, Offset, base, page_links, perhaps_signed_in
from terrafair.api.openeo.assembly import OSC, Assembly
from terrafair.execution.engines.openeo import offer
from terrafair.identity.person import Authenticator, Person


def router(assembly: Assembly, authenticator: Authenticator) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    perhaps = perhaps_signed_in(authenticator)

    @routes.get("/processes")
    def predefined(
        request: Request, who: Annotated[Person | None, Depends(perhaps)], limit: Limit = None, offset: Offset = 0
    ) -> Document:
        """The predefined ones."""
        del who
        known = offer.definitions()
        most = min(limit or PAGE, PAGE)
        links = page_links(request, most, offset, len(known) > offset + most)
        links.append(
            {"rel": "related", "href": f"{base(request)}/processes/{OSC}", "title": "The catalogue's workflows"}
        )
        return {"processes": known[offset : offset + most], "links": links}

    @routes.get("/processes/{namespace}", include_in_schema=False)
    def of_namespace(namespace: str, request: Request, limit: Limit = None, offset: Offset = 0) -> Document:
        """The public ones of a namespace: `osc`, or a person's."""
        most = min(limit or PAGE, PAGE)
        here = f"{base(request)}/processes/{namespace}"
        if namespace == OSC:
            known: list[Document] = [dict(each) for each in assembly.published.listing()]
            found, more = known[offset : offset + most], len(known) > offset + most
        else:
            public = assembly.processes.public(namespace, most + 1, offset)
            found = [
                {name: value for name, value in each.document.items() if name != "process_graph"}
                for each in public[:most]
            ]
            more = len(public) > most
        for each in found:
            each["links"] = [{"rel": "canonical", "href": f"{here}/{each['id']}", "type": "application/json"}]
        return {"processes": found, "links": page_links(request, most, offset, more)}

    @routes.get("/processes/{namespace}/{process_id}", include_in_schema=False)
    def public(namespace: str, process_id: str) -> Document:
        """One, with its graph: the address that other graphs give as namespace."""
        return dict(assembly.namespace(namespace, process_id))

    return routes
