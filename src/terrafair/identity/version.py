"""The number that grows whenever somebody's rights, sessions or tokens change, whichever process changed them.

The database's own triggers count (migration 0040), so no code can forget to. Whoever remembers who somebody is compares
this number first.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from terrafair.errors import DATABASE_AWAY, Unreachable

_QUESTION = "SELECT number FROM identity_version"


@dataclass(frozen=True, slots=True)
class Version:
    """Reads it, at each request anew."""

    engine: sa.Engine

    @property
    def near(self) -> bool:
        """Whether asking takes so little that it need not leave the event loop."""
        return self.engine.dialect.name == "sqlite"

    def now(self) -> int:
        """The number as of now; raises `Unreachable`."""
        try:
            # Past SQLAlchemy's own execution, which takes ten times as long.
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(_QUESTION)
                found = cursor.fetchone()
                cursor.close()
                return int(found[0]) if found else 0
            finally:
                connection.close()
        except sa.exc.SQLAlchemyError as fault:
            raise Unreachable("The database does not answer.", str(fault)[:200], code=DATABASE_AWAY) from fault
        except self.engine.dialect.loaded_dbapi.Error as fault:
            raise Unreachable("The database does not answer.", str(fault)[:200], code=DATABASE_AWAY) from fault
