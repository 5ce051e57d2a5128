"""Released versions of workflows, which never change, and the repositories whose pushes are built."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "releases",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(64), primary_key=True),
        *(sa.Column(name, sa.String(80), nullable=False) for name in ("project", "author", "job", "created")),
        *(sa.Column(name, sa.String(120), nullable=False) for name in ("digest", "revision", "process")),
        sa.Column("about", sa.Text, nullable=False),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.String(40), primary_key=True),
        *(sa.Column(name, sa.String(80), nullable=False) for name in ("project", "author", "created")),
        sa.Column("repository", sa.String(500), nullable=False),
        sa.Column("branch", sa.String(200), nullable=False),
        sa.Column("secret", sa.String(80), nullable=False),
        sa.Column("revision", sa.String(80), nullable=False),
    )
