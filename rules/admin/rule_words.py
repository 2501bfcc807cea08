"""The words of the rule form's script, in the language in force."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from rules.models.rulesets import RuleStatus


def form_words() -> dict[str, Any]:
    """Texts by name; what stands as %(name)s is filled in by the script."""
    return {
        "all": _("All %(count)s"),
        "always": _("Always"),
        "askedAlone": _("The only rule of its layer."),
        "askedBetween": _("Asked after “%(before)s”, before “%(after)s”."),
        "askedFirst": _("Asked first, before “%(after)s”."),
        "askedLast": _("Asked last, after “%(before)s”."),
        "actionText": {
            "hold": _("reason"),
            "assign": _("value"),
            "tag": _("tag"),
            "effect": _("effect"),
        },
        "bool": {"is_true": _("yes"), "is_false": _("no"), "is_missing": _("unknown")},
        "broken": _("The sentence appears once the rule is complete."),
        "chooseFact": _("Choose or search a fact"),
        "from": _("%(field)s from"),
        "group": _("Group"),
        "keepTyping": _("Keep typing to narrow the list down."),
        "moreAfter": _("%(count)s more after"),
        "moreBefore": _("%(count)s more before"),
        "moreChips": _("%(count)s more"),
        "no": _("no"),
        "noPreview": _("The preview could not be loaded; the form still saves."),
        "noRoom": _("No number is free between these two rules; change one of them first."),
        "nothingFound": _("Nothing found"),
        "overMidnight": _("Over midnight this needs two groups."),
        "removeValue": _("Remove %(value)s"),
        "reversed": _("The range is reversed: from is above to."),
        "search": _("Search"),
        "split": _("Make two groups"),
        "status": {value: str(label) for value, label in RuleStatus.choices},
        "swap": _("Swap"),
        "takeText": _("Use “%(value)s”"),
        "thisRule": _("this rule"),
        "to": _("to"),
        "tried": _("The draft with this rule decides:"),
        "typeValue": _("Choose, or type a new one"),
        "typeValues": _("Type, then Enter; several can be pasted"),
        "until": _("%(field)s until"),
        "witness": _("An order that proves it"),
        "yes": _("yes"),
    }
