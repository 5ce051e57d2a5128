"""Logs: lines by number, live, huge ones, torn ones."""

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from terrafair.execution import logs
from terrafair.execution.logs import Line, Tail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def messages(lines: list[Line]) -> list[str]:
    return [line.message for line in lines]


def test_lines_are_addressed_by_number(path: Path) -> None:
    for number in range(10):
        logs.say(path, f"line {number}", "warning" if number % 2 else "info")
    assert [line.number for line in logs.read(path)] == list(range(10))
    assert messages(logs.read(path, 7)) == ["line 7", "line 8", "line 9"]
    assert messages(logs.read(path, 2, 3)) == ["line 2", "line 3", "line 4"]
    assert logs.read(path, 10) == []
    assert logs.read(path, 10**9) == []
    assert messages(logs.read(path, -5, 1)) == ["line 0"]
    line = logs.read(path, 3, 1)[0]
    assert line.document() == {"line": 3, "time": line.time, "level": "warning", "message": "line 3"}
    assert line.time.endswith("Z")


def test_a_log_that_is_not_there_is_empty(path: Path) -> None:
    assert logs.read(path) == []
    assert Tail(path).read() == []
    assert logs.last(path, frozenset({"error"}), 3) == []


@pytest.mark.parametrize(
    "text", ["", "two\nlines", "carriage\rreturn", "ünïcödé 🛰", "\u2028", "\x00", '{"a": 1}', "\ud800"]
)
def test_any_text_is_one_line(path: Path, text: str) -> None:
    logs.say(path, text)
    logs.say(path, "next")
    found = logs.read(path)
    assert len(found) == 2
    assert found[0].message == text.encode("utf-8", "replace").decode()
    assert found[1].message == "next"
    assert Tail(path).read() == found


def test_a_half_written_last_line_waits_for_its_end(path: Path) -> None:
    logs.say(path, "whole")
    with path.open("ab") as file:
        file.write(b'{"time": "", "level": "info", "mess')
    tail = Tail(path)
    assert messages(logs.read(path)) == messages(tail.read()) == ["whole"]
    with path.open("ab") as file:
        file.write(b'age": "late"}\n')
    assert messages(logs.read(path, 1)) == messages(tail.read()) == ["late"]


@pytest.mark.parametrize("torn", [b'{"time": "', b"[1]", b"7", b'"text"', b"null", b"\xff\xfe", b"{}", b"[" * 100_000])
def test_torn_and_foreign_lines_are_shown_as_they_are(path: Path, torn: bytes) -> None:
    path.write_bytes(torn)
    logs.say(path, "a new writer starts a line of its own")
    found = logs.read(path)
    assert [line.number for line in found] == [0, 1]
    assert found[0].message == torn.decode("utf-8", "replace")
    assert (found[0].level, found[0].time) == ("warning", "")
    assert found[1].message == "a new writer starts a line of its own"


def test_huge_logs_are_read_from_anywhere(path: Path) -> None:
    count = 40_000
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"time": "t", "level": "info", "message": f"{number} " + "x" * 100}) + "\n")
    assert path.stat().st_size > 4 * logs.BLOCK
    for since in (0, 1, 5_000, 20_001, count - 1):
        found = logs.read(path, since, 2)
        assert [line.number for line in found] == [number for number in (since, since + 1) if number < count]
        assert found[0].message.startswith(f"{since} ")
    assert len(logs.read(path, 0, 10**6)) == count
    tail, seen = Tail(path), 0
    while lines := tail.read():
        assert all(line.message.startswith(f"{line.number} ") for line in lines)
        assert lines[0].number == seen
        seen += len(lines)
    assert seen == count


def test_a_line_longer_than_a_block_does_not_stop_the_tail(path: Path) -> None:
    path.write_bytes(b"x" * (logs.BLOCK + 10) + b"\n")
    logs.say(path, "after")
    tail, seen = Tail(path), []
    while lines := tail.read():
        seen += messages(lines)
    assert seen[-1] == "after"
    assert messages(logs.read(path, 1)) == ["after"]


def test_messages_are_cut_to_a_bearable_length(path: Path) -> None:
    logs.say(path, "x" * (3 * logs.MESSAGE))
    assert len(logs.read(path)[0].message) == logs.MESSAGE


def test_the_last_words(path: Path) -> None:
    for number in range(5):
        logs.say(path, f"w{number}", "warning")
        logs.say(path, f"i{number}")
    logs.say(path, "the end", "error")
    assert logs.last(path, frozenset({"warning", "error"}), 3) == ["w3", "w4", "the end"]
    assert logs.last(path, frozenset({"debug"}), 3) == []


@pytest.mark.parametrize("over", range(0, 40, 3))
def test_the_last_words_are_never_cut_in_two(path: Path, over: int) -> None:
    """Whatever the size of the line that lies across the edge of what is looked at, and half a line at the end."""
    end = json.dumps({"time": "t", "level": "error", "message": "the end"}) + '\n{"time": "torn'
    filler = logs.LAST - len(end) - 50 + over
    path.write_text(json.dumps({"time": "t", "level": "warning", "message": "x" * filler}) + "\n" + end)
    found = logs.last(path, frozenset({"warning", "error"}), 3)
    assert found[-1] == "the end"
    assert all(set(text) == {"x"} for text in found[:-1])


def test_followed_live_until_the_end(path: Path) -> None:
    ended = threading.Event()
    more = threading.Event()

    def write() -> None:
        logs.say(path, "one")
        more.wait(30)
        logs.say(path, "two")
        logs.say(path, "three")
        ended.set()

    async def follow(since: int) -> list[Line]:
        found = []
        async for line in logs.follow(path, ended.is_set, since):
            found.append(line)
            # The second line is written only when the first one has come through: it is live.
            more.set()
        return found

    thread = threading.Thread(target=write)
    thread.start()
    found = asyncio.run(follow(0))
    thread.join()
    assert [(line.number, line.message) for line in found] == [(0, "one"), (1, "two"), (2, "three")]
    assert messages(asyncio.run(follow(2))) == ["three"]
    assert asyncio.run(follow(3)) == []


def test_following_more_lines_than_one_reading_gives(path: Path) -> None:
    with path.open("w") as file:
        for number in range(2_500):
            file.write(json.dumps({"time": "t", "level": "info", "message": str(number)}) + "\n")

    async def follow() -> list[str]:
        return [line.message async for line in logs.follow(path, lambda: True)]

    assert asyncio.run(follow()) == [str(number) for number in range(2_500)]


def test_several_processes_write_to_one_log(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from terrafair.execution import logs\n"
        "for number in range(200): logs.say(Path(sys.argv[1]), sys.argv[2] * 3000 + str(number))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path), letter]) for letter in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = messages(logs.read(path, 0, 10_000))
    assert len(found) == 600
    for letter in "abc":
        assert [text for text in found if text[0] == letter] == [letter * 3000 + str(number) for number in range(200)]
