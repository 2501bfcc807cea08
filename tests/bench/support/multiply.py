"""A small shop's orders many times over, made inside PostgreSQL with all that hangs on them."""

from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import models
from psycopg import sql

SECONDS_APART = 720.0
"""How much later each copy of the shop's day happened than the one before."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table: how many rows the small shop has in it, and above which id copies begin."""

    model: type[models.Model]
    rows: int
    base: int

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def kept(self) -> str:
        return f"small_{self.table}"


def _tables() -> tuple[Any, ...]:
    from orders import models as orders

    return (
        *(orders.Customer, orders.Order, orders.OrderLine, orders.Hold, orders.ScreeningDecision),
        *(orders.Effect, orders.TimelineEntry, orders.Waiver, orders.Shipment),
        *(orders.ShipmentLine, orders.StopRequest),
    )


def make_room(address: str, copies: int) -> None:
    """Number what the product stores from here on above so many copies; before the first copy."""
    with psycopg.connect(address, autocommit=True) as connection:
        for model in _tables():
            part = _part(connection, model)
            connection.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                (part.table, part.base + (copies + 1) * part.rows + 1),
            )


def multiply(address: str, copies: int, *, already: int = 0) -> None:
    """Bring the small shop to `copies` more of itself, `already` of which are there.

    The newest copy happened just now, each one before it twelve minutes earlier. Triggers and
    foreign keys are passed over: references follow by arithmetic, ids are dense, and numbers get
    the copy's number as an ending.
    """
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        parts = {model: _part(connection, model) for model in _tables()}
        for part in parts.values():
            if part.rows:
                _copy(connection, part, parts, already + 1, copies)
                connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(part.table)))


def _part(connection: psycopg.Connection[Any], model: type[models.Model]) -> Part:
    """Keep the small shop's rows aside, once, with a dense number each."""
    kept = Part(model, 0, 0).kept
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} AS SELECT *, row_number() OVER (ORDER BY id) AS place"
            " FROM {}"
        ).format(sql.Identifier(kept), sql.Identifier(model._meta.db_table))
    )
    found = connection.execute(
        sql.SQL("SELECT count(*), coalesce(max(id), 0) FROM {}").format(sql.Identifier(kept))
    ).fetchone()
    assert found is not None
    return Part(model, *found)


def _copy(
    connection: psycopg.Connection[Any],
    part: Part,
    parts: dict[Any, Part],
    first: int,
    last: int,
) -> None:
    columns, values, joins = [], [], []
    for field in part.model._meta.concrete_fields:
        assert field.column is not None
        columns.append(sql.Identifier(field.column))
        own = sql.Identifier("small", field.column)
        other = parts.get(field.related_model)
        if field.primary_key:
            values.append(_shifted(part, sql.Identifier("small", "place")))
        elif other is not None:
            alias = f"to_{field.column}"
            values.append(_shifted(other, sql.Identifier(alias, "place")))
            joins.append(
                sql.SQL(" LEFT JOIN {} AS {} ON {} = {}").format(
                    sql.Identifier(other.kept),
                    sql.Identifier(alias),
                    sql.Identifier(alias, "id"),
                    own,
                )
            )
        else:
            values.append(_value(field, own, last))
    connection.execute(
        sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM generate_series({}, {}) AS copy, {} AS small{}"
        ).format(
            sql.Identifier(part.table),
            sql.SQL(", ").join(columns),
            sql.SQL(", ").join(values),
            sql.Literal(first),
            sql.Literal(last),
            sql.Identifier(part.kept),
            sql.Composed(joins),
        )
    )


def _shifted(part: Part, place: sql.Composable) -> sql.Composable:
    return sql.SQL("{} + (copy - 1) * {}::bigint + {}").format(
        sql.Literal(part.base), sql.Literal(part.rows), place
    )


def _value(field: Any, own: sql.Composable, last: int) -> sql.Composable:
    """The column as it is, but times move on, ids are new, and names say which copy they are of."""
    if isinstance(field, models.DateTimeField):
        return sql.SQL("{} - ({} - copy) * make_interval(secs => {})").format(
            own, sql.Literal(last), sql.Literal(SECONDS_APART)
        )
    if isinstance(field, models.UUIDField):
        return sql.SQL("gen_random_uuid()")
    if field.name == "phone":
        return sql.SQL("'+86138' || lpad((copy * 1000 + small.place)::text, 8, '0')")
    if field.name in ("number", "external_id", "idempotency_key", "parent_number"):
        return sql.SQL("CASE WHEN {0} = '' THEN '' ELSE {0} || '-' || copy END").format(own)
    return own
