"""A database with any number of decided orders, made inside PostgreSQL from varied facts."""

import random
from decimal import Decimal

import orjson
import psycopg

from rules.facts import Fact, FactType, catalogue, facts_as_json
from tests.bench.support import rulesets

DOCUMENTS = 4_000
"""Different facts documents; amounts, people, places and counts vary beyond them."""
WORDS = (
    "尽快发货",
    "不要发顺丰",
    "送到前台",
    "周末在家",
    "生日礼物",
    "发票开公司",
    "加急单",
    "易碎",
)

_ORDERS = """
INSERT INTO orders_order SELECT made.* FROM orders_order model, generate_series(2, %(count)s) n,
LATERAL jsonb_populate_record(model, jsonb_build_object(
    'id', model.id + n - 1, 'number', 'PAST-' || n,
    'goods_total', (n %% 400000) / 100.0, 'grand_total', (n %% 400000) / 100.0)) made
"""
_DECISIONS = """
INSERT INTO orders_screeningdecision
    (order_id, at, cause, ruleset_version, list_versions, facts, outcome, took_us)
SELECT %(first)s + n - 1, %(since)s::timestamptz + n * interval '2 seconds', 'intake', 1, '{}',
    documents.facts || jsonb_build_object(
        'order.grand_total', trim_scale((n %% 400000) / 100.0)::text,
        'order.goods_total', trim_scale((n * 7 %% 500000) / 100.0)::text,
        'customer.account_age_hours', (n * 31 %% 40000)::text,
        'customer.lifetime_spend', trim_scale((n * 13 %% 900000) / 100.0)::text,
        'customer.external_id', 'C-' || n,
        'ship_to.phone', '+86138' || lpad((n %% 100000000)::text, 8, '0'),
        'ship_to.address', '浙江省杭州市余杭区文一西路' || n || '号'),
    %(outcome)s, 250
FROM generate_series(1, %(count)s) n
JOIN documents ON documents.id = n::bigint * 7919 %% %(documents)s
"""


def fill(address: str, decisions: int, since: str = "2024-01-01T00:00:00Z") -> None:
    """Add orders, each decided once, two seconds apart; one order must be there as a model.

    Triggers and foreign keys are passed over: the change feed is none of this benchmark.
    """
    outcome: dict[str, object] = {"intercept": None, "slots": {}, "tags": [], "effects": []}
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        row = connection.execute("SELECT min(id) FROM orders_order").fetchone()
        assert row is not None
        connection.execute("DELETE FROM orders_screeningdecision")
        connection.execute("CREATE TEMPORARY TABLE documents (id int PRIMARY KEY, facts jsonb)")
        with connection.cursor().copy("COPY documents FROM STDIN") as copied:
            for number, facts in enumerate(documents(DOCUMENTS)):
                copied.write_row((number, orjson.dumps(facts).decode()))
        client = psycopg.ClientCursor(connection)
        client.execute(_ORDERS, {"count": decisions})
        client.execute(
            _DECISIONS,
            {
                "first": row[0],
                "since": since,
                "count": decisions,
                "documents": DOCUMENTS,
                "outcome": orjson.dumps(outcome | {"dispatch": True, "matches": []}).decode(),
            },
        )
        connection.execute("VACUUM ANALYZE orders_screeningdecision")
        connection.execute("ANALYZE orders_order")


def documents(count: int, seed: int = 3) -> list[dict[str, object]]:
    """Facts as they are stored, with a value for nearly every fact that the product has."""
    dice = random.Random(seed)
    made = []
    for facts in rulesets.facts(count, seed):
        for fact in catalogue.all():
            if fact.key not in facts and dice.random() < 0.9:
                facts[fact.key] = _value(fact, dice)
        made.append(facts_as_json(facts))
    return made


def _value(fact: Fact, dice: random.Random) -> object:
    if fact.type is FactType.BOOL:
        return dice.random() < 0.1
    if fact.type.is_numeric:
        return Decimal(dice.choice((0, 0, 1, 2, 3, 7)))
    if fact.type is FactType.SET:
        return frozenset(dice.sample(WORDS, dice.randrange(3)))
    return dice.choice(sorted(fact.fixed_choices or WORDS))
