"""What an address says about itself: listed regions, and whether anybody could find it; pure."""

import unicodedata
from datetime import datetime

from orders.divisions import check_place
from rules.conditions import ListSnapshot

EMBARGO, REMOTE = "embargo_regions", "remote_regions"
"""Keys of the lists of regions off which facts are read."""

FEWEST_CHARACTERS = 3


def is_listed(listed: ListSnapshot, province: str, city: str, district: str, at: datetime) -> bool:
    """Whether a list of regions names the place.

    An entry is a province, a city or a district, or, because some names recur (鼓楼区), a
    district after its city or a whole path: 江苏省南京市, 南京市鼓楼区, 江苏省南京市鼓楼区.
    """
    if not listed.entries:
        return False
    names = [province, city, district]
    names += [province + city, city + district] if city else []
    names += [province + city + district] if district else []
    return any(listed.lists(name, at) for name in names if name)


def is_unparseable(province: str, city: str, district: str, street: str) -> bool:
    """Whether no courier could read the address.

    So is one whose province is unknown or whose city or district, where the divisions of China
    have them, is missing or elsewhere; and one whose street has fewer than three letters and
    digits, no letter at all, or one character over and over.
    """
    if check_place(province, city, district):
        return True
    said = [char for char in unicodedata.normalize("NFKC", street) if char.isalnum()]
    return (
        len(said) < FEWEST_CHARACTERS
        or not any(char.isalpha() for char in said)
        or len(set(said)) == 1
    )
