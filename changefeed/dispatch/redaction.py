"""What an answer may not tell on: the endpoint's secrets and what its address keeps; pure."""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

from changefeed.signatures import SECRET_PREFIX

HIDDEN = "***"
# A shorter word would blot out half of an answer.
_SHORTEST = 6


class Redaction:
    """Takes the secrets and the query of an endpoint's address out of what it answered.

    Receivers echo what they were sent, and errors name the address in full; both are kept, shown
    to people and written to logs.
    """

    def __init__(self, url: str, secrets: Iterable[str]) -> None:
        query = urlsplit(url).query
        self._query = query
        values = [part.partition("=")[2] or part for part in query.split("&")]
        words = {unquote(one) for one in values} | {*values, query}
        for secret in secrets:
            bare = secret.removeprefix(SECRET_PREFIX)
            words |= {bare, bare.rstrip("=")}
        written = {form for word in words for form in _forms(word) if len(word) >= _SHORTEST}
        longest_first = sorted(written, key=lambda one: (-len(one), one))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if written else None

    def text(self, text: str) -> str:
        """The text without them."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def document(self, document: bytes) -> bytes:
        """The bytes without them, untouched when there is nothing to hide."""
        if not self._pattern:
            return document
        # One byte a character and back: bytes that are no text stay as they are.
        read = document.decode("latin-1")
        found = self._pattern.sub(HIDDEN, read)
        return document if found == read else found.encode("latin-1")


def address_without_query(url: str) -> str:
    """The address for people who need not know what its query holds, often a token."""
    before, mark, _query = url.partition("?")
    return f"{before}?{HIDDEN}" if mark else url


def _forms(word: str) -> set[str]:
    """As it is, and as JSON, URLs and PHP write it."""
    return {word, word.replace("/", "\\/"), quote(word, safe=""), quote(word, safe="/")}
