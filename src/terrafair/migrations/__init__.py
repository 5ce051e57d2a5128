"""Alembic's steps for the control database; `database.migrate` runs them at start."""
