"""China's provinces, cities and districts: whether a place exists, and its official spelling."""

import gzip
import json
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

DATA = Path(__file__).with_name("data") / "divisions.json.gz"

Field = Literal["province", "city", "district"]

# Taiwan's own spelling of 台; a copied address may carry either.
_VARIANTS = str.maketrans({"臺": "台"})
TOWN_ENDINGS = ("镇", "乡", "街道", "园区", "开发区", "农场", "林场", "新区", "港区")


class Place(NamedTuple):
    """Official names. The district is empty, or a town, in a city that has no districts."""

    province: str
    city: str
    district: str


@dataclass(frozen=True, slots=True)
class PlaceError:
    """One field of an address that cannot be right, and why."""

    field: Field
    code: str
    message: str | Promise


class UnknownPlace(ValueError):
    """Raised for a province, city and district that do not belong together."""

    def __init__(self, error: PlaceError) -> None:
        super().__init__(f"{error.field}: {error.code}")
        self.error = error
        self.field = error.field
        self.code = error.code
        self.message = error.message


@dataclass(frozen=True, slots=True)
class _City:
    """One spelling of a city: what each spelling of a district in it officially means."""

    name: str
    places: dict[str, Place]
    any_town: bool


@dataclass(frozen=True, slots=True)
class _Divisions:
    provinces: dict[str, str]
    cities: dict[str, dict[str, _City]]
    official: dict[tuple[str, str, str], Place]
    districts: frozenset[str]
    tags: MappingProxyType[str, frozenset[str]]


def normalise_place(province: str, city: str, district: str) -> Place:
    """The place's official names, however its parts were abbreviated.

    Raises UnknownPlace, with the field and a code (`required`, `unknown_province`,
    `unknown_city`, `unknown_district`), when the three do not belong together.
    """
    divisions = _divisions()
    official = divisions.official.get((province, city, district))
    if official is not None:
        return official
    found = _find(divisions, _plain(province), _plain(city), _plain(district))
    if isinstance(found, PlaceError):
        raise UnknownPlace(found)
    return found


def check_place(province: str, city: str, district: str) -> list[PlaceError]:
    """What is wrong with the place; empty when its parts belong together."""
    try:
        normalise_place(province, city, district)
    except UnknownPlace as unknown:
        return [unknown.error]
    return []


def provinces() -> list[str]:
    """Official names of all 34 provinces, in the order of their codes."""
    return list(_divisions().cities)


def cities(province: str) -> list[str]:
    """Official names of a province's cities; raises KeyError for anything but its official name."""
    spelled = _divisions().cities[province].values()
    return list(dict.fromkeys(place.city for city in spelled for place in city.places.values()))


def districts(province: str, city: str) -> list[str]:
    """A city's districts (or towns), with former ones that were divided; official names.

    Raises KeyError for a city that is not in the province.
    """
    places = _divisions().cities[province][city].places.values()
    named = (place.district for place in places if place.city == city and place.district)
    return list(dict.fromkeys(named))


def _find(divisions: _Divisions, province: str, city: str, district: str) -> Place | PlaceError:
    if not province:
        return PlaceError("province", "required", _("Enter the province."))
    province_name = divisions.provinces.get(province)
    if province_name is None:
        return PlaceError("province", "unknown_province", _("There is no such province."))
    found = divisions.cities[province_name].get(city)
    if found is None and not city:
        return PlaceError("city", "required", _("Enter the city."))
    if found is None:
        return PlaceError("city", "unknown_city", _("There is no such city in this province."))
    place = found.places.get(district)
    if place is not None:
        return place
    if not district:
        return PlaceError("district", "required", _("Enter the district."))
    if found.any_town and district.endswith(TOWN_ENDINGS) and district not in divisions.districts:
        return Place(province_name, found.name, district)
    message = _("There is no such district in this city.")
    return PlaceError("district", "unknown_district", message)


def _plain(text: str) -> str:
    """Compatibility characters folded; spaces, control and format characters removed."""
    folded = unicodedata.normalize("NFKC", text).translate(_VARIANTS)
    folded = folded.replace("(", "（").replace(")", "）")
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "CZ")


@cache
def _divisions() -> _Divisions:
    document: dict[str, Any] = json.loads(gzip.decompress(DATA.read_bytes()))
    spelled: dict[str, str] = {}
    cities: dict[str, dict[str, _City]] = {}
    tags: dict[str, frozenset[str]] = {}
    for province in document["provinces"]:
        name = province["name"]
        spelled.update(dict.fromkeys(province["spellings"], name))
        tags[name] = frozenset(province["tags"])
        cities[name] = _read_cities(name, province["entries"])
    every = {
        place
        for spelled_cities in cities.values()
        for city in spelled_cities.values()
        for place in city.places.values()
    }
    return _Divisions(
        provinces=spelled,
        cities=cities,
        official={(p.province, p.city, p.district): p for p in every},
        districts=frozenset(name for place in every for name in (place.city, place.district)),
        tags=MappingProxyType(tags),
    )


def _read_cities(province: str, entries: list[dict[str, Any]]) -> dict[str, _City]:
    cities = {}
    for entry in entries:
        places = {s: Place(province, *names) for s, names in entry["districts"].items()}
        city = _City(entry["spellings"][0], places, entry.get("any_town", False))
        cities.update(dict.fromkeys(entry["spellings"], city))
    return cities


# What shops commonly say about sending there: remote, island, customs,
# commonly_excluded_from_free_shipping. Our own compilation, not an official list.
PROVINCE_TAGS = _divisions().tags
