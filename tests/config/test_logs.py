"""Logs: one JSON line an event, without keys, secrets or phones."""

import io
import json
import logging
from typing import Any

import pytest

from config import logs


def written(message: str, *arguments: Any, **extra: Any) -> list[str]:
    """Lines that a logger with the product's formatter writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    spec = dict(logs.dictionary("INFO")["formatters"]["json"])
    handler.setFormatter(spec.pop("()")(**spec))
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        logger.warning(message, *arguments, **extra)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("hostile", ["a\r\nb", "a\x1b[31mb", "a\u2028b", '{"level": "forged"}'])
def test_hostile_text_stays_on_one_line(hostile):
    (line,) = written("got %s", hostile)
    assert json.loads(line)["event"] == f"got {hostile}"
    assert line.isascii()
    assert line.isprintable()


def test_keys_secrets_and_phones_are_masked():
    (line,) = written(
        "Authorization: Api-Key sl_canary.secret for 13812345678, whsec_c2VjcmV0 and +8613912345678"
    )
    event = json.loads(line)["event"]
    assert event == ("Authorization: Api-Key *** for 138****5678, whsec_*** and +86139****5678")


def test_nested_values_are_masked_by_name():
    assert logs.mask({"headers": {"Authorization": "x", "Accept": "y"}, "api_key": ["z"]}) == {
        "headers": {"Authorization": "***", "Accept": "y"},
        "api_key": "***",
    }


def test_exceptions_are_one_masked_line():
    try:
        raise ValueError("phone 13812345678\nnext")
    except ValueError:
        (line,) = written("failed", exc_info=True)
    assert "13812345678" not in line
    assert "ValueError" in line
