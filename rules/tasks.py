"""Scheduled and queued jobs of the rules app; each may run twice or beside itself."""

from celery import shared_task

from rules import lifecycle


@shared_task(name="rules.tasks.publish_scheduled", ignore_result=True, time_limit=60)
def publish_scheduled() -> int:
    """Put in force the versions whose time has come; how many."""
    return len(lifecycle.publish_scheduled())
