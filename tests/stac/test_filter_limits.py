"""Filters that are made to break the parser, which is native: it must end neither the process nor its patience."""

import json
import random
import subprocess
import sys

import pytest

from terrafair.catalogue.items.cql2 import check_text, parse_text
from terrafair.errors import InvalidInput

MANY = 100_000
HOSTILE = [
    "(" * MANY,
    "(" * MANY + "a = 1" + ")" * MANY,
    "a = 1 AND " * MANY + "a = 1",
    "(" * 30 + "a = " + ")" * 30,
    "(" * 16 + "a = 1 AND " + ")" * 16,
    "NOT " * 4_900 + "a = 1",
    "NOT(" * 4_000 + "a = 1" + ")" * 4_000,
    "a = " + "-" * 19_000 + "1",
    "a = " + "- " * 9_000 + "1",
    "a = " + "1-" * 9_900 + "1",
    "a = " + "1 -" * 6_000 + "1",
    "a = " + "1+" * 9_900 + "1",
    "a = " + "1^" * 9_900 + "1",
    "a = " + "'' - " * 3_900 + "1",
    "a = point(" + "1-" * 9_000 + "1)",
    "a = point(" + "1 -1 " * 3_000 + ")",
    "a IN (" + "1 - 1, " * 2_800 + "1)",
    "a = 1 AND NOT b " * 1_200,
    "a = " + "DIV " * 4_900,
    "CASEI(" * 3_000 + "a" + ")" * 3_000 + " = 'x'",
    "[" * 9_000,
    "{" * 9_000,
    '"' * 19_999,
    "a = '" + "'" * 19_990,
    "a LIKE " * 2_800 + "'x'",
    "a BETWEEN " * 1_900 + "1",
    "S_INTERSECTS(geometry, " + "GEOMETRYCOLLECTION(" * 900 + "POINT(1 1)" + ")" * 901,
    "a = NaN",
    "a = -Infinity",
    "a = 1e999999",
    "a = " + "9" * 19_000,
    "a = '\x00'",
    "a = '../../etc/passwd' OR 1=1; DROP TABLE items; --",
]

PROGRAM = """
import json, sys, threading, time
from terrafair.api.records import filter as records
from terrafair.catalogue.items import cql2
from terrafair.errors import InvalidInput
slow = []
def ask(text):
    for read in (cql2.parse_text, lambda text: records.parse(text, "cql2-text", {"a": {}, "b": {}})):
        begun = time.process_time()
        try:
            read(text)
        except InvalidInput as fault:
            assert str(fault)
        if time.process_time() - begun > 5:
            slow.append(text[:60])
# In a thread, whose stack is the smaller one, as most requests are.
thread = threading.Thread(target=lambda: [ask(text) for text in json.load(sys.stdin)] and print("done", slow))
thread.start()
thread.join()
"""


def texts() -> list[str]:
    """Words of the language in any order, the same at each run."""
    made = random.Random(20_241_101)
    words = [
        "a",
        "b",
        "=",
        "<>",
        "<",
        "AND",
        "OR",
        "NOT",
        "(",
        ")",
        "LIKE",
        "IN",
        "BETWEEN",
        "IS",
        "NULL",
        "CASEI",
        ",",
    ]
    words += [
        "'x'",
        "1",
        "-1",
        "1e9",
        "TRUE",
        "S_INTERSECTS",
        "geometry",
        "POINT",
        "BBOX",
        "T_AFTER",
        "DATE",
        "INTERVAL",
    ]
    words += [
        "'2020-01-01'",
        "+",
        "-",
        "*",
        "/",
        "^",
        "A_OVERLAPS",
        "[",
        "]",
        '"',
        "'",
        ";",
        "\u00e9",
        "\x00",
        "%",
        "\\",
    ]
    return [" ".join(made.choices(words, k=made.randrange(1, 60))) for _ in range(400)]


def test_no_text_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        input=json.dumps(HOSTILE + texts()),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert done.stdout.strip() == "done []", done.stdout + done.stderr[-2000:]


def test_what_people_write_is_within_the_limits() -> None:
    ring = ", ".join(f"{-100 - n / 1000} {-20 + n / 900}" for n in range(700))
    for text in (
        f"S_INTERSECTS(geometry, POLYGON(({ring}, -100 -20)))",
        "a IN (" + ", ".join(str(-n) for n in range(2_000)) + ")",
        " AND ".join(f"a{n} > -{n}" for n in range(400)),
        "NOT (a = 1) AND b - 1 > -2 AND c * 2 + 1 < 5 OR ((((a = 'it''s'))))",
    ):
        assert parse_text(text)


@pytest.mark.parametrize("text", ["(a = 1", "a = 1)", "(" * 17 + "a = 1" + ")" * 17, "NOT " * 201 + "a = 1"])
def test_the_limits_are_told(text: str) -> None:
    with pytest.raises(InvalidInput) as found:
        check_text(text)
    assert found.value.problem.where == "filter" and (found.value.problem.why or found.value.problem.remedy)
