"""Attempts as pages show them: hostile text stays text, personal data stays hidden."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from changefeed.admin.masking import personal_values, scrubbed
from changefeed.admin.problems import problem_words
from changefeed.dispatch.sending import KEPT_ANSWER_CHARACTERS
from changefeed.models import Attempt, AttemptOutcome

SHOWN_CHARACTERS = 200
_ESCAPES = re.compile(r"(?<!\\)(?:\\u[0-9a-fA-F]{4})+")

# An answer may repeat anything of its request: of a batch also what was told of other subjects,
# of a message that stands for several also the old value of the first.
_SENT_WITH = """
WITH asked AS (
    SELECT id, endpoint_id, sent_at, batch, subject_kind, subject_id, seq
    FROM changefeed_attempt WHERE id = ANY (%(ids)s)
), sent AS (
    SELECT asked.id, request.subject_kind, request.subject_id, request.seq
    FROM asked JOIN changefeed_attempt AS request USING (endpoint_id, sent_at)
    WHERE asked.batch <> '' AND request.batch = asked.batch
    UNION
    SELECT id, subject_kind, subject_id, seq FROM asked
)
SELECT sent.id, change.field, change.old::text, change.new::text
FROM sent CROSS JOIN LATERAL (
    SELECT field, old, new FROM changefeed_change
    WHERE subject_kind = sent.subject_kind AND subject_id = sent.subject_id AND seq <= sent.seq
    ORDER BY seq DESC LIMIT %(most)s
) AS change
"""
_MOST_PER_SUBJECT = 20


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One answer in a table; `answer` is foreign text, cut to its beginning."""

    sent_at: datetime
    subject_kind: str
    subject_id: str
    seq: int
    messages: int
    batch: str
    outcome: str
    is_failed: bool
    status: int | None
    latency: str
    answer: str


def shown_attempts(attempts: Iterable[Attempt], *, revealed: bool = False) -> list[ShownAttempt]:
    """The attempts as they may be read; one query more to know what must be hidden."""
    found = list(attempts)
    said = {} if revealed else _personal([one for one in found if one.answer])
    return [
        ShownAttempt(
            sent_at=attempt.sent_at,
            subject_kind=attempt.subject_kind,
            subject_id=attempt.subject_id,
            seq=attempt.seq,
            messages=attempt.messages,
            batch=attempt.batch,
            outcome=attempt.get_outcome_display(),
            is_failed=attempt.outcome != AttemptOutcome.DELIVERED,
            status=attempt.status,
            latency=f"{attempt.latency_ms:,}",
            answer=_cut(_shown(attempt, None if revealed else said.get(attempt.pk, ()))),
        )
        for attempt in found
    ]


def shown_answer(attempt: Attempt, *, revealed: bool) -> str:
    """The whole kept answer of one attempt."""
    personal = None if revealed else _personal([attempt]).get(attempt.pk, ())
    return _shown(attempt, personal)


def _shown(attempt: Attempt, personal: Iterable[tuple[str, str]] | None) -> str:
    """The answer without what is personal; where none came, our own account of it in words."""
    answer = attempt.answer
    if personal is not None:
        is_cut = len(answer) >= KEPT_ANSWER_CHARACTERS
        answer = scrubbed(answer, personal, is_cut=is_cut)
        # Again, for what was written in escapes all through, digits included.
        answer = scrubbed(readable(answer), personal, is_cut=is_cut)
    return problem_words(answer) if attempt.status is None else answer


def _personal(attempts: Sequence[Attempt]) -> dict[int, set[tuple[str, str]]]:
    """What each attempt's request told of people, by the attempt's id; one query."""
    found: dict[int, set[tuple[str, str]]] = {}
    if not attempts:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_SENT_WITH, {"ids": [one.pk for one in attempts], "most": _MOST_PER_SUBJECT})
        for pk, field, *values in cursor.fetchall():
            said = found.setdefault(pk, set())
            for value in values:
                if value is not None:
                    said.update(personal_values(json.loads(value), field))
    return found


def readable(text: str) -> str:
    r"""The text with `\u5f20` and its like as the characters they stand for, where people see them.

    What does not print stays escaped, and so does what a document within a document holds.
    """
    return _ESCAPES.sub(lambda found: _unescaped(found[0]), text)


def _unescaped(escapes: str) -> str:
    characters: str = json.loads(f'"{escapes}"')
    return characters if characters.isprintable() else escapes


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
