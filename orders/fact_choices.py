"""What order facts may say: the values offered in forms, and which values name nothing."""

from collections.abc import Iterable
from functools import cache

from django.utils.dates import WEEKDAYS

from orders import divisions

Pairs = Iterable[tuple[str, str]]

WEEKDAY_CHOICES = tuple((str(day + 1), label) for day, label in WEEKDAYS.items())
"""Monday is 1, Sunday is 7, as in ISO 8601."""

RECENT_CUSTOMERS = 5_000


def channels() -> Pairs:
    """Every sales channel, sold through or not: rules may still name a closed one."""
    from orders.models import Channel

    return Channel.objects.values_list("code", "name")


def unknown_channels(codes: frozenset[str]) -> frozenset[str]:
    """Codes that no sales channel has."""
    from orders.models import Channel

    return codes - set(Channel.objects.filter(code__in=codes).values_list("code", flat=True))


def unknown_skus(codes: frozenset[str]) -> frozenset[str]:
    """Codes that no SKU has."""
    from orders.models import Sku

    return codes - set(Sku.objects.filter(code__in=codes).values_list("code", flat=True))


def categories() -> Pairs:
    """The categories that SKUs are in."""
    from orders.models import Sku

    found = Sku.objects.exclude(category="").order_by("category").values_list("category", flat=True)
    return [(name, name) for name in found.distinct()]


def unknown_categories(names: frozenset[str]) -> frozenset[str]:
    """Categories that no SKU is in."""
    from orders.models import Sku

    return names - set(Sku.objects.filter(category__in=names).values_list("category", flat=True))


def crm_grades() -> Pairs:
    """The grades of the latest customers: looking at all of them would take too long."""
    from orders.models import Customer

    latest = Customer.objects.order_by("-pk").values("pk")[:RECENT_CUSTOMERS]
    grades = Customer.objects.filter(pk__in=latest).values_list("crm_grade", flat=True).distinct()
    return [(grade, grade) for grade in sorted(set(grades) - {""})]


@cache
def provinces() -> Pairs:
    """The official names of all provinces."""
    return tuple((name, name) for name in divisions.provinces())


@cache
def cities() -> Pairs:
    """The official names of all cities, labelled by their way down: province / city."""
    return tuple(
        (city, f"{province} / {city}")
        for province in divisions.provinces()
        for city in divisions.cities(province)
    )


@cache
def districts() -> Pairs:
    """The official names of all districts, labelled by their way down; some names recur."""
    return tuple(
        (district, f"{province} / {city} / {district}")
        for province in divisions.provinces()
        for city in divisions.cities(province)
        for district in divisions.districts(province, city)
    )


def unknown_provinces(names: frozenset[str]) -> frozenset[str]:
    """Names that are no province's official name, by which every order is stored."""
    return names - {name for name, _label in provinces()}


def unknown_cities(names: frozenset[str]) -> frozenset[str]:
    """Names that are no city's official name, by which every order is stored."""
    return names - {name for name, _label in cities()}


def unknown_districts(names: frozenset[str]) -> frozenset[str]:
    """Names that are neither a district's official name nor look like a town's."""
    strange = names - {name for name, _label in districts()}
    return frozenset(name for name in strange if not name.endswith(divisions.TOWN_ENDINGS))
