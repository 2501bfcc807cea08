"""Addresses of the returns API, under /api/v1/."""

from django.urls import path

from returns.api.views import ReturnsView, ReturnView

urlpatterns = [
    path("returns/", ReturnsView.as_view(), name="returns"),
    path("returns/<str:number>/", ReturnView.as_view(), name="return"),
]
