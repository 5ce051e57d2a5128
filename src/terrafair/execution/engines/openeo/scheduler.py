"""The Dask cluster that computes a job, as the job's own process sees it: reached, and lost."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from terrafair.errors import InvalidInput, Unreachable
from terrafair.execution.elsewhere import CLUSTER_AWAY

CONNECT_SECONDS = 10
PAUSE_SECONDS = 2.0


@contextmanager
def connected(access: Mapping[str, Any], say: Callable[..., None]) -> Iterator[None]:
    """Let Dask compute at the scheduler until the block ends.

    One that does not answer is waited for, as long as `patience` says in seconds. Raises `Unreachable` with the address
    where it stays away, or goes away while the block computes: what it had computed by then is gone with it.
    """
    address = str(access["address"])
    try:
        from distributed import Client

        security = _security(access)
    except ImportError:
        what = f"The Dask scheduler {address} cannot be used: its packages are not installed."
        raise InvalidInput(what, remedy="Install terrafair with the extra `cluster`.") from None
    patience, said = float(access.get("patience", 0)), False
    until = time.monotonic() + patience
    while True:
        try:
            client = Client(address, timeout=max(1, min(patience / 3, CONNECT_SECONDS)), security=security)
            break
        except OSError as fault:
            if time.monotonic() > until:
                raise _away(address, "does not answer", fault) from None
            if not said:
                say(f"The Dask scheduler {address} does not answer; trying again.", "warning")
            said = True
            time.sleep(PAUSE_SECONDS)
    with client:
        try:
            yield
        except BaseException as fault:
            if not _is_lost(fault):
                raise
            raise _away(address, "was lost while it computed", fault) from None


def _is_lost(fault: BaseException | None) -> bool:
    """Whether a client has lost its scheduler: its futures are cancelled, whatever an evaluator makes of it."""
    from asyncio import CancelledError as Task
    from concurrent.futures import CancelledError as Future

    from distributed.comm.core import CommClosedError

    while fault is not None:
        if isinstance(fault, (Task, Future, CommClosedError)):
            return True
        fault = fault.__cause__
    return False


def _away(address: str, what: str, fault: BaseException) -> Unreachable:
    why = " ".join(str(fault).split())[:300] or type(fault).__name__
    remedy = "Try again later, or tell the operator."
    return Unreachable(f"The Dask scheduler {address} {what}.", why, remedy, code=CLUSTER_AWAY)


def _security(access: Mapping[str, Any]) -> Any:
    """The keys of a gateway's cluster; importing them makes `gateway://` known to Dask."""
    if not access.get("key"):
        return None
    from dask_gateway.client import GatewaySecurity

    return GatewaySecurity(tls_key=access["key"], tls_cert=access["certificate"])
