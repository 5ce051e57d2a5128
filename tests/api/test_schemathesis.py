"""Requests that nobody would think of, made from our own OpenAPI: none of them may break the platform."""

import time
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from .conftest import Platform
from .world import World

pytestmark = [pytest.mark.journey, pytest.mark.filterwarnings("ignore")]
EXAMPLES, SECONDS = 3, 150
KNOWN = {"path": "outputs/secret.txt", "name": "secret.txt", "z": "0", "x": "0", "y": "0", "project": "glaciers"}
"""Parameters of paths that are no job's id."""
NOT_READY = "/health/ready"
"""Answers 503 as it should: this platform's worker is a thread of the test."""
READ_ONLY = ("PUT", "/api/operation/read-only")
"""Once this has been asked, every change is refused with 503, as it should be."""


def test_no_route_breaks(platform: Platform) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", platform.app)
    # The verdicts on everything cost much the first time.
    assert platform.client.get("/api/experiments").status_code == 200
    deadline = time.monotonic() + SECONDS
    broken: list[str] = []
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == NOT_READY or (operation.method.upper(), operation.path) == READ_ONLY:
            continue

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def try_one(case: Any) -> None:
            nonlocal count
            if time.monotonic() > deadline:
                return
            count += 1
            answer = case.call(headers={"Prefer": "respond-async"}, timeout=120)
            if answer.status_code >= 500:
                broken.append(f"{case.method} {case.formatted_path} {answer.status_code}: {case.body!r:.300}")

        strategy = operation.as_strategy()
        from hypothesis import given

        given(case=strategy)(try_one)()
    assert not broken, "\n".join(broken[:20])
    # How many depends on the machine; a schema that lists nothing would try none.
    assert count > 100


def test_a_second_person_finds_nothing_of_the_first(world: World) -> None:
    """Every operation that our OpenAPI tells of, with Dee's token and the ids of Ada's things."""
    guesses = {visibility: world.job(visibility=visibility) for visibility in ("private", "project")}
    client = world.client("dee", Prefer="respond-async")
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    told: list[str] = []
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == NOT_READY:
            continue

        @settings(
            max_examples=1, deadline=None, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def try_one(case: Any) -> None:
            nonlocal count
            for job in guesses.values():
                for name in case.path_parameters or {}:
                    case.path_parameters[name] = KNOWN.get(name, job)
                count += 1
                body = {"json": case.body} if isinstance(case.body, dict | list) else {}
                query = {name: str(value) for name, value in (case.query or {}).items()}
                answer = client.request(case.method, case.formatted_path, params=query, follow_redirects=False, **body)
                if any(word in answer.text for word in ("secret-workflow", "cy@example.org", '"secret": 1')):
                    told.append(f"{case.method} {case.formatted_path} {answer.status_code}")

        from hypothesis import given

        given(case=operation.as_strategy())(try_one)()
    assert not told, "\n".join(told[:20])
    assert count > 200
    # The same words are there for her whose they are.
    assert "secret-workflow" in world.client("ada").get(f"/api/jobs/{guesses['private']}").text
