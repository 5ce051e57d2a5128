"""openEO: batch jobs before and between their runs, user-defined processes, services; access tokens; secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0010"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "access_tokens",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("subject", sa.String(1000), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("expires", sa.String(32), nullable=False),
    )
    op.create_table(
        "platform_secrets",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(200), nullable=False),
    )
    op.create_table(
        "openeo_jobs",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("person", sa.String(40), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
    )
    op.create_index("openeo_jobs_by_person", "openeo_jobs", ["person", "number"])
    op.create_table(
        "openeo_processes",
        sa.Column("person", sa.String(40), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
    )
    op.create_table(
        "openeo_services",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("person", sa.String(40), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
    )
    op.create_index("openeo_services_by_person", "openeo_services", ["person", "number"])


def downgrade() -> None:
    """Drop them."""
    for table in ("openeo_services", "openeo_processes", "openeo_jobs", "platform_secrets", "access_tokens"):
        op.drop_table(table)
