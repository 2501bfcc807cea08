"""Addresses of the feed below /api/v1/."""

from django.urls import path

from changefeed.api.views import ChangesView

urlpatterns = [path("changes/", ChangesView.as_view(), name="changes")]
