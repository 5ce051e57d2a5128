"""Workspaces: one session of one person in one project."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0035"


def upgrade() -> None:
    """One table; there can be one that is open for each person and project."""
    texts = ("person", "project", "profile", "state", "created", "started", "ended", "token", "keys", "seed_kind")
    op.create_table(
        "workspaces",
        sa.Column("id", sa.String(40), primary_key=True),
        *(sa.Column(name, sa.String(80), nullable=False) for name in texts),
        *(sa.Column(name, sa.String(500), nullable=False) for name in ("seed_id", "reason", "path")),
        sa.Column("hours", sa.Integer, nullable=False),
    )
    op.create_index("ix_workspaces_person", "workspaces", ["person", "created"])
    op.create_index(
        "ix_workspaces_open",
        "workspaces",
        ["person", "project"],
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
