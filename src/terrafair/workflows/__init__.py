"""Develop: what a published workflow is, and how its records are read."""
