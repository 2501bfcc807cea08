"""Template filters of the desk; the words come from orders.display."""

from django import template

from orders import display

register = template.Library()

register.filter("money", display.money)
register.filter("ago", display.ago)
register.filter("exact", display.exact)
register.filter("person", display.person)
