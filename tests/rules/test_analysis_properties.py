"""The analysis against brute force: over small domains every order is tried, and both agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.analysis import Finding, Report, check
from rules.conditions import ListSnapshot
from rules.document import Action, Document, Row, Rule
from rules.evaluation import compile_rules, in_order
from rules.facts import Catalogue, Fact, FactType
from rules.naive import decide_naively
from tests.rules.documents import AT

D = Decimal
FACTS = Catalogue(
    [
        Fact("paid", FactType.BOOL, "paid"),
        Fact("sure", FactType.BOOL, "sure", always=True),
        Fact("units", FactType.NUMBER, "units", whole=True, least=D(1), most=D(4)),
        Fact("share", FactType.NUMBER, "share"),
        Fact("grade", FactType.CHOICE, "grade", choices=(("A", "best"), ("D", "worst"))),
        Fact("remark", FactType.TEXT, "remark"),
        Fact("tags", FactType.SET, "tags"),
    ]
)
LISTS = {
    "block": ListSnapshot("block", 1, {"ab": None, "zz": None}),
    "tags": ListSnapshot("tags", 1, {"x": None, "w": None, "old": AT - timedelta(days=1)}),
}
# One value of every kind that the rows below can tell apart.
ORDERS: dict[str, tuple[Any, ...]] = {
    "paid": (None, False, True),
    "sure": (False, True),
    "units": (None, D(1), D(2), D(3), D(4)),
    "share": (None, D(-1), D(0), D("0.25"), D("0.5"), D(1)),
    "grade": (None, "A", "D"),
    "remark": (None, "", "-", "a", "A", "b", "ab", "AB", "zz", "Zz", "a-b", "-ab"),
    "tags": (
        None,
        *(frozenset(it) for it in ("", "x", "y", "w", "xy", "xw", "yw", "xyw", "X", "Xy")),
    ),
}
MOMENTS = (AT, AT + timedelta(days=1), AT + timedelta(days=2))


def _rows(fact: str, **values: tuple[Any, ...]) -> st.SearchStrategy[Row]:
    """Rows on one fact: every operator with each of its values, and the question if it is there."""
    every = [Row(fact, op, value) for op, wanted in values.items() for value in wanted]
    return st.sampled_from([*every, Row(fact, "is_missing")])


_SIZES = ("lt", "lte", "gt", "gte", "eq", "ne")
_SETS = (("x",), ("y",), ("x", "y"))
ROWS: dict[str, st.SearchStrategy[Row]] = {
    "paid": _rows("paid", is_true=(None,), is_false=(None,), eq=(True, False), ne=(True,)),
    "sure": _rows("sure", is_true=(None,), is_false=(None,)),
    "units": _rows(
        "units",
        **dict.fromkeys(_SIZES, (D(2), D("2.5"), D(4))),
        between=((D(2), D(3)),),
        **{"in": ((D(1), D(4)),), "not_in": ((D(1), D(4)),)},
    ),
    "share": _rows("share", **dict.fromkeys(_SIZES, (D(0), D("0.5"))), between=((D(0), D("0.5")),)),
    "grade": _rows("grade", eq=("A", "D"), ne=("A", "D"), **{"in": (("A", "D"),)}),
    "remark": _rows(
        "remark",
        eq=("a", "ab"),
        ne=("a", "ab"),
        contains_text=("A", "b", "ab"),
        in_list=("block",),
        not_in_list=("block",),
    ),
    "tags": _rows(
        "tags",
        has_any=_SETS,
        has_all=_SETS,
        has_none=_SETS,
        in_list=("tags", "gone"),
        not_in_list=("tags",),
    ),
}
ACTIONS = {
    "intercept": st.sampled_from(
        [(Action("hold", reason="r", risk="low"),), (Action("hold", reason="s", risk="low"),)]
    ),
    "allocate": st.lists(
        st.builds(
            Action,
            st.just("assign"),
            slot=st.sampled_from(["lane", "courier"]),
            value=st.sampled_from(["x", "y"]),
        ),
        min_size=1,
        max_size=2,
        unique_by=lambda action: action.slot,
    ).map(tuple),
    "tag": st.just((Action("tag", tag="t"),)),
    "dispatch": st.just((Action("dispatch"),)),
}


@st.composite
def rule_sets(draw: st.DrawFn, layers: tuple[str, ...] = ("intercept", "allocate")) -> Document:
    """Enough rules over one or two facts to collide, and few enough for brute force to end."""
    facts = draw(st.lists(st.sampled_from([*ORDERS]), min_size=1, max_size=2, unique=True))
    rows = st.one_of([ROWS[fact] for fact in facts])
    groups = st.lists(st.lists(rows, min_size=1, max_size=2).map(tuple), min_size=1, max_size=2)
    windows = draw(st.sampled_from([(None,), (None,), (None, *MOMENTS[1:])]))
    rules = []
    for number in range(draw(st.integers(3, 7))):
        layer = draw(st.sampled_from(layers))
        rules.append(
            Rule(
                key=f"r{number}",
                name=f"rule {number}",
                layer=layer,
                priority=draw(st.integers(1, 2)),
                when=tuple(draw(groups)),
                then=draw(ACTIONS[layer]),
                on_missing=draw(st.sampled_from(["no_match", "no_match", "match"])),
                valid_from=draw(st.sampled_from(windows)),
                valid_until=draw(st.sampled_from(windows)),
            )
        )
    return Document(tuple(rules))


class Brute:
    """Every order over the facts that a document names, at every moment, and who matches it."""

    def __init__(self, document: Document) -> None:
        self.rules = in_order(document.rules)
        named = {row.fact for rule in self.rules for group in rule.when for row in group}
        keys = [key for key in ORDERS if key in named]
        self.orders = [
            dict(zip(keys, values, strict=True))
            for values in product(*(ORDERS[key] for key in keys))
        ]
        matching = {rule.key: self._matching(rule) for rule in self.rules}
        self.of = {
            rule.key: {
                (number, moment)
                for number in matching[rule.key]
                for moment, at in enumerate(MOMENTS)
                if rule.is_valid_at(at)
            }
            for rule in self.rules
        }
        self.ever = matching
        self.every = {(n, m) for n in range(len(self.orders)) for m in range(len(MOMENTS))}
        self.held = self.union("intercept")

    def _matching(self, rule: Rule) -> set[int]:
        alone = Document((replace(rule, valid_from=None, valid_until=None),))
        return {
            number
            for number, facts in enumerate(self.orders)
            if decide_naively(alone, facts, AT, lists=LISTS).matches
        }

    def group_holds(self, rule: Rule, place: int) -> bool:
        return bool(self._matching(replace(rule, when=(rule.when[place],))))

    def union(self, layer: str, slot: str = "", before: Rule | None = None) -> set[tuple[int, int]]:
        """Orders that some rule of the layer, or that sets the slot, takes."""
        found: set[tuple[int, int]] = set()
        for rule in self.rules:
            if rule is before:
                break
            if rule.layer == layer and (not slot or slot in slots_of(rule)):
                found |= self.of[rule.key]
        return found


def slots_of(rule: Rule) -> dict[str, str]:
    return {action.slot: action.value for action in rule.then if action.do == "assign"}


def of_kind(report: Report, kind: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == kind]


def subjects(report: Report, kind: str) -> set[str]:
    return {finding.rules[0] for finding in of_kind(report, kind)}


def checked(document: Document, **options: Any) -> Report:
    report = check(document, LISTS, at=AT, catalogue=FACTS, **options)
    assert report.complete
    assert report.undecided == ()
    return report


def expected(brute: Brute) -> dict[str, set[Any]]:
    """What brute force finds, in the terms of the findings."""
    found: dict[str, set[Any]] = {
        kind: set()
        for kind in ("contradictory", "never", "shadowed", "slot", "unreachable", "mixed")
    }
    for rule in brute.rules:
        held = [brute.group_holds(rule, place) for place in range(len(rule.when))]
        vacant = [_is_vacant(group) for group in rule.when]
        found["contradictory"] |= {
            (rule.key, place) for place, holds in enumerate(held) if not holds and not vacant[place]
        }
        if not any(held) and not any(vacant):
            found["never"].add(rule.key)
        ours = brute.of[rule.key]
        if not ours:
            continue
        if rule.layer == "intercept":
            places = {"": brute.union("intercept", before=rule)}
        elif rule.layer == "dispatch":
            places = {"": brute.union("dispatch", before=rule)}
        elif rule.layer == "allocate":
            places = {slot: brute.union("allocate", slot, rule) for slot in slots_of(rule)}
        else:
            places = {}
        taken = [slot for slot, before in places.items() if ours <= before]
        if taken and len(taken) == len(places):
            found["shadowed"].add(rule.key)
        else:
            found["slot"] |= {(rule.key, slot) for slot in taken}
        if rule.layer != "intercept":
            if ours <= brute.held:
                found["unreachable"].add(rule.key)
            elif (
                places
                and len(taken) < len(places)
                and all(ours <= before | brute.held for before in places.values())
            ):
                found["mixed"].add(rule.key)
    return found


def _is_vacant(group: tuple[Row, ...]) -> bool:
    return any(row.op in ("in_list", "not_in_list") and row.value == "gone" for row in group)


# Brute force over three facts and a machine at work on other things: no example is slow alone.
thorough = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@thorough
@given(rule_sets(tuple(ACTIONS)))
def test_brute_force_agrees_on_rules_that_never_act(document):
    brute, report = Brute(document), checked(document)
    wanted = expected(brute)

    repeated = subjects(report, "duplicate")
    shadowed, slots = subjects(report, "shadowed"), of_kind(report, "shadowed_slot")

    assert {(it.rules[0], it.group) for it in of_kind(report, "contradictory_group")} == wanted[
        "contradictory"
    ] - {(r.key, p) for r in brute.rules for p, g in enumerate(r.when) if _is_vacant(g)}
    assert subjects(report, "never_matches") == wanted["never"]
    assert subjects(report, "unreachable") == wanted["unreachable"] | wanted["mixed"]
    assert shadowed - repeated == wanted["shadowed"] - repeated
    assert shadowed <= wanted["shadowed"]
    assert {(it.rules[0], it.slot) for it in slots} == wanted["slot"]


@thorough
@given(rule_sets())
def test_the_rules_named_do_take_everything_and_none_could_be_left_out(document):
    brute, report = Brute(document), checked(document)
    layer_of = {rule.key: rule.layer for rule in brute.rules}

    for finding in of_kind(report, "shadowed") + of_kind(report, "shadowed_slot"):
        subject, *cover = finding.rules
        assert {layer_of[key] for key in cover} == {layer_of[subject]}
        slots: Any = finding.detail.get("slots") or {finding.slot: cover}
        for keys in slots.values():
            _assert_least_cover(brute, subject, keys)
    for finding in of_kind(report, "unreachable"):
        subject, *cover = finding.rules
        assert brute.of[subject] <= set().union(*(brute.of[key] for key in cover))


def _assert_least_cover(brute: Brute, subject: str, keys: list[str]) -> None:
    assert brute.of[subject] <= set().union(*(brute.of[key] for key in keys))
    for left_out in keys:
        others = [brute.of[key] for key in keys if key != left_out]
        assert not brute.of[subject] <= set().union(*others)


@thorough
@given(rule_sets())
def test_the_rows_named_contradict_and_none_could_be_left_out(document):
    brute, report = Brute(document), checked(document)
    by_key = {rule.key: rule for rule in brute.rules}

    for finding in of_kind(report, "contradictory_group"):
        rule = by_key[finding.rules[0]]
        rows = tuple(rule.when[place.group][place.row] for place in finding.rows)
        assert rows
        assert not brute._matching(replace(rule, when=(rows,)))
        for row in rows:
            fewer = tuple(other for other in rows if other is not row)
            assert not fewer or brute._matching(replace(rule, when=(fewer,)))


@thorough
@given(rule_sets(("intercept", "allocate", "allocate", "allocate")))
def test_brute_force_agrees_on_pairs(document):
    brute, report = Brute(document), checked(document)
    tied: dict[tuple[frozenset[str], str], bool] = {}
    repeated: set[frozenset[str]] = set()
    for number, rule in enumerate(brute.rules):
        for other in brute.rules[number + 1 :]:
            if rule.layer != other.layer:
                continue
            both = brute.of[rule.key] & brute.of[other.key]
            pair = frozenset({rule.key, other.key})
            same = brute.of[rule.key] == brute.of[other.key]
            if both and same and frozenset(rule.then) == frozenset(other.then):
                repeated.add(pair)
            if not both or rule.priority != other.priority:
                continue
            for slot, value in slots_of(rule).items():
                if slots_of(other).get(slot, value) != value:
                    free = both - brute.held - brute.union("allocate", slot, rule)
                    tied[pair, slot] = bool(free)

    found = {
        (frozenset(it.rules), it.slot): it.detail["decides"]
        for it in of_kind(report, "equal_priority")
    }
    assert found == tied
    assert {frozenset(it.rules) for it in of_kind(report, "duplicate")} == repeated


@thorough
@given(rule_sets(("intercept", "allocate", "dispatch")))
def test_brute_force_agrees_on_gaps(document):
    brute, report = Brute(document), checked(document)
    wanted = set()
    for slot in {slot for rule in brute.rules for slot in slots_of(rule)}:
        if brute.every - brute.held - brute.union("allocate", slot):
            wanted.add(slot)
    pushes = any(rule.layer == "dispatch" for rule in brute.rules)
    if pushes and brute.every - brute.held - brute.union("dispatch"):
        wanted.add("")

    assert {finding.slot for finding in of_kind(report, "gap")} == wanted


@thorough
@given(rule_sets(("intercept", "allocate", "dispatch")))
def test_brute_force_agrees_on_windows_that_never_meet(document):
    brute, report = Brute(document), checked(document)
    wanted = {}
    for number, rule in enumerate(brute.rules):
        for other in brute.rules[number + 1 :]:
            valid = [{at for at in MOMENTS if one.is_valid_at(at)} for one in (rule, other)]
            if rule.layer != other.layer or not all(valid) or valid[0] & valid[1]:
                continue
            if not brute.ever[rule.key] or not brute.ever[other.key]:
                continue
            shared = [slot for slot in slots_of(other) if slot in slots_of(rule)]
            contested = [slot for slot in shared if slots_of(rule)[slot] != slots_of(other)[slot]]
            if (
                contested
                and rule.priority == other.priority
                and brute.ever[rule.key] & brute.ever[other.key]
            ):
                wanted[other.key, rule.key] = "equal_priority"
            elif (shared or rule.layer != "allocate") and (
                brute.ever[other.key] <= brute.ever[rule.key]
            ):
                wanted[other.key, rule.key] = "shadowed"

    assert {it.rules: it.detail["would"] for it in of_kind(report, "windows_apart")} == wanted


@thorough
@given(rule_sets(tuple(ACTIONS)))
def test_every_witness_proves_its_finding_in_the_compiled_rules(document):
    report = checked(document)
    compiled = compile_rules(document, LISTS)
    by_key = {rule.key: rule for rule in document.rules}

    def matches(key: str, facts: dict[str, object], at: Any) -> bool:
        return bool(compile_rules(Document((by_key[key],)), LISTS).decide(facts, at).matches)

    for finding in report.findings:
        if finding.witness is None:
            continue
        facts, errors = FACTS.read(finding.witness)
        assert not errors
        assert finding.at is not None
        decision = compiled.decide(facts, finding.at)
        assert decision == decide_naively(document, facts, finding.at, lists=LISTS)
        acted = {match.rule_key for match in decision.matches}
        subject = finding.rules[0] if finding.rules else ""
        if finding.kind == "gap":
            assert decision.intercept is None
            assert finding.slot not in decision.slots if finding.slot else not decision.dispatch
            continue
        assert matches(subject, facts, finding.at)
        if finding.kind == "unreachable":
            assert subject not in acted
        elif finding.kind in ("shadowed", "shadowed_slot"):
            assert matches(str(finding.detail["taken_by"]), facts, finding.at)
            if finding.kind == "shadowed":
                assert subject not in acted
            else:
                assert decision.slots.get(finding.slot, ("", ""))[1] != subject
        else:
            other = finding.rules[1]
            assert matches(other, facts, finding.at)
            if finding.kind == "equal_priority" and finding.detail["decides"]:
                assert decision.slots[finding.slot][1] == finding.detail["winner"]


@thorough
@given(rule_sets(), st.integers(0, 5))
def test_the_focus_shows_what_the_whole_says_of_that_rule_and_the_overlaps(document, number):
    key = document.rules[number % len(document.rules)].key
    whole, about = checked(document), checked(document, focus=key)

    def named(report: Report) -> set[tuple[Any, ...]]:
        return {
            (it.kind, it.level, it.rules, it.group, it.rows, it.slot)
            for it in report.findings
            if key in it.rules and it.kind != "overlap"
        }

    assert named(about) == named(whole)
    assert all(key in finding.rules for finding in about.findings)
    assert not of_kind(whole, "overlap")
