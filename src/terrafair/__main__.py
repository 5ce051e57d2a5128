"""`python -m terrafair` is the command line."""

from terrafair.cli import run

run()
