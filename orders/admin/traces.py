"""A decision's trace as pages show it: layer by layer, what acted first, the rest folded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from orders.decision_trace import trace_of_decision
from orders.models import ScreeningDecision
from rules import live
from rules.history_trace import PastTrace
from rules.models import Rule
from rules.models.rulesets import Layer
from rules.sentences import action_phrase
from rules.trace import TracedRule
from rules.trace_sentences import trace_sentences
from rules.wording import LAYER_HINTS

FEWEST_TO_SEARCH = 12
OUTCOME_LABELS = {
    "matched": _("acted"),
    "not_applied": _("not applied"),
    "watched": _("only watching"),
    "not_matched": _("not matched"),
}


@dataclass(frozen=True, slots=True)
class ShownRule:
    """A rule of a trace; `sentence` says why, `actions` what it did or (not `acted`) would have."""

    name: str
    url: str
    outcome: str
    label: str
    sentence: str
    acted: bool
    actions: list[str]


@dataclass(frozen=True, slots=True)
class ShownLayer:
    """A layer from the top: the rules whose conditions held, then all others."""

    number: int
    name: str
    hint: str
    held: list[ShownRule]
    others: list[ShownRule]


@dataclass(frozen=True, slots=True)
class ShownTrace:
    """The whole trace; `changed_lists` are names of lists that are not what they were."""

    layers: list[ShownLayer]
    changed_lists: list[str]
    count: int

    @property
    def is_searched(self) -> bool:
        """Whether there are so many rules that one wants to search them."""
        return self.count >= FEWEST_TO_SEARCH


def shown_trace(decision: ScreeningDecision | None, *, with_links: bool) -> ShownTrace | None:
    """The trace of a decision in sentences; None when there is none. Links need rules.view_rule."""
    past = trace_of_decision(decision) if decision is not None else None
    if decision is None or past is None:
        return None
    return ShownTrace(
        _layers(past, _pages(decision.ruleset_version) if with_links else {}),
        [live.list_name(key) for key in past.changed_lists],
        len(past.rules),
    )


def _pages(version: int) -> dict[str, str]:
    """Addresses of the pages of the version's rules, by rule key."""
    rules = Rule.objects.filter(ruleset__version=version).values_list("key", "pk")
    return {key: reverse("admin:rules_rule_change", args=(pk,)) for key, pk in rules}


def _layers(past: PastTrace, pages: dict[str, str]) -> list[ShownLayer]:
    told = zip(past.rules, trace_sentences(past.rules), strict=True)
    layers = []
    for layer, pairs in groupby(told, key=lambda pair: pair[0].layer):
        shown = [(one, _rule(one, sentence, pages)) for one, sentence in pairs]
        layers.append(
            ShownLayer(
                Layer.values.index(layer) + 1,
                str(Layer(layer).label),
                str(LAYER_HINTS[layer]),
                _those(shown, held=True),
                _those(shown, held=False),
            )
        )
    return layers


def _rule(one: TracedRule, sentence: str, pages: dict[str, str]) -> ShownRule:
    acted = one.outcome == "matched"
    # What lost its slot did nothing, and the sentence names who did.
    done = (
        [action for action in one.match.actions if action.slot not in one.slots]
        if one.match
        else []
    )
    return ShownRule(
        one.name,
        pages.get(one.key, ""),
        one.outcome,
        str(OUTCOME_LABELS[one.outcome]),
        sentence,
        acted,
        [action_phrase(action) for action in done],
    )


def _those(pairs: Sequence[tuple[TracedRule, ShownRule]], *, held: bool) -> list[ShownRule]:
    """The rules that held, those that acted first; or the others, those switched off last."""
    ranks = list(OUTCOME_LABELS) if held else list(OUTCOME_LABELS)[::-1]
    chosen = [shown for one, shown in pairs if (one.match is not None) is held]
    return sorted(chosen, key=lambda shown: ranks.index(shown.outcome))
