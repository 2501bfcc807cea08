"""What the API reads as JSON, and that nothing passes which parsers disagree about."""

import io
import json
from typing import Any

import orjson
import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from config.json_api import DuplicateMember, JsonParser

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.just("a:b\\u003a"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def parse(raw: bytes) -> Any:
    return JsonParser().parse(io.BytesIO(raw))


@given(VALUES, st.booleans(), st.booleans())
def test_a_body_without_duplicates_is_read_as_it_was_written(value, escaped, spaced):
    text = json.dumps(value, ensure_ascii=escaped, indent=1 if spaced else None)

    assert parse(text.encode()) == value


@given(TEXT, VALUES, VALUES, VALUES, st.booleans(), st.booleans())
def test_a_member_named_twice_is_found_wherever_it_is(name, one, other, beside, deep, escaped):
    def said(value: Any) -> str:
        return json.dumps(value, ensure_ascii=escaped)

    key = "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char for char in name)
    text = f'{{{said(name)}:{said(one)},"{key if escaped else said(name)[1:-1]}":{said(other)}}}'
    if deep:
        text = f'{{"orders":[{said(beside)},{text}]}}'

    with pytest.raises(DuplicateMember):
        parse(text.encode())


@pytest.mark.parametrize("value", [{"a": "1:2", "b": "x"}, {"at": "02:13:09+08:00", "": {}}])
def test_colons_inside_texts_are_no_members(value):
    assert parse(orjson.dumps(value)) == value
    assert parse(orjson.dumps(value).replace(b"2:", b"2\\u003A")) == value


def test_a_long_number_beside_an_escaped_colon_is_still_read():
    assert parse(b'{"a":' + b"9" * 300 + b',"b":"\\u003a"}') == {"a": float("9" * 300), "b": ":"}


def test_the_refusal_names_the_member_shortened():
    name = "n" * 200
    with translation.override("en"), pytest.raises(DuplicateMember) as caught:
        parse(f'{{"{name}":1,"{name}":2}}'.encode())

    assert str(caught.value.detail) == (
        f"One object names the member “{'n' * 60}…” twice; send it once."
    )


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"NaN", b'{"a":1}x', b"[" * 2000])
def test_what_is_no_json_is_refused_as_before(raw):
    with pytest.raises(ParseError) as caught:
        parse(raw)

    assert not isinstance(caught.value, DuplicateMember)
