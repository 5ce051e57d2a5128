"""The gate of a workspace on real sockets, and what its proxy to other hosts lets through."""

import asyncio
import contextlib
import json
import socket
import struct
import sys
from pathlib import Path

import pytest

from terrafair.workspaces import gate
from terrafair.workspaces.egress import Egress, open_to_all, target


def free() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(writer.get_extra_info("peername")[0].encode() + b" " + await reader.read())
    await writer.drain()
    writer.close()


async def say(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_both_sides(tmp_path: Path) -> None:
    asyncio.run(both_sides(tmp_path))


async def both_sides(tmp_path: Path) -> None:
    """Outward by a port that stands inside, inward by the port that the outer side gives."""
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    inner_port, server_port = free(), free()
    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    outer = gate.Gate(folder)
    way = gate.to_port("127.0.0.1", far.sockets[0].getsockname()[1], "127.0.0.2")
    port = await outer.open({inner_port: way})
    server = (
        "import http.server, sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), "
        "http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    about = tmp_path / "spec.json"
    command = [sys.executable, "-c", server, str(server_port)]
    spec = {"gate": str(folder), "ports": [inner_port], "server": server_port, "directory": str(tmp_path),
            "command": command}  # fmt: skip
    about.write_text(json.dumps(spec))
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", gate.__file__, str(about))
    try:
        for _ in range(200):
            if (answer := await say(port, b"GET /spec.json HTTP/1.0\r\n\r\n")).startswith(b"HTTP"):
                break
            await asyncio.sleep(0.05)
        assert answer.endswith(about.read_bytes())
        assert await say(inner_port, b"hello") == b"127.0.0.2 hello", "the platform sees where it comes from"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) != 0
        await outer.close()
        far.close()
    assert sorted(path.name for path in folder.iterdir() if path.name != "server.sock") == [f"{inner_port}.sock"]


def test_proxy_refuses_this_machine() -> None:
    asyncio.run(proxied())


async def proxied() -> None:
    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    place = f"127.0.0.1:{far.sockets[0].getsockname()[1]}"
    number = int(place.rpartition(":")[2])
    answers = []
    for egress in (Egress(), Egress(frozenset({("127.0.0.1", number)})), Egress(public=False)):
        proxy = await asyncio.start_server(egress, "127.0.0.1", 0)
        port = proxy.sockets[0].getsockname()[1]
        answers.append([
            await say(port, f"CONNECT {place} HTTP/1.1\r\n\r\nhello".encode()),
            await say(port, f"GET http://{place}/a?b HTTP/1.1\r\nHost: x\r\nProxy-Connection: x\r\n\r\n".encode()),
            await say(port, b"nonsense\r\n\r\n"),
        ])  # fmt: skip
        proxy.close()
    far.close()
    closed, admitted, nothing = answers
    assert closed[0].startswith(b"HTTP/1.1 403") and closed[1].startswith(b"HTTP/1.1 403")
    assert nothing[0].startswith(b"HTTP/1.1 403") and all(each[2].startswith(b"HTTP/1.1 400") for each in answers)
    assert admitted[0].endswith(b"127.0.0.1 hello")
    assert b"GET /a?b HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n" in admitted[1] and b"Proxy" not in admitted[1]


def test_addresses() -> None:
    assert not any(map(open_to_all, ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "100.64.0.1")))
    assert open_to_all("9.9.9.9") and open_to_all("2620:fe::fe")
    assert target("CONNECT", "example.org:8443") == ("example.org", 8443)
    assert target("GET", "http://example.org/x") == ("example.org", 80)
    for method, wrong in (("CONNECT", ""), ("GET", "/x"), ("GET", "ftp://example.org/"), ("CONNECT", "a:b")):
        with pytest.raises(ValueError, match=r".*"):
            target(method, wrong)


def test_a_connection_that_breaks_off_ends_on_both_sides() -> None:
    asyncio.run(breaks_off())


async def breaks_off() -> None:
    """As when a server tries its port and closes it again; the caller must not wait for ever."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        inner = writer.get_extra_info("socket")
        inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    far = await asyncio.start_server(reset, "127.0.0.1", 0)
    near = await asyncio.start_server(gate.to_port("127.0.0.1", far.sockets[0].getsockname()[1]), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", near.sockets[0].getsockname()[1])
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    try:
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
    finally:
        writer.close()
        near.close()
        far.close()
