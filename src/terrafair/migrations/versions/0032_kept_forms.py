"""What people have typed into forms and not handed in yet."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "kept_forms",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(80), nullable=False),
        sa.Column("path", sa.String(600), nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
    )
    op.create_index("kept_forms_by_person", "kept_forms", ["person", "path"], unique=True)
    op.create_index("kept_forms_by_age", "kept_forms", ["updated"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("kept_forms")
