"""Reads a history out of the receiver's file and the database at rest."""

import json
import time
from pathlib import Path
from typing import Any, cast

import psycopg

from tests.chaos.histories import Change, Delivery, History, Inbound

Link = psycopg.Connection[tuple[object, ...]]

_CHANGES = """
SELECT seq, xid::text::bigint, event_id::text, subject_kind || ':' || subject_id,
       subject_version, kind, field, new, source, source_event_id, {withheld},
       extract(epoch FROM at - clock_timestamp())::double precision
FROM changefeed_change ORDER BY seq
"""
_WITHHELD = "CASE WHEN changefeed_is_echo(source, source, echo, field, new) THEN source ELSE '' END"

_ROWS = """
SELECT 'probe:' || id, 'value', to_jsonb(value) FROM chaos_probe WHERE version > 0
UNION ALL
SELECT 'order:' || number, 'invoice_title', to_jsonb(invoice_title) FROM orders_order
WHERE EXISTS (
    SELECT FROM changefeed_change
    WHERE subject_kind = 'order' AND subject_id = number AND field = 'invoice_title'
)
"""


def deliveries_in(path: Path) -> list[Delivery]:
    """What the receiver noted; a request without an end ended when the file did."""
    began: dict[int, dict[str, Any]] = {}
    found: list[Delivery] = []
    latest = 0.0
    with path.open(encoding="utf-8") as file:
        for text in file:
            if not text.endswith("\n"):
                break
            line = json.loads(text)
            latest = max(latest, line["at"])
            if line["what"] == "began":
                began[line["request"]] = line
            elif start := began.pop(line["request"], None):
                found += _deliveries(start, line)
    for start in began.values():
        found += _deliveries(start, {"at": latest, "status": None, "asked": 0.0})
    return sorted(found, key=lambda one: (one.began, one.item))


def _deliveries(start: dict[str, Any], end: dict[str, Any]) -> list[Delivery]:
    return [
        Delivery(
            endpoint=start["endpoint"],
            request=start["request"],
            id=item["id"],
            seq=item["seq"],
            subject=item["subject"],
            version=item["version"],
            sha=item["sha"],
            began=start["at"],
            ended=end["at"],
            status=item.get("status", end["status"]),
            item=place,
            verified=start["verified"],
            signatures=start["signatures"],
            field=item["field"],
            value=item["value"],
            token=item["token"],
            asked_to_wait=end["asked"],
            is_replay=start["is_replay"],
            covers=item["covers"],
        )
        for place, item in enumerate(start["items"])
    ]


def changes_in(link: Link) -> list[Change]:
    """The log as it stands."""
    echoes = link.execute("SELECT to_regproc('changefeed_is_echo')").fetchone()
    withheld = _WITHHELD if echoes and echoes[0] else "''"
    found = []
    now = time.monotonic()
    for row in link.execute(_CHANGES.format(withheld=withheld)):
        seq, xid, event_id, subject, version, kind, field, new, *origin = cast(list[Any], row)
        source, source_event_id, echo_of, age = origin
        told = new if isinstance(new, dict) and "token" in new else {"token": "", "value": new}
        found.append(
            Change(
                seq,
                xid,
                event_id,
                subject,
                version,
                kind,
                field,
                value=told["value"],
                token=told["token"],
                source=source,
                source_event_id=source_event_id,
                withheld_from=echo_of,
                at=now + age,
            )
        )
    return found


def read_database(link: Link, history: History, archive: dict[int, Change]) -> None:
    """Add what the database holds at rest; `archive` are changes seen before a purge."""
    known = {**archive, **{one.seq: one for one in changes_in(link)}}
    history.changes = [known[seq] for seq in sorted(known)]
    for subject, field, value in link.execute(_ROWS):
        history.rows.setdefault(str(subject), {})[str(field)] = value
    lanes = link.execute("SELECT count(*) FROM changefeed_feedlane").fetchone()
    size = link.execute("SELECT pg_total_relation_size('changefeed_feedlane')").fetchone()
    assert lanes
    assert size
    history.lanes_at_rest, history.lane_bytes = int(str(lanes[0])), int(str(size[0]))


__all__ = ["Inbound", "changes_in", "deliveries_in", "read_database"]
