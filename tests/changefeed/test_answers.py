"""What the answer to a batch means for each of its messages."""

from datetime import UTC, datetime

import pytest

from changefeed.dispatch.answers import outcomes
from changefeed.dispatch.sending import Answer
from changefeed.models import AttemptOutcome

DELIVERED, FAILED, REJECTED = (
    AttemptOutcome.DELIVERED,
    AttemptOutcome.FAILED,
    AttemptOutcome.REJECTED,
)
IDS = ["a", "b"]


def an_answer(status: int, document: bytes = b"", *, is_cut: bool = False) -> Answer:
    outcome = DELIVERED if status < 300 else REJECTED
    now = datetime(2026, 11, 11, tzinfo=UTC)
    return Answer(outcome, status, "said", now, 3, document=document, is_cut=is_cut)


def fates(answer: Answer, *, is_batch: bool = True) -> list[AttemptOutcome]:
    return [one.outcome for one in outcomes(answer, IDS, is_batch=is_batch)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (an_answer(204), [DELIVERED] * 2),
        (an_answer(200, b"ok"), [DELIVERED] * 2),
        (an_answer(200, b'{"ok": true}'), [DELIVERED] * 2),
        (an_answer(200, b'{"results": 1}'), [DELIVERED] * 2),
        (an_answer(200, b'{"results": []}'), [FAILED] * 2),
        (an_answer(200, b'{"results": {"a": 200, "b": 422}}'), [FAILED] * 2),
        (
            an_answer(200, b'{"results": [{"id": "b", "status": 422, "error": "\\ud800"}]}'),
            [FAILED] * 2,
        ),
        (an_answer(200, b'{"results": [{"id": "b", "status": 422, "error": NaN}]}'), [FAILED] * 2),
        (an_answer(200, b'{"ok": tru', is_cut=True), [FAILED] * 2),
        (an_answer(207), [FAILED] * 2),
        (an_answer(207, b'{"ok": true}'), [FAILED] * 2),
        (an_answer(422, b'{"results": [{"id": "a", "status": 200}]}'), [REJECTED] * 2),
    ],
)
def test_the_whole_batch(answer, expected):
    assert fates(answer) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (b"200", DELIVERED),
        (b"299", DELIVERED),
        (b"302", FAILED),
        (b"400", REJECTED),
        (b"410", REJECTED),
        (b"429", FAILED),
        (b"408", FAILED),
        (b"500", FAILED),
        (b"0", FAILED),
        (b"99999999999999999999", FAILED),
        (b"true", FAILED),
        (b'"200"', FAILED),
        (b"null", FAILED),
    ],
)
def test_one_message(status, expected):
    document = b'{"results": [{"id": "b", "status": %s}, 7, {"id": "a", "status": 200}]}' % status
    assert fates(an_answer(207, document)) == [DELIVERED, expected]


@pytest.mark.parametrize("statuses", [(200, 422), (422, 200)])
def test_a_message_listed_twice_is_taken_only_if_both_say_so(statuses):
    """Whichever comes first: what was refused once may not be stored."""
    listed = ", ".join(f'{{"id": "b", "status": {status}}}' for status in statuses)
    document = f'{{"results": [{{"id": "a", "status": 200}}, {listed}]}}'.encode()
    assert fates(an_answer(207, document)) == [DELIVERED, REJECTED]


def test_what_a_result_says_beside_its_status_is_kept():
    document = b'{"results": [{"id": "a", "status": 422, "error": "no \\u0000 SKU"}]}'
    first, second = outcomes(an_answer(207, document), IDS, is_batch=True)
    assert first.text == '{"error":"no \\u0000 SKU"}'
    assert "\x00" not in first.text
    assert (second.outcome, second.is_own) == (FAILED, True)


def test_a_message_sent_alone_is_taken_by_any_2xx():
    assert fates(an_answer(207, b'{"results": []}'), is_batch=False) == [DELIVERED] * 2
