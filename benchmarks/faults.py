"""Everything that can break is broken, one after the other, under load: what works on, what waits, what people see.

    python benchmarks/faults.py [--only WORDS] [--outage 60] [--json FILE]

Two platforms are started as people start them. The first is the embedded default with two web processes, local
identity provider and hub; the second has PostgreSQL, an S3, an identity provider and a forge outside of it, each a
process of its own. People search, look at tiles and files, follow logs and submit jobs all the while; each fault also
meets a job that runs in its sandbox. Afterwards every job that was accepted must have ended successfully, once.

Prints a table in Markdown. Exit code 1 for a job that was lost or ended twice, a status 500, an error without a clear
message, a traceback, a request that hangs, and a platform that does not get well again. Needs root for the full disk,
PostgreSQL for the second platform, a C compiler for the clock; what is missing is said.
"""

import argparse
import html
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import Platform  # noqa: E402
from tests.journeys.breakage import Outside, clockwork, disk, embedded_faults, outside_faults  # noqa: E402
from tests.journeys.faults import Crowd, Fault, Seen, Site, result, suffer  # noqa: E402
from tests.stac.cluster import missing  # noqa: E402


def suffered(
    platform: Platform, folder: Path, faults: Callable[[Site], Iterator[Fault]], only: list[str]
) -> list[Seen]:
    """All faults of one platform."""
    platform.start()
    try:
        job, picture = result(platform)
        database = platform.settings.get("TERRAFAIR_DATABASE") or f"sqlite:///{platform.home / 'platform.db'}"
        with Crowd(platform.url, job, picture) as crowd:
            site, seen = Site(platform, folder, crowd, database), []
            while not crowd.well(0.0):
                time.sleep(0.2)
            for fault in faults(site):
                if only and not any(word in fault.name for word in only):
                    continue
                print(f"{time.strftime('%H:%M:%S')} {fault.name}", file=sys.stderr)
                seen.append(suffer(site, fault))
                if seen[-1].wrong or seen[-1].lost or seen[-1].twice:
                    print(json.dumps(asdict(seen[-1]), indent=1), file=sys.stderr)
        return seen
    finally:
        platform.stop()
        # Workspaces outlive the platform on purpose.
        for place in platform.home.glob("workspaces/runs/*/supervisor.json"):
            with suppress(ProcessLookupError):
                os.kill(int(json.loads(place.read_text())["pid"]), signal.SIGTERM)


def table(seen: list[Seen]) -> Iterator[str]:
    """For docs/operations.md."""
    titles = (
        "what",
        "works on",
        "what people see of the rest",
        "slowest answer, job",
        "well after",
        "accepted, lost, twice",
    )
    yield f"| {' | '.join(titles)} |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for each in seen:
        works = "all" if not each.sees else ", ".join(each.works) or "nothing"
        again = f"; the running one began again {each.running.restarts} x" if each.running.restarts else ""
        yield (
            f"| {each.name} | {works} | {sights(each) or 'nothing'} | {each.slowest:.1f} s, {each.waited:.1f} s |"
            f" {each.back:.1f} s | {each.accepted + 1}, {len(each.lost)}, {len(each.twice)}{again} |"
        )


def sights(seen: Seen) -> str:
    """What was seen, once for all kinds of requests that saw the same, by its first sentence."""
    kinds: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for kind, (status, words, count) in seen.sees.items():
        sentence = html.unescape(" ".join(words.replace("|", "/").split())).partition(". ")[0].rstrip(".")
        told = f"{status} {sentence}" if status else f"no answer ({sentence})"
        # A port is another one each time.
        told = re.sub(r"http://127\.0\.0\.1:\d+", "its address", told)
        kinds.setdefault(told, []).append(kind)
        counts[told] += count
    return "; ".join(f"{', '.join(kinds[told])}: {told} ({counts[told]} x)" for told in kinds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], help="faults whose names have one of these words")
    parser.add_argument("--outage", type=float, default=60, help="seconds that the S3 is away")
    parser.add_argument("--where", choices=["both", "embedded", "outside"], default="both")
    parser.add_argument("--json", type=Path, help="write what was seen there, too")
    options = parser.parse_args()
    seen: list[Seen] = []
    for name in ("TERRAFAIR_TEST_DATABASE", "TERRAFAIR_TEST_SERVER"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="terrafair-faults-") as text, ExitStack() as stack:
        folder = Path(text)
        if options.where != "outside":
            home = stack.enter_context(disk(folder / "embedded"))
            settings = {"TERRAFAIR_DISK_FLOOR": "60 MB", "TERRAFAIR_WEB_WORKERS": "2"}
            platform = Platform(home, settings | clockwork(folder))
            seen += suffered(platform, folder, embedded_faults, options.only)
        if options.where != "embedded" and (reason := missing()):
            print(f"Without the second platform: {reason}", file=sys.stderr)
        elif options.where != "embedded":
            outside = Outside(folder / "outside", stack)
            platform = Platform(folder / "outside/home", outside.settings)
            faults = lambda site: outside_faults(site, outside, options)  # noqa: E731
            seen += suffered(platform, folder, faults, options.only)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in seen], indent=1))
    print("\n".join(table(seen)))
    wrong = [f"{each.name}: {text}" for each in seen for text in each.wrong]
    print(*(["", "Should not have been seen:", *wrong] if wrong else ["", "Nothing else was seen."]), sep="\n")
    return 1 if wrong or any(each.lost or each.twice for each in seen) else 0


if __name__ == "__main__":
    sys.exit(main())
