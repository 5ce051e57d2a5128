"""People, projects, communities, sessions, allocations and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0020"


def _text(name: str, size: int = 200, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.String(size), nullable=False, primary_key=key)


def upgrade() -> None:
    """Create them, and give every job a project, an author and a visibility."""
    op.create_table(
        "people",
        _text("id", 40, key=True),
        _text("subject", 500),
        *(_text(name) for name in ("name", "email", "github")),
        sa.Column("operator", sa.Boolean, nullable=False),
        *(_text(name, 32) for name in ("created", "seen")),
    )
    op.create_index("people_by_subject", "people", ["subject"], unique=True)
    op.create_table(
        "projects",
        _text("id", 64, key=True),
        _text("title"),
        sa.Column("description", sa.Text, nullable=False),
        _text("created", 32),
    )
    op.create_table("members", _text("project", 64, key=True), _text("person", 40, key=True), _text("role", 16))
    op.create_index("members_by_person", "members", ["person"])
    op.create_table(
        "project_groups", _text("project", 64, key=True), _text("name", 64, key=True), _text("person", 40, key=True)
    )
    op.create_table("communities", _text("id", 64, key=True), _text("title"), _text("url", 500), _text("owner", 40))
    op.create_table("community_projects", _text("community", 64, key=True), _text("project", 64, key=True))
    op.create_table(
        "invitations",
        _text("hash", 64, key=True),
        _text("project", 64),
        _text("role", 16),
        *(_text(name) for name in ("email", "github")),
        _text("by", 40),
        *(_text(name, 32) for name in ("created", "expires", "used")),
    )
    op.create_table(
        "sessions",
        _text("hash", 64, key=True),
        _text("person", 40),
        _text("provider", 64),
        _text("provider_session"),
        sa.Column("id_token", sa.Text, nullable=False),
        *(_text(name, 64) for name in ("csrf", "created", "used", "expires")),
    )
    op.create_table(
        "sign_ins",
        _text("hash", 64, key=True),
        _text("browser", 64),
        _text("provider", 64),
        *(_text(name, 64) for name in ("verifier", "nonce")),
        *(_text(name, 2000) for name in ("redirect", "next")),
        _text("expires", 32),
    )
    op.create_table(
        "personal_tokens",
        _text("hash", 64, key=True),
        _text("id", 40),
        _text("person", 40),
        _text("name"),
        _text("scopes"),
        *(_text(name, 32) for name in ("created", "expires", "used")),
    )
    _allocations()


def _allocations() -> None:
    op.create_table(
        "allocations",
        _text("id", 40, key=True),
        _text("project", 64),
        *(_text(name) for name in ("reference", "sponsor", "service")),
        _text("stage", 16),
        _text("period_start", 10),
        _text("period_end", 10),
        sa.Column("documents", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("credits", "reserved", "spent")),
    )
    op.create_index("allocations_by_project", "allocations", ["project", "stage"])
    op.create_table(
        "ledger",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        _text("time", 32),
        *(_text(name, 64) for name in ("allocation", "project", "job")),
        _text("kind", 16),
        sa.Column("note", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("reserved", "spent")),
    )
    op.create_index("ledger_by_job", "ledger", ["job"])
    op.create_index("ledger_by_allocation", "ledger", ["allocation", "number"])


def downgrade() -> None:
    """Drop them."""
    for name in (
        "ledger",
        "allocations",
        "personal_tokens",
        "sign_ins",
        "sessions",
        "invitations",
        "community_projects",
    ):
        op.drop_table(name)
    for name in ("communities", "project_groups", "members", "projects", "people"):
        op.drop_table(name)
