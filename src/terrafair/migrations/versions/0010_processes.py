"""Deployed processes with all their revisions, calls back to those who execute them, and the process of a job."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables and the column."""
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(100), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("media_type", sa.String(80), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("entry", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_index("deployments_by_state", "deployments", ["state", "id"])
    op.create_table(
        "callbacks",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job", sa.String(40), nullable=False),
        sa.Column("moment", sa.String(12), nullable=False),
        sa.Column("uri", sa.String(2000), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
    )
    op.create_index("callbacks_by_state", "callbacks", ["state", "due"])
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("process", sa.String(500), nullable=False, server_default=""))
    op.create_index("jobs_by_process", "jobs", ["process", "number"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("jobs_by_process", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("process")
    op.drop_table("callbacks")
    op.drop_table("deployments")
