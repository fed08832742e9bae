"""The place of the Redis queue: the run's Redis, with keys of the test's own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from secrets import token_hex

import pytest
from queue_places import ME, Offer
from redis_server import RedisServer

from roundsman.clock import Clock, ManualClock
from roundsman.message import Draft, KindLimits
from roundsman.queues.base import QueueOptions
from roundsman.queues.redis import RedisQueue

_CHILD = """
import json, sys
from roundsman.clock import SystemClock
from roundsman.message import Draft
from roundsman.queues.base import QueueOptions
from roundsman.queues.redis import RedisQueue
url, name, kind, body = json.load(sys.stdin)
RedisQueue(url, name, QueueOptions("child"), SystemClock()).enqueue([Draft(kind, body)])
"""


class RedisQueues:
    """Queues with one name on one Redis, which share a manual clock."""

    tick = timedelta(seconds=1)

    def __init__(self, server: RedisServer, clock: ManualClock, stack: ExitStack) -> None:
        self._server, self._clock, self._stack = server, clock, stack
        self.name = f"t-{token_hex(8)}"

    def queue(
        self,
        *,
        owner: str = ME,
        limits: Mapping[str, KindLimits] | None = None,
        lease: timedelta = timedelta(seconds=30),
        dedup_window: timedelta = timedelta(minutes=5),
        max_deliveries: int | None = None,
        clock: Clock | None = None,
    ) -> RedisQueue:
        options = QueueOptions(owner, limits or {}, lease, dedup_window, max_deliveries)
        queue = RedisQueue(self._server.url, self.name, options, clock or self._clock)
        return self._stack.enter_context(closing(queue))

    def pass_time(self, by: timedelta) -> None:
        self._clock.advance(by)

    def enqueue_elsewhere(self, draft: Draft) -> None:
        told = json.dumps([self._server.url, self.name, draft.kind, draft.body])
        subprocess.run([sys.executable, "-c", _CHILD], input=told, text=True, check=True, timeout=60)


@contextmanager
def redis_place(request: pytest.FixtureRequest) -> Iterator[RedisQueues]:
    """Its keys are removed in the end."""
    server: RedisServer = request.getfixturevalue("redis_server")
    with ExitStack() as stack:
        place = RedisQueues(server, request.getfixturevalue("clock"), stack)
        yield place
    with server.client() as client:
        for key in client.scan_iter(f"{{{place.name}}}:*", count=1_000):
            client.unlink(key)


PLACES = {"redis": Offer(redis_place)}
