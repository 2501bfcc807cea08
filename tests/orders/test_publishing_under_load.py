"""Rules are published while orders arrive: nothing fails, no order sees half a version."""

import threading
from typing import Any

import pytest
from django.db import connection

from orders.lifecycle.placing import Outcome, Placed, place_order
from orders.models import Order, ScreeningDecision
from rules import lifecycle, live
from rules.evaluation import compile_rules
from rules.facts import catalogue
from rules.loading import load_lists
from rules.models import RuleSet
from rules.parsing import parse_document
from tests.factories import order_document
from tests.orders.acting import PAID, SHOP, assign_rule, hold_rule

PLACERS, ORDERS_EACH, VERSIONS = 4, 40, 12


def rules_of(number: int) -> dict[str, Any]:
    """A version of many rules whose outcome names its number in every layer."""
    limit = 100 if number % 2 else 100_000
    rules = [
        hold_rule(f"hold-{number}", "order.grand_total", "gte", limit),
        assign_rule(f"lane-{number}", f"lane-{number}", slot="lane"),
        {
            "key": f"tag-{number}",
            "layer": "tag",
            "when": [[{"fact": "order.is_paid", "op": "is_true"}]],
            "then": [{"do": "tag", "tag": f"tag-{number}"}],
        },
        *(hold_rule(f"idle-{n}", "order.grand_total", "gt", 1_000_000 + n) for n in range(40)),
        PAID,
    ]
    return {"rules": [{"priority": 10, "name": rule["key"]} | rule for rule in rules]}


@pytest.mark.django_db(transaction=True)
def test_every_order_is_decided_by_one_version_while_versions_come_and_go(world: None) -> None:
    lifecycle.publish(lifecycle.import_document(rules_of(1), "system"), "system")
    live.forget()
    answers: list[Placed | Exception] = []
    done = threading.Event()

    def place(placer: int) -> None:
        try:
            for turn in range(ORDERS_EACH):
                amount = "99.00" if turn % 2 else "300.00"
                document = order_document(f"L-{placer}-{turn}", lines=[("TEA-1", 1, amount)])
                answers.append(place_order(document, actor=SHOP))
        except Exception as error:
            answers.append(error)
        finally:
            connection.close()

    def flip() -> None:
        try:
            number = 1
            while not done.is_set() and number < VERSIONS:
                number += 1
                draft = lifecycle.import_document(rules_of(number), "system")
                lifecycle.publish(draft, "system")
                if number % 3 == 0:
                    earlier = RuleSet.objects.filter(state="retired").order_by("version").last()
                    assert earlier is not None
                    lifecycle.rollback_to(earlier, "system")
        finally:
            connection.close()

    threads = [threading.Thread(target=place, args=(n,)) for n in range(PLACERS)]
    flipping = threading.Thread(target=flip)
    for thread in (*threads, flipping):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    flipping.join()

    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert {answer.outcome for answer in answers} == {Outcome.CREATED}  # type: ignore[union-attr]
    assert Order.objects.count() == PLACERS * ORDERS_EACH
    used = set()
    compiled: dict[int, Any] = {}
    for decision in ScreeningDecision.objects.all():
        version = decision.ruleset_version
        if version not in compiled:
            ruleset = RuleSet.objects.get(version=version)
            document = parse_document(ruleset.document, catalogue)
            compiled[version] = compile_rules(document, load_lists(document))
        facts, errors = catalogue.read(decision.facts)
        assert errors == []
        again = compiled[version].decide(facts, decision.at)
        assert again.as_json() == decision.outcome
        used.add(version)
    assert len(used) > 1
