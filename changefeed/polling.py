"""Waiting for the next page: a consumer may hold its request open until something happens."""

import threading
import time

from changefeed.models import ApiKey
from changefeed.reading import EVERYTHING, Page, Wanted, latest_seq, read_page

LONGEST_WAIT_SECONDS = 30
LOOK_EVERY_SECONDS = 0.25
LOOKS_A_PAGE = 4
WAITING_AT_ONCE = 2
"""Requests that may wait in one process: each occupies a thread that orders need."""

_places = threading.BoundedSemaphore(WAITING_AT_ONCE)


def read_page_soon(
    key: ApiKey, cursor: str | None, limit: int, wanted: Wanted = EVERYTHING, wait: float = 0.0
) -> Page:
    """The next page, waited for up to `wait` seconds while it would be empty.

    Answers at once when too many others are waiting in this process. Raises like `read_page`.
    """
    page = read_page(key, cursor, limit, wanted)
    if page.rows or wait <= 0 or not _places.acquire(blocking=False):
        return page
    try:
        return _watch(key, page, limit, wanted, time.monotonic() + wait)
    finally:
        _places.release()


def _watch(key: ApiKey, page: Page, limit: int, wanted: Wanted, until: float) -> Page:
    seen, looks = latest_seq(), 0
    while not page.rows and (left := until - time.monotonic()) > 0:
        time.sleep(min(LOOK_EVERY_SECONDS, left))
        looks += 1
        latest = latest_seq()
        # What was drawn long ago may commit only now, so the page is asked for now and then.
        if latest != seen or looks % LOOKS_A_PAGE == 0:
            seen = latest
            page = read_page(key, page.next_cursor, limit, wanted)
    return page
