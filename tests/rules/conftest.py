"""What the tests of rules share: no test sees the live rules of another."""

from collections.abc import Iterator
from typing import Any

import pytest

from rules import draft, live, recent


@pytest.fixture(autouse=True)
def _forget_live_rules() -> Iterator[None]:
    """A test's transaction is rolled back, so what the process remembers of it is wrong."""
    forget()
    yield
    forget()


def forget() -> None:
    """Let this process look at the rules and at past cases again."""
    for keeper in (live, draft, recent):
        keeper.forget()


@pytest.fixture(autouse=True)
def _hash_passwords_fast(settings: Any) -> None:
    """Hundreds of people sign in here, and none of them has a secret worth 0.2 s."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
