"""Why a hold holds, in plain words with the values that matched; pure but for list names."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from orders.models import Hold
from orders.status import HoldOwner, HoldReason
from rules.decision import Match, MatchedRow
from rules.document import Action
from rules.sentences import sentence_for_match


@dataclass(frozen=True, slots=True)
class Why:
    """A heading of a few words, and the sentence below it."""

    title: str
    sentence: str = ""


def why_held(hold: Hold) -> Why:
    """A rule's hold tells what it saw; the product's own tell their reason; people's are quoted."""
    if hold.owner == HoldOwner.RULE:
        return Why(hold.rule_name or hold.rule_key, _rule_sentence(hold))
    if hold.reason in HoldReason.values:
        return Why(str(HoldReason(hold.reason).label), _detail(hold))
    return Why(str(HoldOwner(hold.owner).label), hold.reason)


def _rule_sentence(hold: Hold) -> str:
    """Rows that can no longer be read leave the rule's own reason."""
    try:
        rows = tuple(MatchedRow.from_json(row) for row in hold.inputs)
    except (KeyError, TypeError, AttributeError):
        return hold.reason
    if not rows:
        return hold.reason
    action = Action(do="hold", reason=hold.reason, risk=hold.risk)
    return sentence_for_match(
        Match(hold.rule_key, hold.rule_name or hold.rule_key, "intercept", (action,), rows)
    )


def _detail(hold: Hold) -> str:
    if hold.owner == HoldOwner.STOCK:
        wanted = [
            f"{row['sku']} × {row['quantity']}" for row in _dicts(hold.inputs) if "sku" in row
        ]
        return _("Needed: %(goods)s") % {"goods": ", ".join(wanted)} if wanted else ""
    details = [str(row["detail"]) for row in _dicts(hold.inputs) if row.get("detail")]
    return " ".join(details)


def _dicts(inputs: Any) -> list[dict[str, Any]]:
    return [row for row in inputs if isinstance(row, dict)] if isinstance(inputs, list) else []
