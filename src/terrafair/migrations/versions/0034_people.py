"""Keys to buckets, fair turns of projects, a version of everything that decides who may do what."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
DECIDING = {
    "people": "operator, name, email, github, signed_out",
    "members": "role",
    "projects": "id",
    "community_projects": "project",
    "sessions": "expires",
    "personal_tokens": "scopes",
    "access_tokens": "expires",
}
"""Table -> the columns whose change changes what somebody may do; rows that come and go always do."""

TURNS = {
    "jobs_by_turn": ["turn"],
    "jobs_by_state_and_turn": ["state", "turn"],
    "jobs_by_project_and_turn": ["project", "state", "turn"],
}


def upgrade() -> None:
    """A number that grows with each such change tells every process that what it remembers is old."""
    op.create_table(
        "object_keys",
        sa.Column("id", sa.String(40), primary_key=True),
        *(sa.Column(name, sa.String(64), nullable=False) for name in ("person", "project", "key", "handle")),
        *(sa.Column(name, sa.String(32), nullable=False) for name in ("created", "expires")),
        sa.Column("write", sa.Boolean, nullable=False),
    )
    op.create_index("object_keys_by_person", "object_keys", ["person"])
    op.add_column("people", sa.Column("signed_out", sa.String(32), nullable=False, server_default=""))
    op.add_column("personal_tokens", sa.Column("login", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"))
    for index, ordered in TURNS.items():
        op.create_index(index, "jobs", ordered)
    op.execute("CREATE TABLE identity_version (number BIGINT NOT NULL)")
    op.execute("INSERT INTO identity_version VALUES (1)")
    grow = "UPDATE identity_version SET number = number + 1"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION identity_changed() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {grow}; RETURN NULL; END $$"
        )
    for table, columns in DECIDING.items():
        for event in ("INSERT", "DELETE", f"UPDATE OF {columns}"):
            name = f"{table}_{event.partition(' ')[0].lower()}_decides"
            if op.get_bind().dialect.name == "postgresql":
                what = "FOR EACH STATEMENT EXECUTE FUNCTION identity_changed()"
            else:
                what = f"BEGIN {grow}; END"
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} {what}")


def downgrade() -> None:
    """Drop them."""
    postgres = op.get_bind().dialect.name == "postgresql"
    for table in DECIDING:
        for event in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER {table}_{event}_decides" + (f" ON {table}" if postgres else ""))
    if postgres:
        op.execute("DROP FUNCTION identity_changed")
    op.drop_table("identity_version")
    for name in TURNS:
        op.drop_index(name, "jobs")
    op.drop_column("jobs", "turn")
    op.drop_column("personal_tokens", "login")
    op.drop_column("people", "signed_out")
    op.drop_table("object_keys")
