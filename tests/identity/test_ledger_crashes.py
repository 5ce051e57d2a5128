"""A real process at the ledger, killed by the kernel between any two of its statements: the book adds up after it."""

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from terrafair.database import migrate, open_engine, reading, transaction
from terrafair.identity import ledger
from terrafair.identity.ledger import LEDGER

from .test_ledger import allocate, milli, sums

WORKER = '''
import os, signal, sys
import sqlalchemy as sa
from sqlalchemy import event
from terrafair.database import open_engine, transaction
from terrafair.errors import Conflict
from terrafair.identity import ledger
from terrafair.identity.credits import MilliCredits

engine, name, die = open_engine(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = 0

def step(*_):
    """Between any two statements, and before each commit."""
    global count
    count += 1
    if count == die:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(engine, "before_cursor_execute", step)
event.listen(engine, "after_cursor_execute", step)
event.listen(engine, "commit", step)
for turn in range(3):
    job = f"{name}-{turn}"
    for act in (
        lambda c: ledger.reserve(c, "home", job, MilliCredits(40)),
        lambda c: ledger.settle(c, job, MilliCredits(25 + 30 * (turn == 1))),
        lambda c: ledger.refund(c, job, MilliCredits(5), "by half"),
        lambda c: ledger.charge(c, "home", MilliCredits(3), "storage", once=f"{job}-stored"),
    ):
        try:
            with transaction(engine) as connection:
                act(connection)
            print(job, flush=True)
        except Conflict:
            pass
print("steps", count)
'''


def work(url: str, name: str, die: int) -> "subprocess.Popen[str]":
    line = [sys.executable, "-c", WORKER, url, name, str(die)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def ends(process: "subprocess.Popen[str]") -> tuple[int, list[str]]:
    said, _ = process.communicate(timeout=60)
    return process.returncode, said.splitlines()


def finish(engine: sa.Engine) -> None:
    """What the platform does after a crash: each job runs to its end again."""
    with reading(engine) as connection:
        jobs = set(connection.execute(sa.select(LEDGER.c.job).where(LEDGER.c.kind == "reserve")).scalars())
    for job in jobs:
        with transaction(engine) as connection:
            ledger.settle(connection, job, milli(25))


@pytest.fixture(scope="module")
def steps() -> int:
    """How many moments there are to die in."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/platform.db"
        engine = open_engine(url)
        migrate(engine)
        allocate(engine, "a1", 1000)
        code, said = ends(work(url, "j", 0))
        assert code == 0
        assert sums(engine) == {"a1": (0, 20 + 50 + 20 + 9)}
        engine.dispose()
    return int(said[-1].split()[1])


# Not made smaller: each try is three processes.
@settings(max_examples=2, deadline=None, phases=[Phase.generate])
@given(st.data())
def test_killed_between_any_two_steps(steps: int, data: st.DataObject) -> None:
    """Two processes at once, one or both of which die; a third comes after them and does all again."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/platform.db"
        engine = open_engine(url)
        migrate(engine)
        allocate(engine, "a1", 180)
        allocate(engine, "a2", 90)
        moments = [data.draw(st.integers(1, steps)), data.draw(st.integers(0, steps))]
        processes = [work(url, f"j{n}", die) for n, die in enumerate(moments)]
        codes = {ends(process)[0] for process in processes}
        # One that was refused for want of credits may not come to its last moment.
        assert codes <= {0, -signal.SIGKILL}
        left = sums(engine)
        assert all(value >= 0 for pair in left.values() for value in pair)
        again = work(url, "j0", 0)
        assert ends(again)[0] == 0
        finish(engine)
        after = sums(engine)
        assert [reserved for reserved, _ in after.values()] == [0, 0], "credits of a dead process are held for ever"
        with reading(engine) as connection:
            kinds = Counter(tuple(row) for row in connection.execute(sa.select(LEDGER.c.job, LEDGER.c.kind)))
        assert all(count == 1 for (_, kind), count in kinds.items() if kind in {"reserve", "settle"}), kinds
        engine.dispose()


def test_what_was_said_to_be_done_is_done(tmp_path: Path, steps: int) -> None:
    """A step that was acknowledged before the kill is in the book after it."""
    url = f"sqlite:///{tmp_path / 'platform.db'}"
    engine = open_engine(url)
    migrate(engine)
    allocate(engine, "a1", 1000)
    code, said = ends(work(url, "j", steps * 2 // 3))
    assert code == -signal.SIGKILL
    with reading(engine) as connection:
        entries = connection.execute(sa.select(sa.func.count()).select_from(LEDGER)).scalar_one()
    assert entries >= len(said) > 3
    sums(engine)
    engine.dispose()
