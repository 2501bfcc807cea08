"""What an endpoint's filters let through, tried on the newest changes."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from changefeed.filtering import MOST_WORDS, field_problems, kind_problems
from changefeed.kinds import label_of, unknown_fields, unknown_kinds

LOOKED_AT = 1000
SHOWN_EXAMPLES = 5
_SEPARATORS = re.compile(r"[\s,，、;；]+")

_NEWEST = """
SELECT seq, kind, field, subject_kind, subject_id, at,
       changefeed_wants(%(kinds)s::text[], %(fields)s::text[], kind, field) AS is_wanted,
       changefeed_is_echo(%(listener)s, source, echo, field, new) AS is_echo
FROM (SELECT * FROM changefeed_change ORDER BY seq DESC LIMIT %(most)s) AS newest
ORDER BY seq DESC
"""


@dataclass(frozen=True, slots=True)
class Example:
    """One change that would be sent."""

    seq: int
    kind: str
    field: str
    subject_kind: str
    subject_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of the changes of one kind, or of one field, would be sent.

    `label` names a kind in words; empty for a field, and for a kind that is not in the catalogue.
    """

    name: str
    matching: int
    total: int
    is_named: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """Of the newest `total` changes, which these filters let through.

    `echoes` are wanted but came from the endpoint's own system; `without_field` are of a wanted
    kind but kept out because a field filter admits no change without a field. `problems` are
    sentences on filter words that no change can ever bear, `unseen` the other words that none
    of these changes bears.
    """

    total: int
    matching: int
    echoes: int
    without_field: int
    kinds: list[Tally]
    fields: list[Tally]
    examples: list[Example]
    unseen: list[str]
    problems: list[str]


def words_of(text: str) -> list[str]:
    """The words of a filter as people write them: with commas, spaces or lines in between."""
    return list(dict.fromkeys(word for word in _SEPARATORS.split(text) if word))


def preview_filters(kinds: Iterable[str], fields: Iterable[str], source: str = "") -> Preview:
    """Try filters on the newest LOOKED_AT changes; changes nothing."""
    kinds, fields = list(kinds)[:MOST_WORDS], list(fields)[:MOST_WORDS]
    with connection.cursor() as cursor:
        cursor.execute(
            _NEWEST, {"kinds": kinds, "fields": fields, "listener": source, "most": LOOKED_AT}
        )
        rows = cursor.fetchall()
    all_kinds, all_fields = Counter(row[1] for row in rows), Counter(row[2] for row in rows)
    lost = {one.word for one in (*unknown_kinds(kinds), *unknown_fields(fields))}
    sent = [row for row in rows if row[6] and not row[7]]
    sent_kinds, sent_fields = Counter(row[1] for row in sent), Counter(row[2] for row in sent)
    return Preview(
        total=len(rows),
        matching=len(sent),
        echoes=sum(1 for row in rows if row[6] and row[7]),
        without_field=(
            sum(1 for row in rows if not row[2] and _wants_kind(kinds, row[1])) if fields else 0
        ),
        kinds=[
            Tally(kind, sent_kinds[kind], count, kind in kinds, str(label_of(kind)))
            for kind, count in all_kinds.most_common()
        ],
        fields=[
            Tally(field, sent_fields[field], count, field in fields)
            for field, count in all_fields.most_common()
            if field
        ],
        examples=[Example(*row[:6]) for row in sent[:SHOWN_EXAMPLES]],
        unseen=[
            word
            for word in (*kinds, *fields)
            if word not in lost
            and not (word in all_fields or any(_wants_kind([word], kind) for kind in all_kinds))
        ],
        problems=[*kind_problems(kinds), *field_problems(fields)],
    )


def _wants_kind(kinds: list[str], kind: str) -> bool:
    """As `changefeed_wants` in the database."""
    return not kinds or kind in kinds or f"{kind.partition('.')[0]}.*" in kinds
