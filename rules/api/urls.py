"""Addresses of the rules API, under /api/v1/."""

from django.urls import path

from rules.api import backtests, checks, views

urlpatterns = [
    path("rules/evaluate/", views.EvaluateView.as_view(), name="rules-evaluate"),
    path("rules/check/", checks.CheckView.as_view(), name="rules-check"),
    path("rules/backtest/", backtests.BacktestsView.as_view(), name="rules-backtest"),
    path(
        "rules/backtest/<int:run_id>/",
        backtests.BacktestView.as_view(),
        name="rules-backtest-run",
    ),
    path(
        "rules/backtest/<int:run_id>/cancel/",
        backtests.CancelBacktestView.as_view(),
        name="rules-backtest-cancel",
    ),
]
