"""A list's own page: how many entries hold, which rules use it, and ways in and out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import (
    Count,
    DateTimeField,
    F,
    Func,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from changefeed.clock import database_now
from rules import live
from rules.admin.list_import import ImportForm
from rules.figures import NOTHING, ago
from rules.models import ConditionRow, ListEntry, ReferenceList, Rule, RuleSetState
from rules.normalization import skeleton

SOON = timedelta(days=7)
PER_PAGE = 50
IN_USE = (RuleSetState.LIVE, RuleSetState.SHADOW, RuleSetState.DRAFT)
EXPIRY = {
    "active": gettext_lazy("In force"),
    "soon": gettext_lazy("Expires within 7 days"),
    "expired": gettext_lazy("Expired"),
}


@dataclass(frozen=True, slots=True)
class Use:
    """A rule that names the list, in one version."""

    name: str
    url: str
    state: str
    version: int


def by_expiry(state: str, now: datetime, prefix: str = "") -> Q:
    """Entries that are in force, expire soon, or have expired."""
    at = f"{prefix}expires_at"
    if state == "expired":
        return Q(**{f"{at}__lte": now})
    if state == "soon":
        return Q(**{f"{at}__gt": now, f"{at}__lte": now + SOON})
    return Q(**{f"{at}__isnull": True}) | Q(**{f"{at}__gt": now})


def with_counts(lists: QuerySet[ReferenceList], now: datetime) -> QuerySet[ReferenceList]:
    """The lists with `entry_count`, `active`, `soon`, `expired`, `used_by` rules, and `now`."""
    naming = ConditionRow.objects.filter(
        op__in=("in_list", "not_in_list"),
        value=Func(OuterRef("key"), function="to_jsonb", output_field=JSONField()),
        rule__ruleset__state__in=IN_USE,
    )
    rules = naming.order_by().values("value").annotate(found=Count("rule__key", distinct=True))
    counted = {
        state: Count("entries", filter=by_expiry(state, now, "entries__")) for state in EXPIRY
    }
    return lists.annotate(
        now=Value(now, DateTimeField()),
        entry_count=Count("entries"),
        used_by=Coalesce(Subquery(rules.values("found")), 0),
        **counted,
    )


def uses(reference_list: ReferenceList) -> list[Use]:
    """The rules of the live, shadow and draft versions that name the list."""
    rows = ConditionRow.objects.filter(op__in=("in_list", "not_in_list"), value=reference_list.key)
    rules = Rule.objects.filter(pk__in=rows.values("rule"), ruleset__state__in=IN_USE)
    return [
        Use(
            rule.name,
            reverse("admin:rules_rule_change", args=[rule.pk]),
            str(RuleSetState(rule.ruleset.state).label),
            rule.ruleset.version,
        )
        for rule in rules.select_related("ruleset").order_by("-ruleset__version", "priority")
    ]


def expiry_badge(expires_at: datetime | None, now: datetime) -> SafeString:
    """When an entry expires: a word for those that did or soon will."""
    if expires_at is None:
        return NOTHING
    when = ago(expires_at, now)
    if expires_at <= now:
        return format_html('<span class="desk-chip ls-expired">{}</span> {}', _("expired"), when)
    if expires_at <= now + SOON:
        return format_html(
            '<span class="desk-chip ls-soon"><span class="material-symbols-outlined rm-icon"'
            ' aria-hidden="true">schedule</span> {}</span> {}',
            _("expires soon"),
            when,
        )
    return when


def page_of(reference_list: Any, request: HttpRequest) -> dict[str, Any]:
    """What the page of one list shows; `reference_list` comes from `with_counts`."""
    now = database_now()
    chosen = request.GET.get("expiry", "")
    search = request.GET.get("q", "").strip()
    entries: QuerySet[ListEntry] = reference_list.entries.order_by(
        F("expires_at").asc(nulls_last=True) if chosen == "soon" else "value", "pk"
    )
    if chosen in EXPIRY:
        entries = entries.filter(by_expiry(chosen, now))
    if search:
        wanted = skeleton(search) or search
        entries = entries.filter(Q(skeleton__icontains=wanted) | Q(reason__icontains=search))
    page = Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))
    return {
        "list": reference_list,
        "uses": uses(reference_list),
        "is_read_by_facts": reference_list.key in live.watched(),
        "page": page,
        "rows": [
            (entry, expiry_badge(entry.expires_at, now), ago(entry.added_at, now)) for entry in page
        ],
        "chips": tuple(_chips(reference_list, chosen)),
        "expiry": chosen if chosen in EXPIRY else "",
        "search": search,
        "form": ImportForm(initial={"list": reference_list.pk}),
    }


def _chips(reference_list: Any, chosen: str) -> Iterable[tuple[str, Any, int, bool]]:
    yield "", _("All"), reference_list.entry_count, chosen not in EXPIRY
    for state, label in EXPIRY.items():
        yield state, label, getattr(reference_list, state), chosen == state
