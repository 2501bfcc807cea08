"""Shapes of the rules API: what a dry run takes and what is answered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from rules.document import LAYERS, STATUSES
from rules.trace import OUTCOMES, WHY


class EvaluateRequest(serializers.Serializer[Any]):
    """Facts by key, and what to ask about them."""

    facts = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        help_text="Values by fact key; an absent or null fact is missing.",
    )
    rules = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="A document to try instead of the live rules.",
    )
    at = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=40,
        help_text="RFC 3339 time at which windows and list expiries are asked; now if absent.",
    )
    trace = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Whether to tell of every rule what became of it.",
    )


class MatchedRowAnswer(serializers.Serializer[Any]):
    fact = serializers.CharField()
    op = serializers.CharField()
    wanted = serializers.JSONField(allow_null=True)
    seen = serializers.JSONField(allow_null=True)


class MatchAnswer(serializers.Serializer[Any]):
    """A rule that acted, and why, in the language asked for."""

    rule = serializers.CharField()
    name = serializers.CharField()
    layer = serializers.CharField()
    actions = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    matched = MatchedRowAnswer(many=True)
    sentence = serializers.CharField()


class SlotAnswer(serializers.Serializer[Any]):
    value = serializers.CharField()
    rule = serializers.CharField()


class EffectAnswer(serializers.Serializer[Any]):
    key = serializers.CharField()
    rule = serializers.CharField()


class DecisionAnswer(serializers.Serializer[Any]):
    intercept = MatchAnswer(allow_null=True)
    slots = serializers.DictField(child=SlotAnswer())
    tags = serializers.ListField(child=serializers.CharField())
    effects = EffectAnswer(many=True)
    dispatch = serializers.BooleanField()
    matches = MatchAnswer(many=True)


class TracedMatchAnswer(serializers.Serializer[Any]):
    """The group that held, and what the rule asks for."""

    rule = serializers.CharField()
    name = serializers.CharField()
    layer = serializers.CharField()
    actions = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    matched = MatchedRowAnswer(many=True)


class TracedRuleAnswer(serializers.Serializer[Any]):
    """What became of one rule, in the order in which rules are asked."""

    rule = serializers.CharField()
    name = serializers.CharField()
    layer = serializers.ChoiceField(choices=LAYERS)
    priority = serializers.IntegerField()
    status = serializers.ChoiceField(choices=STATUSES)
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    why = serializers.ChoiceField(
        choices=WHY, allow_blank=True, help_text="What kept it from acting; empty if it acted."
    )
    group = serializers.IntegerField(
        allow_null=True, help_text="Group that held, or came closest; the first is 0."
    )
    failed = MatchedRowAnswer(
        allow_null=True, help_text="The first row of that group that did not hold."
    )
    match = TracedMatchAnswer(allow_null=True)
    by = serializers.CharField(
        allow_blank=True, help_text="Key of the rule that stopped it or came before it."
    )
    slots = serializers.DictField(
        child=serializers.CharField(), help_text="Slot it lost → key of the rule that has it."
    )
    sentence = serializers.CharField(help_text="The same in the language asked for.")


class EvaluateAnswer(serializers.Serializer[Any]):
    """The decision, and the versions it was made with; version is null for a given document."""

    version = serializers.IntegerField(allow_null=True)
    list_versions = serializers.DictField(child=serializers.IntegerField())
    decision = DecisionAnswer()
    trace = TracedRuleAnswer(
        many=True, required=False, help_text="Every rule, when it was asked for."
    )


class MistakeAnswer(serializers.Serializer[Any]):
    path = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()
