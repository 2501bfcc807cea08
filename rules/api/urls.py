"""Addresses of the rules API, under /api/v1/."""

from django.urls import path

from rules.api import checks, views

urlpatterns = [
    path("rules/evaluate/", views.EvaluateView.as_view(), name="rules-evaluate"),
    path("rules/check/", checks.CheckView.as_view(), name="rules-check"),
]
