"""Kinds of change and subjects in words, for the pages that show their names."""

from typing import Any

from django import template

from changefeed import kinds

register = template.Library()


@register.filter
def kind_label(name: str) -> str:
    """What the kind is called; empty for one that is not in the catalogue."""
    return str(kinds.label_of(name))


@register.filter
def subject_text(row: Any) -> str:
    """The subject of a change, lane or attempt as people call it."""
    # Libraries are loaded while Unfold's admin is, which ours is built on.
    from changefeed.admin import words

    return words.subject_text(row)
