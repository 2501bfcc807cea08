"""Scheduled and queued jobs of the rules app; each may run twice or beside itself."""

from celery import shared_task

from rules import lifecycle
from rules.lifecycle import backtests


@shared_task(name="rules.tasks.publish_scheduled", ignore_result=True, time_limit=60)
def publish_scheduled() -> int:
    """Put in force the versions whose time has come; how many."""
    return len(lifecycle.publish_scheduled())


@shared_task(name="rules.tasks.run_backtest", ignore_result=True, time_limit=3600)
def run_backtest(run_id: int) -> None:
    """Do a backtest that somebody asked for."""
    backtests.run(run_id)
