"""The way from a workspace to other hosts: an HTTP proxy that never reaches into private networks."""

import asyncio
import contextlib
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from terrafair.web import FORBIDDEN_PORTS
from terrafair.workspaces.gate import join

SSH = 22
"""For git."""
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Egress:
    """Takes connections; a `gate.Handler`."""

    admitted: frozenset[tuple[str, int]] = frozenset()
    """(host, port) that may be reached wherever they are."""
    public: bool = True
    """Whether the public internet may be."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: CONNECT, or a request that names its whole address."""
        await _serve(self, reader, writer)

    async def address(self, host: str, port: int) -> str:
        """Where to connect to; empty: nowhere."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        if (host, port) in self.admitted:
            return addresses[0]
        if not self.public or port in FORBIDDEN_PORTS - {SSH}:
            return ""
        # What was checked is what is connected to: a name that changes meanwhile gains nothing.
        return next((each for each in addresses if open_to_all(each)), "")


async def _serve(egress: Egress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
        first, _, rest = head.partition(b"\r\n")
        method, address, version = first.decode("latin-1").split(" ")
        host, port = target(method, address)
        chosen = await egress.address(host, port)
        if not chosen:
            return await _refuse(writer, "403 Forbidden", f"Workspaces do not reach {host}:{port}.")
        far = await asyncio.wait_for(asyncio.open_connection(chosen, port), CONNECT_SECONDS)
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return await _refuse(writer, "400 Bad Request", "This is a proxy for HTTP.")
    except (OSError, TimeoutError) as fault:
        return await _refuse(writer, "502 Bad Gateway", str(fault))
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        parts = urlsplit(address)
        path = parts._replace(scheme="", netloc="").geturl() or "/"
        # One request a connection: the next one may go to another host.
        lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith((b"connection:", b"proxy-"))]
        far[1].write(f"{method} {path} {version}\r\nConnection: close\r\n".encode("latin-1") + b"\r\n".join(lines))
    return await join((reader, writer), far)


def target(method: str, address: str) -> tuple[str, int]:
    """Host and port of a request; raises ValueError for one that names none."""
    parts = urlsplit(f"//{address}" if method == "CONNECT" else address)
    if not parts.hostname or parts.scheme not in {"", "http"}:
        raise ValueError(address)
    return parts.hostname, parts.port or (443 if method == "CONNECT" else 80)


def open_to_all(address: str) -> bool:
    """Whether an address is the internet's."""
    return ipaddress.ip_address(address.partition("%")[0]).is_global


async def _refuse(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{why}\n".encode())
    with contextlib.suppress(OSError):
        await writer.drain()
    writer.close()
