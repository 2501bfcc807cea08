"""The trace of a stored decision: what was waived, snoozed and done before it is read beside it."""

from orders.models import Effect, ScreeningDecision, Waiver
from rules.history_trace import PastTrace, snoozed_then, trace_of


def trace_of_decision(decision: ScreeningDecision) -> PastTrace | None:
    """What became of each rule in that decision; None when its rules cannot be read any more.

    A handful of reads, however many rules there are. What a parent order was released from
    counts for its children, as it does when they are screened.
    """
    if not decision.ruleset_version or not isinstance(decision.facts, dict):
        return None
    order, at = decision.order, decision.at
    numbers = [order.number, *([order.parent_number] if order.parent_number else [])]
    waivers = Waiver.objects.filter(order__number__in=numbers, at__lte=at)
    effects = Effect.objects.filter(order=order, at__lt=at)
    customer = decision.facts.get("customer.external_id")
    return trace_of(
        decision.ruleset_version,
        decision.list_versions,
        decision.facts,
        at,
        waived=frozenset(waivers.values_list("rule_key", "fingerprint")),
        snoozed=snoozed_then(customer, at) if isinstance(customer, str) else frozenset(),
        executed=frozenset(effects.values_list("key", flat=True)),
    )
