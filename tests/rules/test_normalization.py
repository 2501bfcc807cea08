"""Skeletons: one entry is found however it is spelt; two entries stay two."""

import random
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.normalization import skeleton

ENTRIES = [
    "+8613800000000",
    "13912345678",
    "C-88",
    "vip_customer_0042",
    "浙江省杭州市余杭区文一西路969号",
    "新疆维吾尔自治区乌鲁木齐市天山区解放北路88号3栋2单元501",
    "LENS-85",
    "hash:9f86d081884c7d65",
]
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202e\u2066\u2069\u180e\ufe0f\u3164\u034f"
SPACES = " \t\u00a0\u3000\u2003\u205f"
MARKS = "\u0336\u0301\u20e0\u0489\u0338"[:3]
LOOKALIKES = {
    "a": "аαɑ",
    "A": "АΑᎪ",
    "B": "ВΒᏴ",
    "c": "сϲ",
    "C": "СϹᏟ",
    "e": "еε",
    "E": "ЕΕᎬ",
    "H": "НΗᎻ",
    "i": "іι",
    "K": "КΚ",
    "L": "Ꮮ",
    "M": "МΜ",
    "N": "Ν",
    "o": "оοօ",
    "p": "рρ",
    "P": "РΡ",
    "s": "ѕ",
    "S": "ЅᏚ",
    "t": "т",
    "T": "ТΤ",
    "v": "ν",
    "x": "х",
    "y": "у",
    "-": "‐‑–—−－",
}
DIGITS = [0xFF10, 0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50, 0x1D7CE, 0x1D7D8, 0x1D7F6]


def mutated(text: str, rng: random.Random) -> str:
    """The text written otherwise, as somebody would who wants to slip through."""
    out = []
    for char in text:
        roll = rng.random()
        if char in string.digits and roll < 0.5:
            char = chr(rng.choice(DIGITS) + int(char))
        elif char in LOOKALIKES and roll < 0.5:
            char = rng.choice(LOOKALIKES[char])
        elif char.isascii() and char.isalpha() and roll < 0.7:
            char = rng.choice([char.swapcase(), chr(ord(char) + 0xFEE0)])
        out.append(char)
        if rng.random() < 0.25:
            out.append(rng.choice(INVISIBLE + SPACES))
        if rng.random() < 0.1:
            out.append(rng.choice(MARKS))
    return "".join(out)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_written_a_thousand_ways_is_still_found(entry):
    rng = random.Random(entry)
    expected = skeleton(entry)

    texts = [mutated(entry, rng) for _ in range(1_000)]
    missed = [text for text in texts if skeleton(text) != expected]

    assert missed == []


def test_the_mutations_would_pass_without_the_skeleton():
    rng = random.Random(1)
    texts = [mutated(ENTRIES[0], rng) for _ in range(100)]

    assert sum(unicodedata.normalize("NFKC", text) == ENTRIES[0] for text in texts) < 10


def test_distinct_entries_stay_distinct():
    phones = [f"+86138{number:08d}" for number in range(2_000)]
    numbers = [f"C-{number}" for number in range(2_000)]
    streets = [f"浙江省杭州市余杭区文一西路{number}号" for number in range(500)]
    words = ["O0", "l1", "I", "西藏自治区", "西蔵自治区", "ab-c", "abc", "a_bc", "三", "3", "叁"]
    every = {*phones, *numbers, *streets, *words, *ENTRIES}

    assert len({skeleton(entry) for entry in every}) == len(every)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("１３８　0013\u200b8000", "13800138000"),
        ("٠١٢٣٤٥٦٧٨٩", "0123456789"),
        ("ＡＢＣ", "abc"),
        ("АВС", "abc"),
        ("ΑΒΕ", "abe"),
        ("ℌℯ𝓁𝓁ℴ", "hello"),
        ("①②③❹", "1234"),
        ("café", "cafe"),
        ("Straße", "strasse"),
        ("\u202e\u2066\ufeff", ""),
        ("   \t\n", ""),
        ("⼀丁目", "一丁目"),
    ],
)
def test_skeleton(text, expected):
    assert skeleton(text) == expected


@given(st.text(max_size=300))
def test_a_skeleton_is_its_own_skeleton(text):
    assert skeleton(skeleton(text)) == skeleton(text)


@given(st.text(min_size=257, max_size=400))
def test_long_texts_are_treated_as_short_ones(text):
    assert skeleton(text) == skeleton(text[:200] + text[200:])
