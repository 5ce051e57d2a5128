"""The trace that a job belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0042"


def upgrade() -> None:
    """One column."""
    op.add_column("jobs", sa.Column("trace", sa.String(55), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("jobs", "trace")
