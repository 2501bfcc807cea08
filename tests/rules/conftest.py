"""What the tests of rules share: no test sees the live rules of another."""

from collections.abc import Iterator

import pytest

from rules import live


@pytest.fixture(autouse=True)
def _forget_live_rules() -> Iterator[None]:
    """A test's transaction is rolled back, so what the process remembers of it is wrong."""
    live.forget()
    yield
    live.forget()
