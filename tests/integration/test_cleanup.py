"""The nightly cleanup: what is old goes, from the queue too, and a queue that is away hurts nobody."""

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from chats import NOW, Desk, ago, export, message, staff
from queue_places import ME
from queue_samples import draft, drafts, numbers, take, take_one
from run_bench import Benches, workflow

from jobs import cleanup
from jobs.cleanup import DEAD_LETTERS_KEPT_FOR, INBOX_KEPT_FOR, OBSERVATIONS_KEPT_FOR, Cleanup
from roundsman.clock import ManualClock
from roundsman.errors import QueueError
from roundsman.owner import Owner
from roundsman.queues.base import Queue, QueueOptions
from roundsman.queues.memory import MemoryQueue
from roundsman.queues.sql import SqlQueue
from roundsman.repositories.alerts import Severity
from roundsman.repositories.engine import Store
from roundsman.repositories.held_looks import HeldLook, HeldLookRepository
from roundsman.repositories.inbox import InboxContent, InboxRepository
from roundsman.repositories.notifications import NotificationEvent
from roundsman.repositories.observations import ObservationRepository
from roundsman.repositories.stale_spans import StaleSpanRepository
from roundsman.repositories.ticks import TickRepository
from roundsman.scheduling.job import JobContext, StoppedError, StopReason, StopToken

LOG = logging.LoggerAdapter(logging.getLogger("test"), {})
NOTHING = {"ticks": 0, "alerts": 0, "silences": 0, "inbox": 0, "runs": 0, "observations": 0, "stale_spans": 0,
           "held_looks": 0}  # fmt: skip
AWAY = "Redis redis 127.0.0.1:6379/0 was not reached; check REDIS_URL."


class LostQueue(MemoryQueue):
    """Goes away after a few answers."""

    answers = 0

    def forget(self, before: datetime, limit: int) -> int:
        if self.answers == 0:
            raise QueueError(AWAY)
        self.answers -= 1
        return super().forget(before, limit)


@pytest.fixture
def queue(store: Store, clock: ManualClock) -> Iterator[Queue]:
    with closing(SqlQueue(store, clock, QueueOptions(ME))) as made:
        yield made


def clean(store: Store, clock: ManualClock, queue: Queue, stop: StopToken | None = None) -> dict[str, int]:
    job = Cleanup(store, TickRepository(store, Owner.this_process()), queue)
    return dict(job.run(JobContext(clock, LOG, stop or StopToken(), clock.now())).counters)


def bury_one(queue: Queue, number: int) -> None:
    queue.enqueue([draft(number)])
    queue.bury([take_one(queue)], "broken")


def test_dead_letters_are_kept_for_thirty_days(store: Store, clock: ManualClock, queue: Queue) -> None:
    bury_one(queue, 1)
    clock.advance(timedelta(days=1))
    bury_one(queue, 2)
    clock.advance(timedelta(days=29))
    assert clean(store, clock, queue)["dead_letters"] == 0, "to the end of the thirtieth day"
    clock.advance(timedelta(seconds=1))
    assert clean(store, clock, queue) == NOTHING | {"dead_letters": 1}
    assert numbers(queue.dead()) == [2]


def test_more_than_one_batch_goes_in_one_night(
    store: Store, clock: ManualClock, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "_BATCH_ROWS", 3)
    queue.enqueue(drafts(range(7)))
    queue.bury(take(queue), "broken")
    clock.advance(DEAD_LETTERS_KEPT_FOR + timedelta(seconds=1))
    assert clean(store, clock, queue)["dead_letters"] == 7
    assert queue.dead() == []


def test_a_queue_that_is_away_is_told_of_once_and_the_rest_is_cleaned(
    store: Store,
    clock: ManualClock,
    benches: Benches,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cleanup, "_BATCH_ROWS", 1)
    bench = benches(workflow())
    bench.submit()
    bench.drive()
    queue = LostQueue(QueueOptions(ME), clock)
    for number in range(3):
        bury_one(queue, number)
    clock.advance(DEAD_LETTERS_KEPT_FOR + timedelta(seconds=1))
    queue.answers = 2
    found = clean(store, clock, queue)
    assert (found["runs"], found["dead_letters"]) == (1, 2)
    assert [record.getMessage() for record in caplog.records if record.name == "test"] == [
        f"Old dead letters stay where they are: {AWAY}"
    ]


def test_it_stops_between_two_batches(store: Store, clock: ManualClock, queue: Queue) -> None:
    bury_one(queue, 1)
    clock.advance(DEAD_LETTERS_KEPT_FOR + timedelta(seconds=1))
    stop = StopToken()
    stop.set(StopReason.SHUTDOWN)
    with pytest.raises(StoppedError):
        clean(store, clock, queue, stop)
    assert numbers(queue.dead()) == [1]


def test_what_was_known_is_kept_for_sixty_days_and_longer_of_whoever_waits(
    store: Store, clock: ManualClock, queue: Queue, tmp_path: Path
) -> None:
    desk = Desk(store, clock, tmp_path)
    questions = [message("m1", ago(5), name="waits"), message("m2", ago(5), name="answered")]
    desk.take(export(messages=questions))
    desk.take(export(messages=[message("m3", ago(1), staff(), name="answered")]))
    clock.advance(OBSERVATIONS_KEPT_FOR)
    assert clean(store, clock, queue)["observations"] == 0
    clock.advance(timedelta(seconds=1))
    assert clean(store, clock, queue)["observations"] == 2
    with store.read() as connection:
        assert len(ObservationRepository().of(connection, "100_waits")) == 1
        assert ObservationRepository().of(connection, "100_answered") == []


def test_the_inbox_is_kept_for_ninety_days(store: Store, clock: ManualClock, queue: Queue) -> None:
    content = InboxContent(NotificationEvent.FIRING, Severity.LOW, "Lan waits", "Lan waits", None, {})
    with store.write() as connection:
        InboxRepository().add(connection, content, clock.now())
        InboxRepository().add(connection, content, clock.now() + timedelta(minutes=1))
    clock.advance(INBOX_KEPT_FOR)
    assert clean(store, clock, queue)["inbox"] == 0
    clock.advance(timedelta(seconds=1))
    assert clean(store, clock, queue)["inbox"] == 1


def test_old_looks_that_were_held_go(store: Store, clock: ManualClock, queue: Queue) -> None:
    held = HeldLookRepository()
    with store.write() as connection:
        held.add(connection, [HeldLook("a", clock.now(), None), HeldLook("a", clock.now() + timedelta(days=1), NOW)])
    clock.advance(timedelta(days=60, seconds=1))
    assert clean(store, clock, queue)["held_looks"] == 1
    with store.read() as connection:
        (left,) = held.between(connection, NOW, clock.now())
    assert left == HeldLook("a", NOW + timedelta(days=1), NOW)


def test_old_stale_spans_go_and_an_open_one_stays(store: Store, clock: ManualClock, queue: Queue) -> None:
    spans = StaleSpanRepository()
    with store.write() as connection:
        spans.mark(connection, ["100", "200"], clock.now())
        spans.mark(connection, ["200"], clock.now() + timedelta(minutes=5))
    clock.advance(OBSERVATIONS_KEPT_FOR + timedelta(minutes=6))
    assert clean(store, clock, queue)["stale_spans"] == 1
    with store.read() as connection:
        assert [span.page_id for span in spans.since(connection, NOW)] == ["200"]
