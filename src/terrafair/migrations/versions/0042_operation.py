"""What operators have set at run time, and stored objects that are not as they were."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "operation",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "damage",
        sa.Column("key", sa.String(1100), primary_key=True),
        sa.Column("job", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("says", sa.Text, nullable=False),
        sa.Column("found", sa.String(40), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("damage")
    op.drop_table("operation")
