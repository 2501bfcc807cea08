"""Tables of the feed: what changed, who is told, how far each of them is, who may ask."""

from changefeed.models.changes import Change
from changefeed.models.endpoints import GONE_REASON, Endpoint, EndpointState
from changefeed.models.inbox import Inbox
from changefeed.models.keys import ApiKey
from changefeed.models.lanes import Attempt, AttemptOutcome, FeedLane, LaneState
from changefeed.models.pulling import PullCursor, PullWindow
from changefeed.models.replays import Replay
from changefeed.models.watching import AlertDigest, AlertKind, FeedAlert, LagSample

__all__ = [
    "GONE_REASON",
    "AlertDigest",
    "AlertKind",
    "ApiKey",
    "Attempt",
    "AttemptOutcome",
    "Change",
    "Endpoint",
    "EndpointState",
    "FeedAlert",
    "FeedLane",
    "Inbox",
    "LagSample",
    "LaneState",
    "PullCursor",
    "PullWindow",
    "Replay",
]
