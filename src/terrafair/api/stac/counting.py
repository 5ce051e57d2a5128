"""The aggregation extension."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from terrafair.api.stac import asking, bodies, links
from terrafair.api.stac.links import base_of
from terrafair.api.stac.service import Service, json_response
from terrafair.catalogue.items import aggregations, queryables
from terrafair.catalogue.items.search import Aggregation
from terrafair.errors import InvalidInput

MOST = 20
"""Aggregations in one request."""


class Counting:
    """`/aggregate` and `/aggregations`, of all and of one collection."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def offered(self, request: Request) -> Response:
        """What can be counted."""
        base, name = base_of(request), request.path_params.get("collection", "")
        if name:
            await self._service.collection(name)
        found = await self._service.run(self._service.store.properties, (name,) if name else ())
        properties = [
            f"{key}_frequency"
            for key, schema in queryables.schema(found).items()
            if key not in queryables.BASE and schema.get("type") in {"string", "number", "boolean"}
        ]
        listed = [*aggregations.VALUES, *aggregations.FREQUENCIES, *properties]
        home = f"{base}/collections/{links.segment(name)}" if name else base
        document = {
            "aggregations": [_about(key) for key in listed],
            "links": [
                {"rel": "self", "type": links.JSON, "href": f"{home}/aggregations"},
                {"rel": "root", "type": links.JSON, "href": base},
            ],
        }
        return json_response(orjson.dumps(document))

    async def aggregate(self, request: Request) -> Response:
        """Counts over what a search finds."""
        name = request.path_params.get("collection", "")
        if request.method == "POST":
            document = await bodies.read_json(request, bodies.SEARCH_BYTES)
        else:
            document = asking.from_parameters(dict(request.query_params))
        if name:
            await self._service.collection(name)
        if name and isinstance(document, dict):
            document = {**document, "collections": [name]}
        asked = asking.read(document)
        names = _names(document.get("aggregations"))
        found = await self._service.run(self._service.store.aggregate, asked.search, names)
        base = base_of(request)
        home = f"{base}/collections/{links.segment(name)}" if name else base
        answer = {
            "type": "AggregationCollection",
            "aggregations": [_shown(entry) for entry in found],
            "links": [
                {"rel": "self", "type": links.JSON, "href": f"{home}/aggregate"},
                {"rel": "root", "type": links.JSON, "href": base},
            ],
        }
        return json_response(orjson.dumps(answer))


def _names(value: Any) -> list[str]:
    listed = value.split(",") if isinstance(value, str) else ["total_count"] if value is None else value
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed) or len(listed) > MOST:
        raise InvalidInput("aggregations is no list of names.", f"At most {MOST} are taken.", where="aggregations")
    for name in listed:
        aggregations.read(name)
    return list(dict.fromkeys(listed))


def _about(name: str) -> dict[str, str]:
    kind = "datetime" if name in {"datetime_min", "datetime_max"} else "integer" if name == "total_count" else ""
    about = {"name": name, "data_type": kind or "frequency_distribution"}
    if not kind:
        about["frequency_distribution_data_type"] = "datetime" if name.startswith("datetime") else "string"
    return about


def _shown(entry: Aggregation) -> dict[str, Any]:
    shown: dict[str, Any] = dict(_about(entry.name))
    if shown["data_type"] != "frequency_distribution":
        return {**shown, "value": entry.value}
    buckets = [
        {"key": str(bucket.key), "data_type": "frequency_distribution", "frequency": bucket.count}
        for bucket in entry.buckets
    ]
    return {**shown, "overflow": 0, "buckets": buckets}
