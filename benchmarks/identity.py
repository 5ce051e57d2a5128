"""What identity costs: an authorisation check, knowing who asks, a request through the whole front, the ledger.

python benchmarks/identity.py
"""

import asyncio
import json
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from terrafair.api.actors import VISITOR, Actors
from terrafair.api.reception import Reception
from terrafair.config import Config
from terrafair.database import migrate, open_engine, reading, transaction
from terrafair.execution.command import Command
from terrafair.execution.sandbox import probe
from terrafair.identity import ledger
from terrafair.identity.access import Action, Actor, Kind, Role, Thing, Visibility, may
from terrafair.identity.access import Scope as Allowed
from terrafair.identity.allocation import Approved
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits
from terrafair.identity.people import People, Profile
from terrafair.identity.person import Person
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.identity.sessions import Sessions
from terrafair.identity.version import Version
from terrafair.openeo_parts import authenticator


def per_call(call: Callable[[], Any], times: int) -> float:
    """Seconds of one call, the best of three rounds."""
    rounds = []
    for _ in range(3):
        begun = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter() - begun) / times)
    return min(rounds)


def check() -> float:
    """Microseconds of an authorisation check."""
    actor = Actor("ada", {f"project-{n}": Role.MEMBER for n in range(50)}, frozenset({"near"}))
    thing = Thing(Kind.JOB, "project-7", "ben", Visibility.PROJECT)
    return per_call(lambda: may(actor, Action.READ, thing), 100_000) * 1e6


async def _inner(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _nothing() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _drop(_: Any) -> None:
    return None


async def _asked(app: Any, header: str, times: int) -> float:
    headers = [(b"host", b"x"), (b"authorization", header.encode()), (b"accept", b"application/json")]
    begun = time.perf_counter()
    for _ in range(times):
        scope = {"type": "http", "method": "GET", "path": "/api/jobs", "query_string": b"", "headers": headers}
        await app({**scope, "client": ("127.0.0.1", 1)}, _nothing, _drop)
    return (time.perf_counter() - begun) / times


def front(home: Path) -> tuple[float, float]:
    """Milliseconds that the front adds to a request with a token, remembered and found anew."""
    config = Config(home=home, anonymous="visitor")
    engine = open_engine(config.database_url)
    people, tokens = People(engine), PersonalTokens(engine)
    profile = people.seen(Profile(Person("x#ada").id, "x#ada", "Ada"))
    secret, _ = tokens.issue(profile.id, "bench", list(Allowed), timedelta(days=1))
    actors = Actors(people, Projects(engine), Sessions(engine), tokens, authenticator(config, engine), VISITOR)
    version = Version(engine)
    actors.version, actors.near = version.now, version.near
    app = Reception(_inner, actors, lambda _: None)
    header = f"Bearer {secret}"
    bare = asyncio.run(_asked(_inner, header, 2000))
    asyncio.run(_asked(app, header, 10))
    # Below the rate that one person has.
    warm = asyncio.run(_asked(app, header, 900)) - bare

    def anew() -> None:
        actors.forget()
        actors.find("", header)

    return warm * 1e3, per_call(anew, 50) * 1e3


def reservations(home: Path, threads: int = 4, each: int = 250) -> float:
    """Reservations a second on SQLite, from several threads, each in a transaction of its own as a job's is."""
    engine = open_engine(f"sqlite:///{home / 'platform.db'}")
    allocations, today = Allocations(engine), datetime.now(UTC).date()
    operator = Actor(operator=True)
    Projects(engine).create(operator, "bench", "Bench")
    asked = allocations.request(operator, "bench", MilliCredits(10**9), today, today)
    allocations.decide(operator, asked.id, Approved("NoR"))

    def work(number: int) -> None:
        for index in range(each):
            with transaction(engine) as connection:
                ledger.reserve(connection, "bench", f"job-{number}-{index}", MilliCredits(3))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - begun
    with reading(engine) as connection:
        ledger.verify(connection)
    engine.dispose()
    return threads * each / seconds


def floor(home: Path, times: int = 1000) -> float:
    """The same statements a second in plain SQLite, from one thread: what no ledger on it can exceed."""
    connection = sqlite3.connect(home / "floor.db", isolation_level=None)
    for line in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL",
                 "CREATE TABLE a (id TEXT PRIMARY KEY, reserved INTEGER)", "INSERT INTO a VALUES ('a', 0)",
                 "CREATE TABLE l (number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT, amount INTEGER)",
                 "CREATE INDEX by_job ON l (job)"):  # fmt: skip
        connection.execute(line)
    begun = time.perf_counter()
    for number in range(times):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT a.*, (SELECT number FROM l WHERE job = ?) FROM a", (f"j{number}",)).fetchall()
        connection.execute("INSERT INTO l (job, amount) VALUES (?, 3)", (f"j{number}",))
        connection.execute("UPDATE a SET reserved = reserved + 3 WHERE id = 'a'")
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return times / seconds


def sandbox_start(home: Path) -> float:
    """Milliseconds from nothing to the end of `true` in isolation."""
    found = probe(home, "auto")
    folder = home / "jobs/bench"
    for name in ("work", "outputs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    command = Command(("/bin/true",), directory=folder / "work", writable=(folder / "work", folder / "outputs"))
    found.make_ready(command)
    arguments, environment = found.arguments(command), found.environment(command)
    return per_call(lambda: subprocess.run(arguments, env=environment, check=True), 10) * 1e3


def main() -> None:
    """Print all figures as one JSON document."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        engine = open_engine(f"sqlite:///{home / 'platform.db'}")
        migrate(engine)
        engine.dispose()
        warm, anew = front(home)
        figures = {
            "authorisation_check_us": round(check(), 2),
            "authenticated_request_ms": round(warm, 4),
            "actor_found_anew_ms": round(anew, 3),
            "reservations_per_second": round(reservations(home)),
            "reservations_per_second_floor": round(floor(home)),
            "sandbox_start_ms": round(sandbox_start(home), 1),
            "isolation": probe(home, "auto").reason,
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
