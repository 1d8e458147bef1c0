"""How often one may ask, counted in Valkey by the minute.

Who holds a key is counted by key, who is signed in by person. Requests without either are
answered 401 in any case; they are counted by address, so that trying keys ends in 429. They never
count against a key that works from the same address. When Valkey does not answer, keys and
sessions work uncounted: the gateway must not stop with the counter.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from coai_admin.console import circumstances
from coai_admin.console.addresses import neighbourhood
from users.service_actor import ServiceActor

_MINUTE = 60


class PerCaller(BaseThrottle):
    """So many requests a minute for each key and each person."""

    def allow_request(self, request: Request, view: Any) -> bool:
        return _count(caller(request.user)) <= settings.API_REQUESTS_PER_MINUTE

    def wait(self) -> float:
        return _left_of_this_minute()


def caller(actor: Any) -> str:
    """Who asks, as one word."""
    if isinstance(actor, ServiceActor):
        return f"key:{actor.key.pk}"
    return f"user:{actor.pk}"


def count_failure() -> None:
    """Count a request that showed a wrong key. Raises Throttled beyond the limit."""
    if (
        _count(f"address:{neighbourhood(circumstances.ip() or '')}")
        > settings.API_FAILURES_PER_MINUTE
    ):
        raise Throttled(wait=_left_of_this_minute())


def _count(who: str) -> int:
    name = f"api:{who}:{int(time.time()) // _MINUTE}"
    try:
        cache.add(name, 0, timeout=2 * _MINUTE)
        return int(cache.incr(name))
    except (RedisError, ValueError):  # no Valkey; or it forgot the counter between the two
        return 0


def _left_of_this_minute() -> float:
    return _MINUTE - time.time() % _MINUTE
