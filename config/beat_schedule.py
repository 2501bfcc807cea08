"""When each scheduled job runs; two beats equal one, for every job is safe to repeat."""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "drain the change feed": {
        "task": "changefeed.tasks.drain_feed",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "continue feed replays": {
        "task": "changefeed.tasks.continue_replays",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "watch the change feed": {
        "task": "changefeed.tasks.watch_feed",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "dispatch ready orders": {
        "task": "orders.tasks.dispatch_ready_orders",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "escalate overdue holds": {
        "task": "orders.tasks.escalate_overdue_holds",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "watch stop requests": {
        "task": "orders.tasks.watch_stop_requests",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "fill short orders": {
        "task": "orders.tasks.fill_short_orders",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "screen waiting orders again": {
        "task": "orders.tasks.rescreen_waiting_orders",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "release due batches": {
        "task": "orders.tasks.release_due_batches",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "tally rules": {
        "task": "orders.tasks.tally_rules",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "publish scheduled rules": {
        "task": "rules.tasks.publish_scheduled",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "make feed partitions": {
        "task": "changefeed.tasks.make_partitions",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "purge delivered changes": {
        "task": "changefeed.tasks.purge_delivered",
        "schedule": 3600.0,
        "options": {"expires": 600},
    },
}
