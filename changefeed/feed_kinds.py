"""The kinds of change that the feed itself records."""

from django.utils.translation import gettext_lazy as _

from changefeed import kinds
from changefeed.kinds import Example, Kind

KINDS = (
    Kind(
        "lane.skipped",
        "",
        _("Skipped for a receiver"),
        _(
            "Somebody gave up on telling an endpoint of a change; `new` says which. It is told "
            "about the subject of that change, so a filter that leaves it out hides the gap."
        ),
        (
            Example(
                new={
                    "endpoint": "WMS",
                    "seq": 48211,
                    "id": "019a3c1e-7f0a-7cc1-9a51-0d2f1f1d7c11",
                    "reason": "The warehouse entered it by hand.",
                }
            ),
            Example(
                new={
                    "endpoint": "WMS",
                    "seq": 48230,
                    "id": "019a3c1e-9b44-7f02-8c1d-5a0e6c7d2f48",
                    "reason": "The warehouse entered it by hand.",
                    "covers": [48211, 48230],
                }
            ),
        ),
    ),
)


def register_kinds() -> None:
    """Tell the catalogue; called once when the app is ready."""
    kinds.register(KINDS, {"lane": _("Change feed")}, rank=4)
