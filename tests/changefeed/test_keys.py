"""Keys are found by hash, kept out of logs, and end when revoked."""

import io
import logging

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from changefeed import keys
from changefeed.api.permissions import DenyAll, HasScope
from changefeed.errors import KeyNameTaken, UnknownScope
from changefeed.models import ApiKey

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget():
    keys._cache.clear()


def test_a_key_is_found_by_its_plain_text_and_only_its_hash_is_stored():
    key, plain = keys.create_key("WMS", source="wms", scopes=["orders:write", "feed:read"])

    assert keys.find_key(plain) == key
    stored = ApiKey.objects.values().get()
    assert plain not in repr(stored)
    assert plain.startswith(stored["prefix"])
    assert len(stored["hash"]) == 64
    assert stored["scopes"] == ["feed:read", "orders:write"]


@pytest.mark.parametrize("spoil", [lambda p: p[:-1], lambda p: p + "A", lambda p: p.upper()])
def test_a_key_that_differs_is_unknown(spoil):
    _key, plain = keys.create_key("WMS", source="wms", scopes=["feed:read"])

    assert keys.find_key(spoil(plain)) is None
    assert keys.find_key("") is None


def test_a_known_key_costs_no_query_for_two_seconds(django_assert_num_queries, monkeypatch):
    _key, plain = keys.create_key("WMS", source="wms", scopes=["feed:read"])
    now = [1000.0]
    monkeypatch.setattr("changefeed.keys.time.monotonic", lambda: now[0])

    with django_assert_num_queries(2):
        keys.find_key(plain)
    with django_assert_num_queries(0):
        keys.find_key(plain)
    now[0] += 2.1
    with django_assert_num_queries(1):
        keys.find_key(plain)


def test_revoked_elsewhere_ends_here_within_two_seconds(monkeypatch):
    key, plain = keys.create_key("WMS", source="wms", scopes=["feed:read"])
    now = [1000.0]
    monkeypatch.setattr("changefeed.keys.time.monotonic", lambda: now[0])
    assert keys.find_key(plain) == key
    ApiKey.objects.update(revoked_at="2026-11-11T00:00:00Z")
    now[0] += 2.1

    assert keys.find_key(plain) is None


def test_names_are_unique_and_scopes_known():
    keys.create_key("WMS", source="wms", scopes=["feed:read"])

    with pytest.raises(KeyNameTaken):
        keys.create_key("WMS", source="wms", scopes=["feed:read"])
    for scopes in ([], ["feed:all"]):
        with pytest.raises(UnknownScope):
            keys.create_key("ERP", source="erp", scopes=scopes)
    assert ApiKey.objects.count() == 1


def test_permissions_never_pass_on_an_empty_scope():
    request, view = APIRequestFactory().get("/"), APIView()
    request.auth = ApiKey(scopes=["orders:write"])

    assert HasScope.of("orders:write")().has_permission(request, view)
    assert not HasScope.of("orders:read")().has_permission(request, view)
    assert not HasScope().has_permission(request, view)
    request.auth = ApiKey(scopes=[])
    assert not HasScope.of("orders:write")().has_permission(request, view)
    request.auth = None
    assert not HasScope.of("orders:write")().has_permission(request, view)
    assert not DenyAll().has_permission(request, view)


def test_the_command_prints_a_key_once_and_lists_none():
    printed, listed = io.StringIO(), io.StringIO()
    call_command(
        "apikey", "create", "--name", "WMS", "--scope", "orders:write", "--scope", "feed:read",
        stdout=printed,
    )  # fmt: skip
    plain = printed.getvalue().strip()
    key = keys.find_key(plain)
    assert key is not None
    assert (key.name, key.source, key.scopes) == ("WMS", "wms", ["feed:read", "orders:write"])

    call_command("apikey", "list", stdout=listed)

    assert plain not in listed.getvalue()
    assert key.prefix in listed.getvalue()
    with pytest.raises(CommandError):
        call_command("apikey", "create", "--name", "WMS", "--scope", "feed:read")
    call_command("apikey", "revoke", "--name", "WMS")
    assert keys.find_key(plain) is None
    with pytest.raises(CommandError):
        call_command("apikey", "revoke", "--name", "NOBODY")


def test_a_key_never_appears_in_logs(caplog, capfd):
    _key, plain = keys.create_key("WMS", source="wms", scopes=["orders:write"])
    secret_part = plain[14:]
    client = APIClient(raise_request_exception=False)
    caplog.set_level(logging.DEBUG)

    for authorization in (f"Api-Key {plain}", f"Api-Key {plain}x", f"Bearer {plain}"):
        client.credentials(HTTP_AUTHORIZATION=authorization)
        assert client.get("/api/v1/changes/").status_code in {401, 403}

    out, err = capfd.readouterr()
    assert secret_part not in caplog.text + out + err


@pytest.mark.parametrize(
    "header", ["Api-Key", "Api-Key ", "Api-Key \u00e9", "Api-Key " + "x" * 900]
)
def test_odd_headers_are_refused_without_an_error(header):
    client = APIClient()

    assert client.get("/api/v1/changes/", HTTP_AUTHORIZATION=header).status_code == 401
