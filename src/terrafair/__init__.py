"""terrafair: find, run, reproduce and publish open Earth science."""

__version__ = "0.1.0"
