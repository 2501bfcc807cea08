"""Texts that people write to slip through, to slow down or to break out: none of them does."""

import random
import time
import unicodedata

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from orders.lifecycle.placing import place_orders
from orders.models import Hold, Order
from rules import lifecycle, live
from rules.conditions import ListSnapshot, contains_text
from rules.evaluation import compile_rules
from rules.facts import catalogue
from rules.normalization import skeleton
from rules.parsing import parse_document
from rules.sentences import masked, sentence_for_match, sentence_for_rule
from rules.trace import trace
from rules.trace_sentences import trace_sentences
from tests.factories import order_document
from tests.orders.desk import SHOP
from tests.rules.documents import AT, document, row, rule
from tests.rules.test_normalization import mutated

BLOCKED = {
    "ship_to.phone": "+8613912345678",
    "ship_to.address": "浙江省杭州市余杭区文一西路969号3幢B座1204室",
    "ship_to.name": "职业索赔人Lee",
    "customer.external_id": "VIP-Buyer_0042",
}
BIDI = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def hostile(text: str, rng: random.Random) -> str:
    """The text mutated, wrapped in direction marks, and perhaps decomposed."""
    text = mutated(text, rng)
    if rng.random() < 0.3:
        text = unicodedata.normalize(rng.choice(["NFD", "NFKD", "NFC"]), text)
    for _count in range(rng.randrange(3)):
        place = rng.randrange(len(text) + 1)
        text = text[:place] + rng.choice(BIDI) + text[place:]
    return text


@pytest.mark.parametrize("fact", BLOCKED)
def test_an_entry_written_a_thousand_ways_is_found_by_the_rules(fact: str) -> None:
    rng = random.Random(fact)
    entry = BLOCKED[fact]
    lists = {"blocklist": ListSnapshot("blocklist", 1, {skeleton(entry): None})}
    rules = parse_document(
        document(rule("r", when=[[row(fact, "in_list", "blocklist")]])), catalogue
    )
    compiled = compile_rules(rules, lists)

    texts = {hostile(entry, rng) for _ in range(1_000)}
    missed = [text for text in texts if compiled.decide({fact: text}, AT).intercept is None]

    assert len(texts) > 990
    assert missed == []
    assert compiled.decide({fact: f"{entry}9"}, AT).intercept is None


@pytest.mark.parametrize("fact", BLOCKED)
def test_the_entry_may_be_written_oddly_as_well(fact: str) -> None:
    rng = random.Random(fact)
    rules = parse_document(
        document(rule("r", when=[[row(fact, "in_list", "blocklist")]])), catalogue
    )

    for _count in range(100):
        lists = {
            "blocklist": ListSnapshot("blocklist", 1, {skeleton(hostile(BLOCKED[fact], rng)): None})
        }
        assert compile_rules(rules, lists).decide({fact: BLOCKED[fact]}, AT).intercept is not None


@pytest.mark.django_db
@pytest.mark.usefixtures("world")
def test_a_blocked_address_and_buyer_are_found_through_intake() -> None:
    """Numbers of customers may hold letters and marks only; the street takes any text."""
    blocklist = lifecycle.create_list("blocklist", "blocklist", "user:a")
    street = "文一西路969号B座1204室"
    phone = "+8613912345678"
    lifecycle.add_list_entries(blocklist, [street, phone], "user:a")
    live.forget()
    rng = random.Random(7)
    phones = [
        "".join(
            chr(rng.choice([0xFF10, 0x0660, 0x06F0, 0x0966]) + int(char))
            if char.isdigit() and rng.random() < 0.6
            else char
            for char in rng.choice(["13912345678", "+86 139 1234 5678", "0086-139-1234-5678"])
        )
        for _count in range(150)
    ]
    documents = [
        order_document(f"S-{n}", ship_to={"street": hostile(street, rng)[:255]}, paid_at=None)
        for n in range(150)
    ] + [
        order_document(f"P-{n}", ship_to={"phone": phone}, paid_at=None)
        for n, phone in enumerate(phones)
    ]

    placed = place_orders(documents, actor=SHOP)

    refused = [answer.errors for answer in placed if answer.errors]
    assert refused == []
    held = set(Hold.objects.filter(owner="rule").values_list("order__number", "rule_key"))
    expected = {(f"S-{n}", "blocklist-address") for n in range(150)}
    expected |= {(f"P-{n}", "blocklist-phone") for n in range(150)}
    assert held == expected
    assert set(Order.objects.values_list("state", flat=True)) == {"on_hold"}


CATASTROPHIC = [
    ("a" * 2_000, "(a+)+$"),
    ("a" * 2_000 + "!", "a" * 60 + "b"),
    ("ab" * 1_000, "(ab)*c"),
    ("\u0301" * 2_000, "\u0301e"),
    ("a" + "\u0301\u0336\u20e0" * 660, "aa"),
    ("\u202e" * 2_000, "x"),
    ("﷽" * 2_000, "﷼"),
    ("①②③❹" * 500, "1234" * 10 + "5"),
    ("ﬃ" * 2_000, "ffiffj"),
    ("İ" * 2_000, "i̇" * 50 + "j"),
    ("文" * 2_000, "文" * 60 + "武"),
]


@pytest.mark.parametrize(("seen", "wanted"), CATASTROPHIC)
def test_searching_in_text_takes_bounded_time(seen: str, wanted: str) -> None:
    began = time.perf_counter()
    for _count in range(20):
        contains_text(seen, wanted, AT)
    spent = time.perf_counter() - began

    assert spent < 2.0, f"{spent / 20 * 1000:.0f} ms a search"


def test_time_grows_with_the_text_and_no_faster() -> None:
    def seconds(times: int) -> float:
        text = "ﷺe\u0301\u202e" * 250 * times
        best = min(_timed(text) for _count in range(5))
        return best

    def _timed(text: str) -> float:
        began = time.perf_counter()
        skeleton(text)
        return time.perf_counter() - began

    assert seconds(16) < seconds(1) * 16 * 4


@given(st.text(max_size=60), st.text(max_size=6))
def test_pattern_characters_are_only_characters(seen: str, wanted: str) -> None:
    assert contains_text(seen, wanted, AT) == (skeleton(wanted) in skeleton(seen))


@pytest.mark.parametrize("pattern", [".*", "^a", "[a-z]", "a|b", "(?i)a", "\\w+", "a{2}"])
def test_a_pattern_is_searched_literally(pattern: str) -> None:
    assert contains_text("aab", pattern, AT) is False
    assert contains_text(f"x{pattern}y", pattern, AT) is True


TEMPLATES = [
    "{x.__class__}",
    "{0.__globals__}",
    "{{1103*7919}}",
    "%(seen)s",
    "%s%n",
    "${1103*7919}",
    "#{7}",
]


@pytest.mark.django_db
@pytest.mark.parametrize("text", TEMPLATES)
def test_what_looks_like_a_template_stays_as_it_was_written(text: str) -> None:
    held = rule(
        "r",
        name=f"name {text}",
        when=[[row("order.buyer_remark", "contains_text", text)]],
        then=[{"do": "hold", "reason": f"reason {text}", "risk": "low"}],
    )
    failed = rule("f", priority=200, when=[[row("order.buyer_remark", "eq", f"other {text}")]])
    read = parse_document(document(held, failed), catalogue)
    facts = {"order.buyer_remark": f"please {text}"}

    match = compile_rules(read).decide(facts, AT).intercept
    assert match is not None
    traced = trace(read, facts, AT, {})
    with translation.override("en"):
        rules = [sentence_for_rule(one) for one in read.rules]
        told = [sentence_for_match(match), rules[0], *trace_sentences(traced)]

    assert f"“name {text}”: reason {text}" in told[0]
    assert f"reason {text}" in told[1]
    assert f"(here “please {text}”)" in told[2] or f"“please {text}”" in told[2]
    assert f"“other {text}”" in told[3]
    assert f"“please {text}”" in told[3]
    assert "8734657" not in " ".join(told)


def test_masking_never_shows_the_whole_of_a_value() -> None:
    rng = random.Random(3)
    for value in [*BLOCKED.values(), "+8613912345678", "林婷", "a", "abcdefgh", "李"]:
        text = hostile(value, rng)
        if len(text) > 1:
            assert masked(text) != text
            assert len(masked(text).replace("*", "")) < max(2, len(text))
