"""Shapes of the conflict report over HTTP."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from rules.analysis.report import KINDS, LEVELS
from rules.api.serializers import MistakeAnswer

FOCUS_HELP = "Key of a rule: only what concerns it, and the rules it shares orders with."


class CheckRequest(serializers.Serializer[Any]):
    """A document of rules."""

    rules = serializers.ListField(child=serializers.JSONField(allow_null=True))
    focus = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text=FOCUS_HELP
    )


class FocusRequest(serializers.Serializer[Any]):
    """The option beside the document."""

    focus = serializers.CharField(required=False, allow_blank=True, max_length=64)


class RowPlaceAnswer(serializers.Serializer[Any]):
    """A condition row; groups and rows are numbered from 0."""

    rule = serializers.CharField()
    group = serializers.IntegerField()
    row = serializers.IntegerField()


class FindingAnswer(serializers.Serializer[Any]):
    """One finding, with an order that proves it where one can."""

    kind = serializers.ChoiceField(choices=KINDS)
    level = serializers.ChoiceField(choices=LEVELS)
    rules = serializers.ListField(
        child=serializers.CharField(), help_text="Keys of the rules named, the subject first."
    )
    group = serializers.IntegerField(allow_null=True)
    rows = RowPlaceAnswer(many=True)
    slot = serializers.CharField(allow_blank=True)
    detail = serializers.DictField(child=serializers.JSONField(allow_null=True))
    sentence = serializers.CharField(help_text="The same in the language asked for.")
    witness = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        allow_null=True,
        help_text="Facts that show it; POST /rules/evaluate/ takes them with `at`.",
    )
    at = serializers.DateTimeField(allow_null=True)


class CheckAnswer(serializers.Serializer[Any]):
    """Whether the document can be imported, every error with its path, and what collides."""

    valid = serializers.BooleanField()
    rules = serializers.IntegerField(help_text="Number of rules read.")
    errors = MistakeAnswer(many=True)  # type: ignore[assignment]
    findings = FindingAnswer(many=True, help_text="Worst first; empty for an invalid document.")
    complete = serializers.BooleanField(help_text="False when a proof ran out of time.")
    undecided = serializers.ListField(
        child=serializers.CharField(), help_text="Keys of rules whose proof ran out of time."
    )
