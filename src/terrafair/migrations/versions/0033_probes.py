"""Minutes in which the platform has looked at itself."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "probes",
        sa.Column("minute", sa.String(16), primary_key=True),
        sa.Column("works", sa.Boolean, nullable=False),
        sa.Column("says", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("probes")
