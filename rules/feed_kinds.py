"""The kinds of change of rule sets, reference lists and snoozes; see rules.lifecycle."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from changefeed import kinds
from changefeed.kinds import Example, Kind

RULE = {
    "key": "xinjiang-coupon",
    "name": "Coupon orders to Xinjiang",
    "layer": "intercept",
    "priority": 10,
    "when": [[{"fact": "ship_to.province", "op": "eq", "value": "新疆维吾尔自治区"}]],
    "then": [{"do": "hold", "reason": "many false-shipment complaints", "risk": "high"}],
    "on_missing": "no_match",
    "status": "live",
    "valid_from": None,
    "valid_until": None,
}
NEW_RULE = {**RULE, "priority": 20}
AT = "2026-11-12T00:00:00Z"
SNOOZE = {
    "rule": "xinjiang-coupon",
    "customer": "C-20931",
    "until": "2026-12-11T00:00:00Z",
    "reason": "a colleague's test orders",
}

RULESET_KINDS = (
    Kind(
        "ruleset.draft_opened",
        "ruleset",
        _("Draft opened"),
        _("Somebody began to edit a copy of a version; `new` is that version."),
        (Example("based_on", None, 7),),
    ),
    Kind(
        "ruleset.draft_discarded",
        "ruleset",
        _("Draft discarded"),
        _("A draft was thrown away."),
    ),
    Kind(
        "ruleset.imported",
        "ruleset",
        _("Rules imported"),
        _("A document replaced the draft's rules; `new` is how many there are."),
        (Example("rules", None, 29),),
    ),
    Kind(
        "ruleset.rule_saved",
        "ruleset",
        _("Rule saved"),
        _(
            "A rule of the draft was added or changed; a new one has no `old`. If only its status "
            "changed, the field says so."
        ),
        (
            Example("rules.{rule}", RULE, NEW_RULE),
            Example("rules.{rule}", None, RULE),
            Example("rules.{rule}.status", "live", "disabled"),
        ),
    ),
    Kind(
        "ruleset.rule_deleted",
        "ruleset",
        _("Rule deleted"),
        _("A rule was taken out of the draft."),
        (Example("rules.{rule}", RULE, None),),
    ),
    Kind(
        "ruleset.reordered",
        "ruleset",
        _("Rules reordered"),
        _("The rules of a layer are asked in another order; values are priorities by rule."),
        (
            Example(
                "layers.{layer}",
                {"xinjiang-coupon": 10, "high-price": 20},
                {"xinjiang-coupon": 20, "high-price": 10},
            ),
        ),
    ),
    Kind(
        "ruleset.scheduled",
        "ruleset",
        _("Publication scheduled"),
        _("The version will go live by itself at `new`."),
        (Example("publish_at", None, AT),),
    ),
    Kind(
        "ruleset.unscheduled",
        "ruleset",
        _("Schedule dropped"),
        _("The version will not go live by itself; `new` says why."),
        (Example("publish_at", AT, {"reason": "edited", "scheduled_by": "user:alice"}),),
    ),
    Kind(
        "ruleset.published",
        "ruleset",
        _("Rules published"),
        _("The draft went live; `old` is the version before."),
        (Example("live_version", 7, 8),),
    ),
    Kind(
        "ruleset.promoted",
        "ruleset",
        _("Shadow run promoted"),
        _("The version that only watched went live."),
        (Example("live_version", 7, 8),),
    ),
    Kind(
        "ruleset.rolled_back",
        "ruleset",
        _("Rules rolled back"),
        _("The rules of an earlier version went live again, under a new number."),
        (Example("live_version", 8, 9),),
    ),
    Kind(
        "ruleset.shadow_started",
        "ruleset",
        _("Shadow run started"),
        _("A version watches live orders without acting; `old` is the one that watched before."),
        (Example("shadow_version", None, 8),),
    ),
    Kind(
        "ruleset.shadow_ended",
        "ruleset",
        _("Shadow run ended"),
        _("A version that only watched was taken off."),
        (Example("shadow_version", 8, None),),
    ),
    Kind(
        "ruleset.fraud_mode_set",
        "ruleset",
        _("Anti-fraud mode switched"),
        _("The anti-fraud rules were turned on or off by a new live version."),
        (Example("fraud_mode", False, True),),
    ),
)

LIST_KINDS = (
    Kind(
        "list.created",
        "list",
        _("List created"),
        _("A reference list was made, still empty."),
    ),
    Kind(
        "list.entries_added",
        "list",
        _("Entries added"),
        _("Values were put on a list; only how many is told, never which."),
        (Example("entries", None, {"added": 6, "changed": 0}),),
    ),
    Kind(
        "list.entries_replaced",
        "list",
        _("Entries replaced"),
        _("An import became the whole list."),
        (Example("entries", None, {"added": 6, "changed": 1, "removed": 2}),),
    ),
    Kind(
        "list.entries_restored",
        "list",
        _("Entries restored"),
        _("Values that were taken off by an import came back."),
        (Example("entries", None, {"added": 2}),),
    ),
    Kind(
        "list.entry_changed",
        "list",
        _("Entry changed"),
        _("A value has another reason or expiry."),
        (Example("entries", None, {"changed": 1}),),
    ),
    Kind(
        "list.entries_removed",
        "list",
        _("Entries removed"),
        _("Values were taken off a list."),
        (Example("entries", None, {"removed": 1}),),
    ),
)

SNOOZE_KINDS = (
    Kind(
        "snooze.started",
        "snooze",
        _("Rule put to sleep"),
        _("A rule does not hold the orders of one customer until a time."),
        (Example(new=SNOOZE),),
    ),
    Kind(
        "snooze.ended",
        "snooze",
        _("Rule woken up"),
        _("It holds that customer's orders again."),
        (Example(old=SNOOZE),),
    ),
)


def register_kinds() -> None:
    """Tell the catalogue; called once when the app is ready."""
    kinds.register(
        (*RULESET_KINDS, *LIST_KINDS, *SNOOZE_KINDS),
        {
            "ruleset": _("Rule sets"),
            "list": _("Lists"),
            "snooze": _("Snoozes"),
        },
        rank=3,
        ids={"ruleset": "8", "list": "resellers", "snooze": "12"},
    )
