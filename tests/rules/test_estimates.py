"""Shares and their intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.estimates import share


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (10, 10, 0.7225, 1.0),
        (50, 1000, 0.0381, 0.0653),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_wilsons(part, whole, low, high):
    found = share(part, whole)

    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(("part", "whole"), [(-1, 3), (4, 3)])
def test_what_is_not_a_share_is_refused(part, whole):
    with pytest.raises(ValueError, match="not a share"):
        share(part, whole)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_seen_lies_inside_its_interval(counts):
    found = share(*counts)

    assert found.value is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
