"""The first minute: from an empty home folder to each demo experiment run again, by the command line.

    python benchmarks/demo.py [RUNS]

The first run of an experiment builds its environment; the later ones find it. Times are a person's: from the start of
the command to its last line, the client's own start included.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXPERIMENTS = ("demo-ndvi", "demo-water", "demo-phenology")
RUNS = 3
START_SECONDS = 120


def terrafair(home: Path, *arguments: str) -> float:
    """Run a command on a home folder; gives its seconds."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "terrafair", *arguments, "--json"]
    environment = {**os.environ, "TERRAFAIR_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return time.perf_counter() - begun


def start(home: Path) -> tuple["subprocess.Popen[bytes]", float]:
    """The platform, once it answers, and how long that took."""
    begun = time.perf_counter()
    with (home / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "terrafair", "serve", "--port", "0"],
            env={**os.environ, "TERRAFAIR_HOME": str(home)},
            stdout=log,
            stderr=log,
        )
    while not (home / "serving.json").exists():
        if process.poll() is not None or time.perf_counter() - begun > START_SECONDS:
            sys.exit(f"The platform did not start: {(home / 'serve.log').read_text()}")
        time.sleep(0.02)
    return process, time.perf_counter() - begun


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        process, seconds = start(home)
        try:
            print(f"empty home to serving, demo seeded: {seconds:.1f} s")
            for name in EXPERIMENTS:
                first = terrafair(home, "run", name)
                later = [terrafair(home, "run", name) for _ in range(runs)]
                print(f"run {name}: first {first:.1f} s, then p50 {statistics.median(later):.1f} s ({runs} runs)")
            print(f"reproduce demo-ndvi: {terrafair(home, 'reproduce', 'demo-ndvi'):.1f} s")
            usage = json.loads(
                subprocess.run(
                    [sys.executable, "-m", "terrafair", "jobs", "--json"],
                    env={**os.environ, "TERRAFAIR_HOME": str(home)},
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for name in EXPERIMENTS:
                spent = [row["usage"]["cpu_seconds"] for row in usage if row["subject"] == name]
                print(f"{name}: {statistics.median(spent):.1f} CPU s in the job itself")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
