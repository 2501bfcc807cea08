"""Conflicts planted among generated rules, and the findings that must name them."""

from typing import Any

from tests.bench.support.rulesets import rules_json

EACH = 10
"""So many of every kind."""
Expected = set[tuple[str, str]]
"""(kind, key of the subject)"""


def planted(count: int, seed: int = 1) -> tuple[dict[str, Any], Expected, set[str]]:
    """A document of `count` rules, what must be found in it, and keys of sound look-alikes."""
    rules: list[dict[str, Any]] = []
    expected: Expected = set()
    sound: set[str] = set()
    for number in range(EACH):
        more, found, fine = _conflicts(number)
        rules += more
        expected |= found
        sound |= fine
    return {"rules": [*rules_json(count - len(rules), seed)["rules"], *rules]}, expected, sound


def _conflicts(number: int) -> tuple[list[dict[str, Any]], Expected, set[str]]:
    def sku(kind: str) -> dict[str, object]:
        return _row("goods.skus", "has_any", [f"{kind}-{number}"])

    def key(kind: str) -> str:
        return f"planted-{kind}-{number}"

    def rule(kind: str, layer: str, *rows: dict[str, object], **fields: object) -> dict[str, Any]:
        then: dict[str, dict[str, object]] = {
            "intercept": {"do": "hold", "reason": kind},
            "allocate": {"do": "assign", "slot": "lane", "value": kind},
            "tag": {"do": "tag", "tag": f"{number}"},
        }
        named: dict[str, Any] = {"key": key(kind), "name": kind, "layer": layer}
        return named | {"priority": 5_000, "when": [list(rows)], "then": [then[layer]]} | fields

    cheap = _row("order.grand_total", "lt", 100)
    dear = _row("order.grand_total", "gte", 100)
    middle = _row("order.grand_total", "between", [10, 20])
    urgent = _row("order.urgent", "is_true")
    # One order may hold SKUs of several pairs, so only the rules of a pair share a priority.
    tied, apart = {"priority": 6_000 + number}, {"priority": 7_000 + number}
    rules = [
        rule("never", "tag", sku("n"), cheap, dear),
        rule("contradictory", "tag", when=[[sku("c")], [sku("c"), cheap, dear]]),
        rule("broad", "intercept", sku("b")),
        rule("narrow", "intercept", sku("b"), dear, priority=5_001),
        rule("cheap", "intercept", sku("u"), cheap),
        rule("dear", "intercept", sku("u"), dear),
        rule("either", "intercept", sku("u"), priority=5_001),
        rule("open", "intercept", sku("o"), cheap),
        rule("wider", "intercept", sku("o"), priority=5_001),
        rule("east", "allocate", sku("e"), urgent, **tied),
        rule("west", "allocate", sku("e"), dear, **tied),
        rule("early", "allocate", sku("f"), cheap, **apart),
        rule("late", "allocate", sku("f"), dear, **apart),
        rule("written", "tag", sku("w"), middle),
        rule(
            "rewritten",
            "tag",
            sku("w"),
            _row("order.grand_total", "gte", 10),
            _row("order.grand_total", "lte", 20),
        ),
        rule("stop", "intercept", sku("s")),
        rule("stopped", "tag", sku("s"), urgent),
        rule("over", "tag", sku("t"), valid_until="2026-01-01T00:00:00+08:00"),
    ]
    expected = {
        ("never_matches", key("never")),
        ("contradictory_group", key("never")),
        ("contradictory_group", key("contradictory")),
        ("shadowed", key("narrow")),
        ("shadowed", key("either")),
        ("equal_priority", key("east")),
        ("duplicate", key("written")),
        ("unreachable", key("stopped")),
        ("window_over", key("over")),
    }
    return rules, expected, {key(kind) for kind in ("broad", "wider", "early", "late", "stop")}


def _row(fact: str, op: str, value: object = None) -> dict[str, object]:
    return {"fact": fact, "op": op} | ({} if value is None else {"value": value})
