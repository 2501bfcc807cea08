"""What the feed's pages hide of messages and answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changefeed.admin.answers import readable
from changefeed.admin.masking import masked, personal_values, scrubbed
from changefeed.models import FeedLane
from tests.changefeed.admin_pages import attempt, page, role
from tests.changefeed.rows import change, make_endpoint


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("recipient", {"name": "欧阳娜娜"}, {"name": "欧***"}),
        ("recipient", {"name": "林"}, {"name": "林*"}),
        ("recipient", {"phone": "13800130008"}, {"phone": "138****0008"}),
        ("recipient", {"phone": "+86 138-0013-0008"}, {"phone": "861****0008"}),
        ("recipient", {"phone_masked": "138****0008"}, {"phone_masked": "138****0008"}),
        ("recipient", {"phone": "110"}, {"phone": "***"}),
        ("recipient", {"phone_hash": "ab" * 16}, {"phone_hash": "***"}),
        (
            "",
            {"ship_to": {"city": "杭州市", "street": "文三路 90 号"}},
            {"ship_to": {"city": "杭州市", "street": "***"}},
        ),
        ("invoice_title", "林晓", "林*"),
        ("state", "on_hold", "on_hold"),
        ("lines", [{"sku": "TEA-1", "quantity": 2}], [{"sku": "TEA-1", "quantity": 2}]),
        ("", [{"contact": [{"name": "陈一二三四"}]}], [{"contact": [{"name": "陈***"}]}]),
        ("name", "", ""),
        ("phone", None, None),
    ],
)
def test_personal_values_are_hidden_at_any_depth(field, value, shown):
    assert masked(value, field) == shown


def test_an_answer_does_not_repeat_what_the_message_hid():
    message = {"recipient": {"name": "欧阳娜娜", "phone": "021-5555666"}, "street": "文三路 90 号"}

    shown = scrubbed(
        "欧阳娜娜, 021-5555666, 文三路 90 号, call 13900139000", personal_values(message)
    )

    assert shown == "欧***, 021****5666, ***, call 139****9000"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["name", "phone", "street", "x"]), inner)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_hiding_keeps_the_shape_and_hides_for_good(value):
    once = masked(value)

    assert masked(once) == once
    assert _shape(once) == _shape(value)


@given(st.dictionaries(st.sampled_from(["street", "address", "note"]), st.text(min_size=4)))
def test_nothing_of_a_hidden_text_is_left(value):
    shown = masked(value)

    assert set(shown.values()) <= {"***"}


def _shape(value):
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return type(value)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (r'{"error": "\u8d27\u53f7\u4e0d\u5b58\u5728"}', '{"error": "货号不存在"}'),
        (r"\ud83d\ude00", "😀"),
        (r"\u202e \u0007 \ud83d \u12", r"\u202e \u0007 \ud83d \u12"),
        (r"{\"inner\": \"\\u5f20\"}", r"{\"inner\": \"\\u5f20\"}"),
        (r"\u003cb\u003e", "<b>"),
        ("plain", "plain"),
    ],
)
def test_answers_are_read_without_escapes(said, shown):
    assert readable(said) == shown


@pytest.mark.django_db
def test_an_escaped_answer_is_hidden_first_and_read_afterwards():
    make_endpoint()
    change("A")
    attempt(
        FeedLane.objects.get(),
        answer=r'{"name": "\u5f20\u4e09", "error": "\u4e0d\u8ba4\u8bc6 <b> \u0031\u0033800130008"}',
    )

    shown = page(role("supervisor"), f"feedlane/{FeedLane.objects.get().pk}/change/")

    assert "不认识 &lt;b&gt;" in shown
    assert "张三" not in shown
    assert r"\u5f20" not in shown
    assert "138****0008" in shown
    assert "13800130008" not in shown
