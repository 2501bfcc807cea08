"""What the rules say, written for the API: in JSON, with a sentence in the language asked for."""

from __future__ import annotations

from collections.abc import Sequence

from rules.trace import TracedRule
from rules.trace_sentences import trace_sentences


def traced_answers(traced: Sequence[TracedRule]) -> list[dict[str, object]]:
    """Traced rules as TracedRuleAnswer."""
    sentences = trace_sentences(traced)
    return [
        one.as_json() | {"sentence": sentence}
        for one, sentence in zip(traced, sentences, strict=True)
    ]
