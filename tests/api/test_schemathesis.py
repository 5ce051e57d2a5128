"""Requests that nobody would think of, made from our own OpenAPI: none of them may break the platform."""

import time
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from .conftest import Platform

pytestmark = [pytest.mark.journey, pytest.mark.filterwarnings("ignore")]
EXAMPLES, SECONDS = 3, 150
NOT_READY = "/health/ready"
"""Answers 503 as it should: this platform's worker is a thread of the test."""


def test_no_route_breaks(platform: Platform) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", platform.app)
    # The verdicts on everything cost much the first time.
    assert platform.client.get("/api/experiments").status_code == 200
    deadline = time.monotonic() + SECONDS
    broken: list[str] = []
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == NOT_READY:
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
