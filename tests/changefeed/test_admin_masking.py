"""What the feed's pages hide of messages and answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changefeed.admin.masking import masked, personal_values, scrubbed


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
