"""Addresses of the feed below /api/v1/."""

from django.urls import path

from changefeed.api.views import ChangesView, SnapshotView

urlpatterns = [
    path("changes/", ChangesView.as_view(), name="changes"),
    path("changes/snapshot/", SnapshotView.as_view(), name="changes-snapshot"),
]
