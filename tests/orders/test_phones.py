"""Reading, refusing and masking telephone numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.phones import InvalidPhone, Phone, mask_name, mask_phone, parse_phone


@pytest.mark.parametrize(
    "text",
    [
        "13800000000",
        "138 0000 0000",
        "138-0000-0000",
        "+86 138 0000 0000",
        "+86-13800000000",
        "0086 13800000000",
        "8613800000000",
        "１３８００００００００",
        "１３８ー００００ー００００",
        "١٣٨٠٠٠٠٠٠٠٠",
        "１38０0000０00",
        "\u202d138 0000 0000\u202c",
        "138\u200b0000\u20600000\ufeff",
        " 13800000000\n",
    ],
)
def test_a_mobile_number_has_one_form_however_it_is_written(text):
    assert parse_phone(text) == Phone("plain", "+8613800000000")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0571-88157388", "0571-88157388"),
        ("057188157388", "0571-88157388"),
        ("(0571) 88157388", "0571-88157388"),
        ("+86 571 88157388", "0571-88157388"),
        ("010-65432100", "010-65432100"),
        ("0898-6543210", "0898-6543210"),
        ("400-820-8820", "400-820-8820"),
        ("4008208820", "400-820-8820"),
    ],
)
def test_a_landline_keeps_its_area_code(text, value):
    assert parse_phone(text) == Phone("landline", value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+852 2345 6789", "+85223456789"),
        ("00852-2345-6789", "+85223456789"),
        ("+44 (7911) 123456", "+447911123456"),
        ("+1 415.555.2671", "+14155552671"),
    ],
)
def test_a_foreign_number_is_accepted_with_its_country_code(text, value):
    assert parse_phone(text) == Phone("plain", value)


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("18400001234-5678", Phone("plain", "+8618400001234", "5678")),
        ("18400001234转5678", Phone("plain", "+8618400001234", "5678")),
        ("18400001234,5678", Phone("plain", "+8618400001234", "5678")),
        ("021-65432100-801", Phone("landline", "021-65432100", "801")),
    ],
)
def test_what_to_dial_afterwards_is_kept_apart(text, phone):
    assert parse_phone(text) == phone


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("138****0000", "138****0000"),
        ("*******0000", "*******0000"),
        ("138xxxx0000", "138****0000"),
        ("138XXXX0000", "138****0000"),
        ("138••••0000", "138****0000"),
        ("138＊＊＊＊0000", "138****0000"),
        ("138 **** 0000", "138****0000"),
        ("+86138****0000", "138****0000"),
        ("***********", "***********"),
    ],
)
def test_a_masked_number_is_never_taken_for_a_number(text, value):
    phone = parse_phone(text)

    assert phone == Phone("masked", value)
    assert phone.is_masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "110",
        "88157388",
        "1380000000",
        "138000000000",
        "12345678901",
        "23800000000",
        "+86 12345678901",
        "13800000000x",
        "138*",
        "****",
        "林婷",
        "xxxx",
        "+8613800000000\r\nX-Header: 1",
        "138 0000 0000 13900000000",
        "+0138000000",
        "<script>13800000000</script>",
        "9" * 500,
    ],
)
def test_anything_else_is_refused_without_repeating_it(text):
    with pytest.raises(InvalidPhone) as refusal:
        parse_phone(text)

    assert str(refusal.value) == "invalid_phone"


@given(st.text())
def test_no_text_breaks_the_parser(text):
    try:
        phone = parse_phone(text)
    except InvalidPhone:
        return
    assert phone.kind == "masked" or "*" not in phone.value
    assert phone.value.isascii()


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_what_was_read_reads_the_same_again(number):
    phone = parse_phone(number)

    assert parse_phone(phone.value) == phone
    assert parse_phone(mask_phone(phone.value)) == Phone("masked", f"{number[:3]}****{number[-4:]}")


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("+8613812340000", "138****0000"),
        ("0571-88157388", "0571-****7388"),
        ("400-820-8820", "400****8820"),
        ("+85223456789", "852****6789"),
        ("138****0000", "138****0000"),
        ("12345", "*****"),
        ("", ""),
    ],
)
def test_mask_phone_hides_the_middle(value, masked):
    assert mask_phone(value) == masked


@pytest.mark.parametrize(
    ("name", "masked"),
    [("林婷", "林*"), ("欧阳娜娜", "欧***"), ("John Smith", "J***"), ("林", "*"), ("", "")],
)
def test_mask_name_leaves_the_first_character(name, masked):
    assert mask_name(name) == masked
