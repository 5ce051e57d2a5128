"""Whether traces are on: by the setting `traces`, or by OpenTelemetry's own variables."""

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from terrafair import tracing
from terrafair.errors import InvalidInput

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
REMEDY = "Install the extra: `pip install 'terrafair[tracing]'`."


def begin(address: str, part: str, environment: Mapping[str, str] | None = None) -> None:
    """Turn traces on in this process, where they are wanted; `part` says what it is: `web`, `worker`.

    Raises `InvalidInput` for an address that is none, and where the setting asks for what is not installed.
    """
    environment = os.environ if environment is None else environment
    if not wanted(address, environment):
        return
    if not _installed():
        if address:
            raise InvalidInput("The setting traces needs packages that are not installed.", remedy=REMEDY)
        # The variables may be there for other programs of this host.
        logging.getLogger(__name__).warning("OTEL_ variables ask for traces, which are not installed. %s", REMEDY)
        return
    from terrafair.tracing.sdk import start

    tracing.install(start(address, part))


def wanted(address: str, environment: Mapping[str, str]) -> bool:
    """Whether anybody is told."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if address:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidInput(
                f"The setting traces is {address!r}.",
                "It takes the address of a collector that speaks OTLP over HTTP.",
                "Write it as http://collector:4318.",
            )
        return True
    named = any(environment.get(name) for name in ENDPOINTS)
    return named and environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() in {"otlp", ""}


def _installed() -> bool:
    try:
        return all(find_spec(name) is not None for name in NEEDED)
    except ModuleNotFoundError:
        return False
