"""Shapes of the rules API: what a dry run takes and what is answered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


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


class EvaluateAnswer(serializers.Serializer[Any]):
    """The decision, and the versions it was made with; version is null for a given document."""

    version = serializers.IntegerField(allow_null=True)
    list_versions = serializers.DictField(child=serializers.IntegerField())
    decision = DecisionAnswer()


class CheckRequest(serializers.Serializer[Any]):
    """A document of rules."""

    rules = serializers.ListField(child=serializers.JSONField(allow_null=True))


class MistakeAnswer(serializers.Serializer[Any]):
    path = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()


class CheckAnswer(serializers.Serializer[Any]):
    """Whether the document can be imported, and every error with its path."""

    valid = serializers.BooleanField()
    rules = serializers.IntegerField(help_text="Number of rules read.")
    errors = MistakeAnswer(many=True)  # type: ignore[assignment]
