"""What went wrong with a request is said in the reader's language; what others said stays."""

import aiohttp
import pytest
from django.utils import translation

from changefeed.admin.problems import problem_words
from changefeed.models import Attempt, Endpoint
from tests.changefeed.admin_pages import page, role, root
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, make_endpoint


def test_our_own_accounts_are_told_in_words_and_others_left_alone():
    with translation.override("en"):
        assert problem_words("timed out") == "no whole answer in time"
        assert problem_words("address refused: 10.0.0.1") == (
            "this address may not be reached (address refused: 10.0.0.1)"
        )
        assert problem_words("HTTP 500") == "HTTP 500"
        assert problem_words("out of stock, timed out") == "out of stock, timed out"


def test_every_account_is_translated():
    with translation.override("zh-hans"):
        for text in ("timed out", "no signing secret", "sending failed here, see the log"):
            assert not problem_words(text).isascii()


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientConnectorDNSError,
        aiohttp.ClientConnectorCertificateError,
        aiohttp.ClientConnectorSSLError,
        aiohttp.ClientConnectorError,
        aiohttp.ServerDisconnectedError,
        aiohttp.ClientOSError,
        aiohttp.ClientPayloadError,
        aiohttp.ServerTimeoutError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.TooManyRedirects,
        aiohttp.ClientResponseError,
    ],
)
def test_the_library_still_has_errors_of_these_names(error):
    with translation.override("en"):
        assert problem_words(f"{error.__name__}: x").endswith(f"({error.__name__}: x)")


@pytest.mark.django_db(transaction=True)
def test_pages_tell_why_nobody_answered():
    endpoint = make_endpoint(name="dead", url="http://127.0.0.1:9/hook")
    change("A")
    assert drain_once() == 0
    Endpoint.objects.update(state="open", state_reason="timed out")
    attempt = Attempt.objects.get()

    with translation.override("en"):
        shown = page(root(), f"endpoint/{endpoint.pk}/change/")
        assert "no connection could be made (ClientConnectorError" in shown
        assert "no whole answer in time" in shown
        assert "no connection could be made" in page(
            role("operations"), f"attempt/{attempt.pk}/change/"
        )
