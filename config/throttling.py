"""How many API calls a key may make a minute."""

import threading
import time
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    from rest_framework.views import APIView

SHARE_EVERY = 0.5
"""Seconds between two looks at what the other processes counted."""


class _Tally:
    """Calls of one caller in one minute: `known` to everybody, and `pending` in this process."""

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.known = 0
        self.pending = 0
        self.share_at = 0.0


class KeyThrottle(BaseThrottle):
    """A fixed window per minute and key, counted here and shared through the cache.

    Processes tell each other twice a second, so a call costs no round trip and a limit may be
    overrun by what half a second brings. Without the cache each process counts alone: intake
    must not stop with Redis.
    """

    _tallies: ClassVar[dict[str, _Tally]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the call; False once the key used up its minute."""
        caller = str(getattr(request.auth, "pk", None) or request.META.get("REMOTE_ADDR", ""))
        with self._lock:
            tally = self._tally(caller)
            tally.pending += 1
            now = time.monotonic()
            share = tally.share_at <= now
            if share:
                tally.share_at = now + SHARE_EVERY
        if share:
            self._share(caller, tally)
        return tally.known + tally.pending <= settings.API_THROTTLE_PER_MINUTE

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return 60 - time.time() % 60

    def _tally(self, caller: str) -> _Tally:
        minute = int(time.time() // 60)
        tally = self._tallies.get(caller)
        if tally is None or tally.minute != minute:
            if len(self._tallies) > 10_000:
                self._tallies.clear()
            tally = self._tallies[caller] = _Tally(minute)
        return tally

    def _share(self, caller: str, tally: _Tally) -> None:
        slot = f"throttle:{caller}:{tally.minute}"
        with self._lock:
            mine, tally.pending = tally.pending, 0
            tally.known += mine
        try:
            cache.add(slot, 0, timeout=90)
            tally.known = max(tally.known, cache.incr(slot, mine))
        except Exception:
            return
