"""The place of the memory queue."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import pytest
from queue_places import EVERYTHING, ME, Feature, Offer

from roundsman.clock import Clock, ManualClock
from roundsman.message import Draft, KindLimits
from roundsman.queues.base import Queue, QueueOptions
from roundsman.queues.memory import MemoryQueue
from roundsman.queues.memory_record import MemoryPlace


class MemoryQueues:
    """Queues that share one place in memory and one manual clock."""

    tick = timedelta(seconds=1)

    def __init__(self, clock: ManualClock, stack: ExitStack) -> None:
        self._clock, self._stack, self._place = clock, stack, MemoryPlace()

    def queue(
        self,
        *,
        owner: str = ME,
        limits: Mapping[str, KindLimits] | None = None,
        lease: timedelta = timedelta(seconds=30),
        dedup_window: timedelta = timedelta(minutes=5),
        max_deliveries: int | None = None,
        clock: Clock | None = None,
    ) -> Queue:
        options = QueueOptions(owner, limits or {}, lease, dedup_window, max_deliveries)
        return self._stack.enter_context(closing(MemoryQueue(options, clock or self._clock, self._place)))

    def pass_time(self, by: timedelta) -> None:
        self._clock.advance(by)

    def enqueue_elsewhere(self, draft: Draft) -> None:
        raise NotImplementedError("memory is not shared between processes")


@contextmanager
def _memory(request: pytest.FixtureRequest) -> Iterator[MemoryQueues]:
    with ExitStack() as stack:
        yield MemoryQueues(request.getfixturevalue("clock"), stack)


PLACES = {"memory": Offer(_memory, EVERYTHING - {Feature.PROCESSES})}
