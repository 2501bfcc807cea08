"""What the anti-fraud pack would have held lately, over past cases and beside the live rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.core.cache import cache

from rules import fraud, history
from rules.document import Document, Rule
from rules.evaluation import compile_rules
from rules.facts import catalogue
from rules.live import load_lists
from rules.storage import digest_of

DAYS = 7
MOST = 10_000
"""At most so many of the latest cases are asked, lest the page takes long."""
EXAMPLES = 5
KEPT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class FraudReach:
    """`held` cases worth `amount` would have been held with the pack on and not with it off.

    `cases` were asked, `is_cut` says that there were more; `rules` are (name, cases) of the
    pack, most first; `examples` are ids of the latest of them.
    """

    cases: int
    held: int
    amount: Decimal
    rules: tuple[tuple[str, int], ...]
    examples: tuple[int, ...]
    is_cut: bool

    @property
    def amount_text(self) -> str:
        """The amount with its thousands set apart."""
        return f"{self.amount:,.2f}"


def fraud_reach(live: Document, shipped: Sequence[Rule], now: datetime) -> FraudReach:
    """What turning the pack on would have held in the last seven days; kept for five minutes."""
    with_it = fraud.with_pack(live, shipped, on=True)
    key = f"fraud-reach:{digest_of(with_it.as_json())}:{digest_of(live.as_json())}"
    found: FraudReach | None = cache.get(key)
    if found is None:
        found = _count(live, with_it, now)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _count(live: Document, with_it: Document, now: datetime) -> FraudReach:
    lists = load_lists(with_it)
    on = compile_rules(with_it, lists)
    off = compile_rules(fraud.with_pack(live, (), on=False), lists)
    names = {rule.key: rule.name for rule in with_it.rules}
    rules: Counter[str] = Counter()
    examples: list[int] = []
    amount, asked, held = Decimal(0), 0, 0
    recent = history.source().recent(MOST)
    for case in recent:
        if case.at < now - timedelta(days=DAYS):
            break
        asked += 1
        facts, _errors = catalogue.read(case.facts)
        match = on.decide(facts, case.at).intercept
        if match is None or not match.rule_key.startswith(fraud.PREFIX):
            continue
        if off.decide(facts, case.at).intercept is not None:
            continue
        held += 1
        amount += case.amount
        rules[names[match.rule_key]] += 1
        if len(examples) < EXAMPLES:
            examples.append(case.id)
    is_cut = asked == len(recent) == MOST
    return FraudReach(asked, held, amount, tuple(rules.most_common()), tuple(examples), is_cut)
