"""Endpoints, keys and changes for the feed's tests."""

import itertools
from typing import Any

from django.db import transaction

from changefeed.models import Endpoint
from changefeed.recording import act_as, record_change
from changefeed.signatures import new_secret

_numbers = itertools.count(1)


def make_endpoint(url: str = "http://127.0.0.1:9/hook", **fields: Any) -> Endpoint:
    """An active endpoint with one secret."""
    fields.setdefault("name", f"endpoint-{next(_numbers)}")
    fields.setdefault("secrets", [new_secret()])
    return Endpoint.objects.create(url=url, **fields)


def change(subject: str, version: int = 1, kind: str = "order.changed", **fields: Any) -> None:
    """Record one change of an order in a transaction of its own."""
    with transaction.atomic():
        act_as("user:test")
        record_change(
            kind, subject_kind="order", subject_id=subject, subject_version=version, **fields
        )


def changes(subjects: int, versions: int) -> None:
    """Versions 1… of orders O0, O1, …, the versions of different orders interleaved."""
    with transaction.atomic():
        act_as("user:test")
        for version in range(1, versions + 1):
            for number in range(subjects):
                record_change(
                    "order.changed",
                    subject_kind="order",
                    subject_id=f"O{number}",
                    subject_version=version,
                    new={"version": version},
                )
