"""A kind of change in words, for the pages that show its name."""

from django import template

from changefeed import kinds

register = template.Library()


@register.filter
def kind_label(name: str) -> str:
    """What the kind is called; empty for one that is not in the catalogue."""
    return str(kinds.label_of(name))
