"""Attempts as pages show them: hostile text stays text, personal data stays hidden."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from changefeed.admin.masking import personal_values, scrubbed
from changefeed.models import Attempt, AttemptOutcome, Change

SHOWN_CHARACTERS = 200


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
    said = {} if revealed else _personal({attempt.seq for attempt in found if attempt.answer})
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
            answer=_cut(
                attempt.answer if revealed else scrubbed(attempt.answer, said.get(attempt.seq, ()))
            ),
        )
        for attempt in found
    ]


def shown_answer(attempt: Attempt, *, revealed: bool) -> str:
    """The whole kept answer of one attempt."""
    if revealed:
        return attempt.answer
    return scrubbed(attempt.answer, _personal({attempt.seq}).get(attempt.seq, ()))


def _personal(seqs: set[int]) -> dict[int, Sequence[tuple[str, str]]]:
    rows = Change.objects.filter(seq__in=seqs).values_list("seq", "field", "old", "new")
    return {
        seq: list({*personal_values(old, field), *personal_values(new, field)})
        for seq, field, old, new in rows
    }


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
