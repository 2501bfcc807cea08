"""Whether the demo may use this database, and giving it an empty one."""

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

MARKER = "sluice_demo"
# Rows in one of these are somebody's work.
TELLING = (
    *("orders_order", "orders_customer", "orders_sku", "rules_ruleset"),
    *("auth_user", "changefeed_apikey", "changefeed_endpoint"),
)


class NotOurs(Exception):
    """The database holds what no demo made; the message says how to go on."""


def is_demo() -> bool:
    """Whether an earlier demo made what is in the database."""
    return MARKER in connection.introspection.table_names()


def make_ready() -> bool:
    """Empty, migrated and marked; True when an earlier demo's data went.

    Raises NotOurs, with nothing changed, when the database holds anything that no demo made.
    """
    was_demo = is_demo()
    if was_demo:
        _empty()
    elif not _is_untouched():
        raise NotOurs(
            _(
                "The database %(name)s holds data that no demo made, so the demo leaves it alone. "
                "Give the demo an empty one: set DATABASE_URL to it, or set SLUICE_DATA_DIR to "
                "another directory for an embedded one."
            )
            % {"name": connection.settings_dict["NAME"]}
        )
    call_command("migrate", verbosity=0, interactive=False)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {MARKER} (made_at timestamptz NOT NULL DEFAULT now())")
    return was_demo


def _is_untouched() -> bool:
    """No table at all, or the freshly migrated ones of ours."""
    tables = set(connection.introspection.table_names())
    if not tables:
        return True
    if "django_migrations" not in tables or not tables.issuperset(TELLING):
        return False
    found = " UNION ALL ".join(f"(SELECT 1 FROM {table} LIMIT 1)" for table in TELLING)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({found})")
        return not cursor.fetchone()[0]


def _empty() -> None:
    """Drop everything: faster than deleting, and old sequences and partitions go as well."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            name = connection.ops.quote_name(cursor.fetchone()[0])
            cursor.execute(f"DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}")
    except DatabaseError as error:
        raise NotOurs(
            _("The earlier demo cannot be removed from the database %(name)s: %(why)s")
            % {"name": connection.settings_dict["NAME"], "why": error}
        ) from error
    # Prepared plans and cached types of the dropped schema must not be used again.
    connection.close()
