"""Clients of the roles that see the feed, and lanes brought into a state by hand."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from changefeed.models import Attempt, FeedLane
from tests.factories import make_user

SUBMITTED = {"_form_submitted": "true"}


def client_of(user: User, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def role(group: str) -> Client:
    """A member of a group as the roles have it."""
    return client_of(make_user(group))


def root() -> Client:
    return client_of(User.objects.create_superuser("root"))


def page(client: Client, path: str) -> str:
    response = client.get(f"/admin/changefeed/{path}")
    assert response.status_code == 200
    return response.content.decode()


def park(lane: FeedLane) -> FeedLane:
    lane.state, lane.due_at, lane.rejections = "parked", None, 12
    lane.save()
    return lane


def attempt(lane: FeedLane, **fields: Any) -> Attempt:
    """One refused request about the lane, unless told otherwise."""
    seconds = fields.pop("seconds_ago", 0)
    given = {
        "endpoint": lane.endpoint,
        "subject_kind": lane.subject_kind,
        "subject_id": lane.subject_id,
        "seq": lane.head_seq,
        "sent_at": timezone.now() - timedelta(seconds=seconds),
        "outcome": "rejected",
        "status": 422,
        "latency_ms": 3,
        "answer": "no such SKU",
    }
    return Attempt.objects.create(**{**given, **fields})
