"""The two places of the SQS queue, on moto: a standard queue and a FIFO queue."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from queue_places import ME, Feature, Offer
from sqs_server import SqsAccount, SqsServer

from roundsman.clock import Clock, ManualClock
from roundsman.message import Draft, KindLimits
from roundsman.queues.base import QueueOptions
from roundsman.queues.sqs import SqsQueue

_CHILD = """
import json, sys
from roundsman.clock import SystemClock
from roundsman.message import Draft
from roundsman.queues.base import QueueOptions
from roundsman.queues.sqs import SqsPlace, SqsQueue
place, kind, body = json.load(sys.stdin)
SqsQueue(SqsPlace(**place), QueueOptions("child"), SystemClock()).enqueue([Draft(kind, body)])
"""


class SqsQueues:
    """Queues on one queue of SQS. Their manual clock and the server's time pass together."""

    tick = timedelta(seconds=5)
    """SQS counts in seconds, and its own time goes on while a test runs: a slow machine must not reach the next one."""

    def __init__(self, account: SqsAccount, clock: ManualClock, stack: ExitStack, *, fifo: bool) -> None:
        self._account, self._clock, self._stack = account, clock, stack
        self.place = account.place(account.make_queue(fifo=fifo), account.make_queue(fifo=fifo))
        account.pass_time(clock.now() - datetime.now(UTC))

    def queue(
        self,
        *,
        owner: str = ME,
        limits: Mapping[str, KindLimits] | None = None,
        lease: timedelta = timedelta(seconds=30),
        dedup_window: timedelta = timedelta(minutes=5),
        max_deliveries: int | None = None,
        clock: Clock | None = None,
    ) -> SqsQueue:
        options = QueueOptions(owner, limits or {}, lease, dedup_window, max_deliveries)
        return self._stack.enter_context(closing(SqsQueue(self.place, options, clock or self._clock)))

    def pass_time(self, by: timedelta) -> None:
        self._clock.advance(by)
        self._account.pass_time(by)

    def enqueue_elsewhere(self, draft: Draft) -> None:
        told = json.dumps([asdict(self.place), draft.kind, draft.body])
        subprocess.run([sys.executable, "-c", _CHILD], input=told, text=True, check=True, timeout=60)


@contextmanager
def sqs_place(request: pytest.FixtureRequest, *, fifo: bool) -> Iterator[SqsQueues]:
    """Its queues are deleted in the end."""
    server: SqsServer = request.getfixturevalue("sqs_server")
    with server.account() as account, ExitStack() as stack:
        yield SqsQueues(account, request.getfixturevalue("clock"), stack, fifo=fifo)


STANDARD = frozenset({Feature.TIME, Feature.FENCING, Feature.PROCESSES})
FIFO = STANDARD | {Feature.GROUPS, Feature.REASONS}
"""Neither has an exact ORDER, a DELAY of more than 14 days, DEDUP of which all processes are told, RELEASE, LIMITS over
all receivers, DEPTH by kind, or UNKNOWN ids. REASONS hold for both, but are tried with groups."""

PLACES = {
    "sqs": Offer(lambda request: sqs_place(request, fifo=False), STANDARD),
    "sqs-fifo": Offer(lambda request: sqs_place(request, fifo=True), FIFO),
}
