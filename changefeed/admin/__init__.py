"""The feed's pages for staff; acts go through `changefeed.lifecycle`."""

from changefeed.admin.consumers import PullCursorAdmin
from changefeed.admin.endpoints import EndpointAdmin
from changefeed.admin.keys import ApiKeyAdmin
from changefeed.admin.lanes import FeedLaneAdmin
from changefeed.admin.records import AttemptAdmin, ChangeAdmin
from changefeed.admin.replays import ReplayAdmin

__all__ = [
    "ApiKeyAdmin",
    "AttemptAdmin",
    "ChangeAdmin",
    "EndpointAdmin",
    "FeedLaneAdmin",
    "PullCursorAdmin",
    "ReplayAdmin",
]
