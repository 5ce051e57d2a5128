"""PostgreSQL's way of saying what a filter means, with PostGIS and a few functions of our own."""

import json
from collections.abc import Sequence
from typing import Any

from terrafair.catalogue.items import instants
from terrafair.catalogue.items.expressions import Kind, Path, Sql
from terrafair.catalogue.items.queryables import INDEXED, KINDS

COLUMNS = {"id": 'i.id COLLATE "C"', "collection": 'i.collection COLLATE "C"'}
COLUMNS |= {"start": "i.datetime", "finish": "i.end_datetime"}

_RELATIONS = {"intersects": "ST_Intersects", "equals": "ST_Equals", "disjoint": "ST_Disjoint", "touches": "ST_Touches"}
_RELATIONS |= {"within": "ST_Within", "overlaps": "ST_Overlaps", "crosses": "ST_Crosses", "contains": "ST_Contains"}

PREPARATION = r"""
CREATE SCHEMA IF NOT EXISTS terrafair;
CREATE OR REPLACE FUNCTION terrafair.number(value jsonb) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'number' THEN (value #>> '{}')::float8 END $$;
CREATE OR REPLACE FUNCTION terrafair.letters(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'string' THEN value #>> '{}' END $$;
CREATE OR REPLACE FUNCTION terrafair.truth(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'boolean' THEN (value #>> '{}')::boolean END $$;
CREATE OR REPLACE FUNCTION terrafair.instant(value jsonb) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS $$
    BEGIN
        IF jsonb_typeof(value) <> 'string' OR value #>> '{}' !~*
            '^\d{4}-\d\d-\d\d(t\d\d:\d\d:\d\d([.]\d{1,30})?(z|[+-]\d\d:\d\d))?$' THEN RETURN NULL; END IF;
        RETURN CASE WHEN length(value #>> '{}') = 10 THEN (value #>> '{}' || 'T00:00:00Z')::timestamptz
            ELSE date_trunc('microseconds', (value #>> '{}')::timestamptz) END;
    EXCEPTION WHEN data_exception THEN RETURN NULL;
    END $$;
CREATE OR REPLACE FUNCTION terrafair.plain(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT regexp_replace(normalize(value, NFKD), U&'[\0300-\036F]', '', 'g') $$;
CREATE OR REPLACE FUNCTION terrafair.words(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT ' ' || btrim(regexp_replace(lower(terrafair.plain(value)
    COLLATE "und-x-icu"), '[^[:alnum:]]+', ' ', 'g')) || ' ' $$;
CREATE OR REPLACE FUNCTION terrafair.mentions(properties jsonb, phrase text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT coalesce(position(phrase IN terrafair.words(terrafair.letters(properties -> 'title'))) > 0, false)
        OR coalesce(position(phrase IN terrafair.words(terrafair.letters(properties -> 'description'))) > 0, false)
        OR CASE WHEN jsonb_typeof(properties -> 'keywords') = 'array' THEN EXISTS (
            SELECT 1 FROM jsonb_array_elements(properties -> 'keywords') AS k
            WHERE position(phrase IN terrafair.words(terrafair.letters(k))) > 0) ELSE false END $$;
CREATE OR REPLACE FUNCTION terrafair.power(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
    BEGIN RETURN power(a, b); EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;
CREATE OR REPLACE FUNCTION terrafair.overlapping(a jsonb, b jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT EXISTS (SELECT 1 FROM jsonb_array_elements(a) AS x JOIN jsonb_array_elements(b) AS y ON x = y) $$;
"""


class PgstacDialect:
    """Over the table `pgstac.items AS i`."""

    def value(self, value: Any) -> Sql:
        """Bound with its type, since a mark alone has none."""
        if isinstance(value, bool):
            return Sql("%s::boolean", (value,))
        if isinstance(value, str):
            return Sql('(%s::text COLLATE "C")', (clean(value),))
        return Sql("%s::float8", (float(value),))

    def instant(self, micros: int) -> Sql:
        """A timestamp."""
        if micros <= instants.EARLIEST or micros >= instants.LATEST:
            return Sql("'-infinity'::timestamptz" if micros < 0 else "'infinity'::timestamptz")
        return Sql("%s::timestamptz", (instants.text(micros),))

    def column(self, name: str) -> Sql:
        """A column of pgSTAC's."""
        return Sql(COLUMNS[name])

    def get(self, path: Path, kind: Kind) -> Sql:
        """By a function that gives null for another type."""
        found = self.json(path)
        if str(path) in INDEXED and KINDS[str(path)] is kind:
            # With the name in the text, as the index has it; these names are ours.
            found = Sql(f"(i.content -> 'properties' -> '{path}')")
        function = {Kind.NUMBER: "number", Kind.TEXT: "letters", Kind.TRUTH: "truth", Kind.INSTANT: "instant"}[kind]
        called = f"terrafair.{function}(" + found + ")"
        return "(" + called + ' COLLATE "C")' if kind is Kind.TEXT else called

    def json(self, path: Path) -> Sql:
        """As jsonb."""
        return Sql("(i.content #> %s::text[])", (["properties", *path.names],))

    def absent(self, path: Path) -> Sql:
        """Missing or null."""
        return "coalesce(jsonb_typeof(" + self.json(path) + "), 'null') = 'null'"

    def without_geometry(self) -> Sql:
        """pgSTAC knows no null there: an empty geometry stands for it."""
        return Sql("ST_IsEmpty(i.geometry)")

    def like(self, text: Sql, pattern: Sql) -> Sql:
        """PostgreSQL's."""
        return text + " LIKE " + pattern

    def lower(self, text: Sql) -> Sql:
        """By Unicode's rules."""
        return "(lower((" + text + ') COLLATE "und-x-icu") COLLATE "C")'

    def plain(self, text: Sql) -> Sql:
        """Our function."""
        return "(terrafair.plain(" + text + ') COLLATE "C")'

    def arithmetic(self, op: str, first: Sql, second: Sql) -> Sql:
        """On doubles."""
        if op == "^":
            return "terrafair.power(" + first + ", " + second + ")"
        divisor = "nullif(" + second + ", 0)"
        if op in {"/", "div"}:
            quotient = "(" + first + " / " + divisor + ")"
            return quotient if op == "/" else "trunc" + quotient
        if op == "%":
            return "(" + first + " - " + second + " * trunc(" + first + " / " + divisor + "))"
        return "(" + first + f" {op} " + second + ")"

    def spatial(self, op: str, first: bytes | None, second: bytes | None) -> Sql:
        """PostGIS; null for an item without geometry."""
        sides = [Sql("i.geometry") if side is None else geometry(side) for side in (first, second)]
        related = f"{_RELATIONS[op]}(" + sides[0] + ", " + sides[1] + ")"
        return "(CASE WHEN NOT ST_IsEmpty(i.geometry) THEN " + related + " END)" if None in (first, second) else related

    def arrays(self, op: str, first: Sql, second: Sql) -> Sql:
        """jsonb's operators."""
        if op == "overlaps":
            related = "terrafair.overlapping(" + first + ", " + second + ")"
        else:
            related = first + {"equals": " = ", "contains": " @> ", "containedby": " <@ "}[op] + second
        both = "jsonb_typeof(" + first + ") = 'array' AND jsonb_typeof(" + second + ") = 'array'"
        return "(CASE WHEN " + both + " THEN " + related + " END)"

    def array(self, values: Sequence[Any]) -> Sql:
        """A bound jsonb."""
        return Sql("%s::jsonb", (json.dumps([clean(value) if isinstance(value, str) else value for value in values]),))


def clean(text: str) -> str:
    """PostgreSQL has no NUL in texts; nothing that is kept there has one."""
    return text.replace("\x00", "\ufffd")


def geometry(wkb: bytes) -> Sql:
    """A bound geometry in degrees."""
    return Sql("ST_GeomFromWKB(%s, 4326)", (wkb,))
