"""Template filters of the rule desk's figures; the words come from rules.figures."""

from django import template

from rules import figures

register = template.Library()

register.filter("grouped", figures.number)


@register.filter
def percentage(value: float) -> str:
    """A value from 0 to 100 with one decimal: 5.1%."""
    return figures.percent(value / 100)
