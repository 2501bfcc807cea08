"""How many API calls a key may make a minute."""

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    from rest_framework.views import APIView


class KeyThrottle(BaseThrottle):
    """A fixed window per minute and key: one increment in the cache a call, at any rate.

    When the cache cannot be reached the call passes: intake must not stop with Redis.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the call; False once the key used up its minute."""
        key = getattr(request.auth, "pk", None) or request.META.get("REMOTE_ADDR", "")
        slot = f"throttle:{key}:{int(time.time() // 60)}"
        try:
            cache.add(slot, 0, timeout=90)
            used = cache.incr(slot)
        except Exception:
            return True
        return used <= settings.API_THROTTLE_PER_MINUTE

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return 60 - time.time() % 60
