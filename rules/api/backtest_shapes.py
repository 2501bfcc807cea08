"""Shapes of the backtest calls: what is asked, and how far a run is."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from rules.models import BacktestState

_LARGEST = 2**31 - 1


class SweepRequest(serializers.Serializer[Any]):
    """A numeric condition of the tried rules, and the numbers to try in its place."""

    rule = serializers.CharField(max_length=64, help_text="Key of a live rule.")
    group = serializers.IntegerField(min_value=0, max_value=_LARGEST, help_text="Counted from 0.")
    row = serializers.IntegerField(min_value=0, max_value=_LARGEST, help_text="Counted from 0.")
    end = serializers.ChoiceField(
        choices=("low", "high"),
        required=False,
        help_text="Which number of a range moves; the lower one if absent.",
    )
    values = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        allow_null=True,
        max_length=41,
        help_text="Numbers, or numbers as text; chosen from those seen if absent.",
    )


class BacktestRequest(serializers.Serializer[Any]):
    """Rules or a version, and the period; exactly one of `rules` and `version`."""

    rules = serializers.DictField(
        required=False, allow_null=True, help_text="A document of rules to try."
    )
    version = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=_LARGEST,
        help_text="The version to try; a draft is taken as it is now.",
    )
    base = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=_LARGEST,
        help_text="The published version compared with; the live one if absent.",
    )
    since = serializers.CharField(max_length=40, help_text="RFC 3339; included.")
    until = serializers.CharField(max_length=40, help_text="RFC 3339; not included.")
    title = serializers.CharField(required=False, allow_blank=True, max_length=200)
    sweep = SweepRequest(required=False, allow_null=True)


class BacktestLinks(serializers.Serializer[Any]):
    self = serializers.CharField()
    cancel = serializers.CharField()


class BacktestAnswer(serializers.Serializer[Any]):
    """How far a backtest is; `result` once it is done."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=BacktestState.choices)
    title = serializers.CharField(allow_blank=True)
    tried_version = serializers.IntegerField(
        allow_null=True, help_text="Null for a document of its own."
    )
    base_version = serializers.IntegerField(
        allow_null=True, help_text="Null when nothing was live."
    )
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    sweep = serializers.JSONField(allow_null=True)
    total = serializers.IntegerField(help_text="Decisions in the period.")
    done = serializers.IntegerField(help_text="Decisions gone through so far.")
    error = serializers.CharField(allow_blank=True)
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    result = serializers.JSONField(
        allow_null=True,
        help_text="What would go otherwise: counts, money, examples, hits, verdicts, sweep.",
    )
    links = serializers.SerializerMethodField()

    def get_links(self, run: Any) -> BacktestLinks:
        found: Any = {
            "self": reverse("rules-backtest-run", args=[run.pk]),
            "cancel": reverse("rules-backtest-cancel", args=[run.pk]),
        }
        return found
