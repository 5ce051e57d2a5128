"""The gate of a workspace that has no network: a few addresses through sockets in a folder, and nothing else.

    python -I -S gate.py SPEC.json

Run as a program it stands inside the sandbox: it listens on the ports that the programs there know, hands each
connection on through `PORT.sock`, starts the workspace's server, and takes calls to it from `server.sock`. Imported,
it is the outer side. On the standard library only, since it starts before anything else is there.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SERVER = "server.sock"
EGRESS = 3128
"""Port inside on which other hosts are asked for: an HTTP proxy."""
BLOCK = 65_536
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def join(near: Streams, far: Streams) -> None:
    """Carry bytes both ways until both sides have said all, or until one breaks off: then the other is closed, too."""
    try:
        # Jupyter's server tries its port and closes it again: who called then would wait for ever.
        with contextlib.suppress(OSError):
            await asyncio.gather(_carry(near[0], far[1]), _carry(far[0], near[1]))
    finally:
        for _, writer in (near, far):
            writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(BLOCK):
        writer.write(block)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def to_socket(path: str) -> Handler:
    """Hands connections on to a socket in the file system."""
    return _relay(lambda: asyncio.open_unix_connection(path))


def to_own_socket(folder: int, name: str) -> Handler:
    """Hands connections on to a socket in an open folder that somebody else writes: never through a link of theirs."""

    async def connect() -> Streams:
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
        try:
            return await asyncio.open_unix_connection(f"/proc/self/fd/{found}")
        finally:
            os.close(found)

    return _relay(connect)


def to_port(host: str, port: int, source: str = "") -> Handler:
    """Hands connections on to a port, as coming from the address `source`."""
    own = (source, 0) if source else None
    return _relay(lambda: asyncio.open_connection(host, port, local_addr=own))


def _relay(connect: Callable[[], Awaitable[Streams]]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await connect()
        except OSError:
            writer.close()
            return
        # At the end of the process streams complain of handlers that were cancelled.
        with contextlib.suppress(asyncio.CancelledError):
            await join((reader, writer), far)

    return handle


class Gate:
    """The outer side: sockets in the folder for what may be reached, a port for who calls the server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1
        self._servers: list[asyncio.Server] = []

    async def open(self, ways: dict[int, Handler], port: int = 0) -> int:
        """Open; `ways` says where each port inside leads to. Gives the port on which the server is called.

        `port`: the one that an earlier gate had, so that its callers find the server again.
        """
        # Sockets' paths hold some hundred characters: by way of a descriptor any folder is near.
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        near = f"/proc/self/fd/{self._descriptor}"
        for inside, way in ways.items():
            path = f"{near}/{inside}.sock"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - not a path but a way through a descriptor
            self._servers.append(await asyncio.start_unix_server(way, path))
            # The workspace's programs run as another user than this one, and own the folder: a mode would be set on
            # what they may have put in the socket's place.
            owner = os.fstat(self._descriptor)
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        inward = await asyncio.start_server(to_own_socket(self._descriptor, SERVER), "127.0.0.1", port)
        self._servers.append(inward)
        return int(inward.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Close it; connections that are open end with the workspace."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


async def inside(spec: dict[str, Any]) -> int:
    """The inner side: serve until the workspace's server ends; gives its exit code."""
    os.chdir(spec["gate"])
    for port in spec["ports"]:
        await asyncio.start_server(to_socket(f"{port}.sock"), "127.0.0.1", port)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SERVER)  # noqa: PTH108
    await asyncio.start_unix_server(to_port("127.0.0.1", spec["server"]), SERVER)
    child = await asyncio.create_subprocess_exec(*spec["command"], cwd=spec["directory"])
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, child.terminate)
    return await child.wait()


def main(file: str) -> int:
    """Run the inner side."""
    with open(file, encoding="utf-8") as spec:  # noqa: PTH123
        return asyncio.run(inside(json.load(spec)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
