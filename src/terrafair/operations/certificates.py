"""How long the certificates of the addresses in the settings hold."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from terrafair.config import Config
from terrafair.operations.doctor import Finding

DAYS = 30
"""Before a certificate ends by so many days it is a finding."""
SECONDS = 5.0
_TEXTS = (
    "url",
    "store_url",
    "store_public_url",
    "store_sts_url",
    "mlflow_url",
    "archive_url",
    "workspace_hub_url",
    "workspace_platform_url",
)


def certificates(config: Config) -> Iterator[Finding]:
    """One finding for each host and port that is named by https."""
    for host, port in sorted(set(_places(config))):
        yield _certificate(host, port)


def _places(config: Config) -> Iterator[tuple[str, int]]:
    tables = (table.get("issuer", "") for table in config.providers.values() if isinstance(table, Mapping))
    named = (getattr(config, name) for name in _TEXTS)
    for address in (*named, *config.issuers.values(), *tables, *config.targets.values()):
        try:
            parts = urlsplit(str(address))
            if parts.scheme == "https" and parts.hostname:
                yield parts.hostname, parts.port or 443
        except ValueError:  # who uses the address says what is wrong with it
            continue


def _certificate(host: str, port: int) -> Finding:
    part, context = f"certificate {host}:{port}", ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            ends = _ends(secured)
    except ssl.SSLCertVerificationError as fault:
        says = f"Not accepted: {fault.verify_message}. Renew it, or have this machine trust who has signed it."
        return Finding(part, False, says)
    except OSError as fault:
        return Finding(part, False, f"Not seen: {fault}. Start the server there, or mend the address in the settings.")
    left = (ends - datetime.now(UTC)).days
    says = f"Holds for {left} days, until {ends:%Y-%m-%d}."
    return Finding(part, left >= DAYS, says if left >= DAYS else f"{says} Renew it, and see why that is not automatic.")


def _ends(secured: ssl.SSLSocket) -> datetime:
    found = secured.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
