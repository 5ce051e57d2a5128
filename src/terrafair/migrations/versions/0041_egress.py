"""Bytes that left the platform for each project and day, and how many of them have been charged."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0039"


def upgrade() -> None:
    """One table."""
    op.create_table(
        "egress",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("charged", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("egress")
