"""Every job belongs to a project, an author and a visibility; what happened cannot be changed."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
COLUMNS = (("project", 64, ""), ("author", 40, ""), ("visibility", 16, "project"))


def upgrade() -> None:
    """Jobs of before belong to nobody: operators alone see them."""
    for name, size, value in COLUMNS:
        op.add_column("jobs", sa.Column(name, sa.String(size), nullable=False, server_default=value))
    op.create_index("jobs_by_project", "jobs", ["project", "number"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'events are only ever added'; END $$"
        )
        op.execute(
            "CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_stay()"
        )
    else:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER events_stay_{change.lower()} BEFORE {change} ON events "
                "BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END"
            )


def downgrade() -> None:
    """Drop them."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER events_stay ON events")
        op.execute("DROP FUNCTION events_stay")
    else:
        for change in ("update", "delete"):
            op.execute(f"DROP TRIGGER events_stay_{change}")
    op.drop_index("jobs_by_project", "jobs")
    for name, _, _ in COLUMNS:
        op.drop_column("jobs", name)
