"""Workers of several hosts, and how long each may be taken to live."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """One table."""
    op.create_table(
        "workers",
        sa.Column("executor", sa.String(200), primary_key=True),
        *(sa.Column(name, sa.String(120), nullable=False) for name in ("slot", "host")),
        sa.Column("seen", sa.Float(53), nullable=False),
        sa.Column("lost", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("workers")
