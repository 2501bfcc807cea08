"""Whose address a log line carries: the caller's, and never one that the caller made up."""

import pytest
import structlog
from django.test import RequestFactory

from config.middleware import LogContextMiddleware


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "", "192.0.2.1"),
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.9.9.9, 203.0.113.9", "203.0.113.9"),
        (2, "10.9.9.9, 203.0.113.9, 198.51.100.2", "203.0.113.9"),
        (2, "203.0.113.9", "203.0.113.9"),
        (1, "", "192.0.2.1"),
    ],
)
def test_log_lines_carry_the_address_that_our_proxies_saw(settings, proxies, forwarded, seen):
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", headers=headers)

    with structlog.contextvars.bound_contextvars():
        LogContextMiddleware.bind_ip(request)

        assert structlog.contextvars.get_contextvars()["ip"] == seen
