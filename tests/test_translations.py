"""The Chinese catalogue is complete and its placeholders fit."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils import translation

CATALOGUE = Path(settings.LOCALE_PATHS[0]) / "zh_Hans" / "LC_MESSAGES" / "django.po"
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sdfi](?![a-z])|\{[a-z_]*\}|%[sd]|</?[a-z]+")


def messages() -> list[Message]:
    with CATALOGUE.open("rb") as source:
        return [message for message in read_po(source, locale="zh_Hans") if message.id]


def texts(message: Message) -> tuple[str, str]:
    """(English, Chinese), of a plural its many-form."""
    if message.pluralizable:
        return str(message.id[-1]), str(message.string[0]) if message.string else ""
    return str(message.id), str(message.string or "")


def test_every_message_is_translated():
    found = messages()
    assert len(found) > 1000
    assert [english for english, chinese in map(texts, found) if not chinese] == []


def test_translations_keep_their_placeholders():
    wrong = [
        english
        for english, chinese in map(texts, messages())
        if set(PLACEHOLDER.findall(english)) != set(PLACEHOLDER.findall(chinese))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "word"), [("zh-hans", "异常订单隔离区"), ("en", "Quarantine board")]
)
def test_both_languages_are_served(language: str, word: str):
    with translation.override(language):
        assert translation.gettext("Quarantine board") == word
