"""One address for orders, one to ask whether the server is up."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.bench.plain_drf.views import Orders


def ready(request: HttpRequest) -> HttpResponse:
    """200 once the process answers."""
    return HttpResponse()


urlpatterns = [path("orders/", Orders.as_view()), path("ready", ready)]
