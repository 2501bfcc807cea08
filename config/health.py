"""Answers for load balancers and Prometheus: alive, ready, and the figures of the desk."""

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.metrics import render


def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """200 when database and cache answer, else 503 naming what does not."""
    checks = {"database": _database, "cache": _cache}
    failed = []
    for name, check in checks.items():
        try:
            check()
        except Exception:
            failed.append(name)
    if failed:
        return JsonResponse({"status": "unavailable", "failed": failed}, status=503)
    return JsonResponse({"status": "ok"})


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _cache() -> None:
    cache.set("readyz", 1, timeout=5)


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text; see config.metrics."""

    body, content_type = render()
    return HttpResponse(body, content_type=content_type)
