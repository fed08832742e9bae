"""The outbox with a real store: what is told, in which order, what is tried again, given up, taken over."""

import logging
import subprocess
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from outbox_samples import BUSY, REFUSED, Receiver, backlog, drain, failing, put
from sqlalchemy import text
from sqlalchemy.engine import URL

from roundsman.clock import ManualClock, SystemClock
from roundsman.errors import StoreError
from roundsman.owner import Owner
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.run_outbox import Backlog, OutgoingEvent, RunOutbox
from roundsman.runs.courier import GIVEN_UP_AFTER, LONGEST_RETRY_AFTER, SET, Turn
from roundsman.runs.outbox import LEASE, LONGEST_SILENCE_S, LOOK_EVERY_S, Outbox
from roundsman.runs.sinks.base import SinkError, SinkFault

ME = Owner.this_process()
DEADLINE_S = 20.0


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def outbox(store: Store, clock: ManualClock, receiver: Receiver) -> Outbox:
    return Outbox(store, clock, ME, [receiver])


# --- telling ---


@pytest.mark.parametrize("most", [1, 500])
def test_every_event_is_told_once_and_those_of_a_run_in_order(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver, most: int
) -> None:
    receiver.most = most
    put(store, clock, *((run, name) for name in "abc" for run in range(2 * SET)))
    assert drain(outbox) is Turn.NOTHING
    assert len(receiver.told) == 6 * SET
    for run in range(2 * SET):
        assert [name for told, name in receiver.told if told == run] == ["a", "b", "c"]
    assert backlog(store) == Backlog(0, 0)


def test_a_sink_that_fails_is_left_alone_and_then_tried_with_one_event(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver
) -> None:
    put(store, clock, *((run, "a") for run in range(5)))
    receiver.fails = failing(BUSY, BUSY)
    assert drain(outbox) is Turn.RESTING
    assert receiver.asked == [(0, "a")]
    clock.advance(timedelta(seconds=1))
    assert drain(outbox) is Turn.RESTING
    assert receiver.asked == [(0, "a"), (1, "a")]
    clock.advance(timedelta(minutes=10))
    drain(outbox)
    assert sorted(receiver.told) == [(run, "a") for run in range(5)]


def test_one_bad_event_delays_the_later_ones_of_its_run_alone(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver
) -> None:
    put(store, clock, (1, "a"), (2, "a"), (1, "b"), (2, "b"))
    receiver.fails = lambda event: BUSY if (event.run_id, event.event) == (1, "a") else None
    for _ in range(20):
        drain(outbox)
        clock.advance(timedelta(minutes=1))
    assert receiver.told == [(2, "a"), (2, "b")]
    assert receiver.asked.count((1, "a")) >= 5
    receiver.fails = lambda _: None
    clock.advance(timedelta(minutes=5))
    drain(outbox)
    assert receiver.told[2:] == [(1, "a"), (1, "b")]


def test_attempts_of_one_event_back_off_to_five_minutes(
    sqlite_store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    outbox = Outbox(sqlite_store, clock, ME, [receiver])
    put(sqlite_store, clock, (1, "a"))
    receiver.fails = lambda _: BUSY
    moments = []
    for _ in range(2 * 60 * 60 // 5):
        before = len(receiver.asked)
        drain(outbox)
        if len(receiver.asked) > before:
            moments.append(clock.now())
        clock.advance(timedelta(seconds=5))
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[0] <= timedelta(seconds=5)
    assert max(gaps) <= timedelta(minutes=5, seconds=5)
    assert min(gaps[10:]) >= timedelta(minutes=2, seconds=30)


@pytest.mark.parametrize(
    ("asked", "waits"), [(timedelta(minutes=9), timedelta(minutes=9)), (timedelta(days=400), LONGEST_RETRY_AFTER)]
)
def test_a_receiver_that_asks_to_be_left_alone_is(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver, asked: timedelta, waits: timedelta
) -> None:
    put(store, clock, (1, "a"), (2, "a"))
    receiver.fails = failing(SinkError(SinkFault.TEMPORARY, "it answered HTTP 429", asked))
    drain(outbox)
    clock.advance(waits - timedelta(seconds=1))
    assert drain(outbox) is Turn.RESTING
    clock.advance(timedelta(seconds=1))
    drain(outbox)
    assert sorted(receiver.told) == [(1, "a"), (2, "a")]


def test_a_rejected_event_is_given_up_loudly_and_the_next_one_of_its_run_follows(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, clock, (7, "run.waiting"), (7, "run.completed"), (8, "run.completed"))
    receiver.fails = failing(REFUSED)
    drain(outbox)
    assert receiver.told == [(8, "run.completed"), (7, "run.completed")]
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "run.waiting of run 7 (event 7-1): it answered HTTP 422; given up" in line.getMessage()
    assert (vars(line)["RUN_ID"], vars(line)["EVENT"], vars(line)["SINK"]) == ("7", "run.waiting", "receiver")
    assert backlog(store) == Backlog(0, 1)


def test_whatever_a_sink_raises_is_a_failure_whose_text_is_not_shown(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, clock, (1, "a"))
    receiver.fails = failing(ValueError("https://x.example/secret-path"))
    drain(outbox)
    assert "unexpected ValueError at outbox_samples.py:" in caplog.text
    assert "secret-path" not in caplog.text
    clock.advance(timedelta(minutes=1))
    drain(outbox)
    assert receiver.told == [(1, "a")]


# --- giving up ---


def test_a_sink_that_is_down_for_two_days_gets_everything_in_the_end(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver
) -> None:
    put(store, clock, *((run, name) for name in "ab" for run in range(100)))
    receiver.fails = lambda _: BUSY
    for _ in range(2 * 24 * 6):
        drain(outbox)
        clock.advance(timedelta(minutes=10))
    receiver.fails = lambda _: None
    drain(outbox)
    clock.advance(timedelta(minutes=5))
    drain(outbox)
    assert sorted(receiver.told) == sorted((run, name) for name in "ab" for run in range(100))
    for run in range(100):
        assert receiver.told.index((run, "a")) < receiver.told.index((run, "b"))


def test_a_sink_that_is_gone_for_good_does_not_fill_the_store(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.fails = lambda _: BUSY
    put(store, clock, *((run, "a") for run in range(1_500)))
    for _ in range(20):
        drain(outbox)
        clock.advance(timedelta(minutes=10))
    assert backlog(store) == Backlog(1_500, 0), "nothing is given up before its time"
    clock.advance(GIVEN_UP_AFTER)
    put(store, clock, (9_999, "a"))
    for _ in range(60):
        drain(outbox)
        clock.advance(timedelta(minutes=2))
    assert backlog(store) == Backlog(1, 1_500)
    assert "1000 and more events that have waited for 3 days are given up" in caplog.text
    assert (9_999, "a") not in receiver.told


def test_a_daemon_that_was_off_for_a_week_gives_up_nothing_for_a_hiccup(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver
) -> None:
    put(store, clock, (1, "a"), (1, "b"))
    clock.advance(timedelta(days=7))
    receiver.fails = failing(*[BUSY] * 5)
    for _ in range(10):
        drain(outbox)
        clock.advance(timedelta(minutes=5))
    assert receiver.told == [(1, "a"), (1, "b")]


def test_events_for_a_sink_that_is_no_longer_set_up_are_told_of_and_given_up_after_days(
    store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, clock, (1, "a"), (2, "a"), sink="webhook")
    outbox = Outbox(store, clock, ME, [])
    outbox.start()
    assert "Run events wait for the sink webhook, which is not set up: 2" in caplog.text
    clock.advance(GIVEN_UP_AFTER)
    outbox.start()
    assert backlog(store, "webhook") == Backlog(0, 2)
    clock.advance(timedelta(days=31))
    outbox.start()
    assert backlog(store, "webhook") == Backlog(0, 0)


# --- trouble with the store, other processes ---


def test_what_could_not_be_recorded_is_not_told_again(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver
) -> None:
    put(store, clock, (1, "a"), (1, "b"))
    assert outbox.run_once("receiver") is Turn.CARRIED
    with store.write() as connection:
        connection.execute(text("ALTER TABLE run_events RENAME TO hidden"))
    with pytest.raises(Exception, match="run_events"):
        outbox.run_once("receiver")
    with store.write() as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO run_events"))
    clock.advance(LEASE + timedelta(seconds=LOOK_EVERY_S))
    drain(outbox)
    assert receiver.told == [(1, "a"), (1, "b")]


def dead() -> Owner:
    """The identity of a process of this machine that is gone."""
    process = subprocess.Popen(["true"])
    owner = replace(ME, pid=process.pid, started=1)
    process.wait()
    return owner


@pytest.mark.parametrize(("owner", "after"), [(dead(), timedelta(0)), (replace(ME, place="elsewhere"), LEASE)])
def test_what_another_process_left_is_taken_over(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver, owner: Owner, after: timedelta
) -> None:
    put(store, clock, (1, "a"), (1, "b"))
    Outbox(store, clock, owner, [Receiver()]).run_once("receiver")
    clock.advance(after)
    drain(outbox)
    assert receiver.told == [(1, "a"), (1, "b")]


def test_two_processes_share_a_sink_without_telling_anything_twice(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver
) -> None:
    put(store, clock, *((run, name) for name in "ab" for run in range(3 * SET)))
    other = Outbox(store, clock, replace(ME, place="elsewhere"), [receiver])
    turns = [Turn.CARRIED] * 2
    while Turn.CARRIED in turns:
        turns = [outbox.run_once("receiver"), other.run_once("receiver")]
    assert sorted(receiver.told) == sorted((run, name) for name in "ab" for run in range(3 * SET))


# --- the service ---


def test_a_running_outbox_tells_what_it_is_woken_for(store: Store, receiver: Receiver) -> None:
    clock = SystemClock()
    outbox = Outbox(store, clock, ME, [receiver])
    outbox.start()
    try:
        assert outbox.ill() is None
        receiver.awaited = 3
        put(store, clock, (1, "a"), (2, "a"), (1, "b"))
        outbox.wake()
        assert receiver.enough.wait(DEADLINE_S)
    finally:
        outbox.stop()
    assert backlog(store) == Backlog(0, 0), "a stop records what was told"
    assert receiver.closed == 1
    assert outbox.ill() == "the thread of the sink receiver does not live"


def test_a_stop_does_not_begin_the_rest_of_a_set(store: Store, receiver: Receiver) -> None:
    clock = SystemClock()
    outbox = Outbox(store, clock, ME, [receiver])
    go_on = threading.Event()

    def hold(_: OutgoingEvent) -> None:
        receiver.enough.set()
        go_on.wait(DEADLINE_S)

    receiver.fails = hold
    put(store, clock, (1, "a"), (2, "a"), (3, "a"))
    outbox.start()
    assert receiver.enough.wait(DEADLINE_S)
    stopper = threading.Thread(target=outbox.stop)
    stopper.start()
    while not outbox._lines["receiver"].courier.stopping:
        stopper.join(0.001)
    go_on.set()
    stopper.join(DEADLINE_S)
    assert receiver.told == [(1, "a")]
    assert backlog(store) == Backlog(2, 0)
    with store.read() as connection:
        assert RunOutbox("nobody", LEASE).holders(connection) == {}, "others may take them at once"


def test_an_outbox_whose_thread_hangs_is_ill(sqlite_store: Store, clock: ManualClock, receiver: Receiver) -> None:
    outbox = Outbox(sqlite_store, clock, ME, [receiver])
    go_on = threading.Event()

    def hold(_: OutgoingEvent) -> None:
        receiver.enough.set()
        go_on.wait(DEADLINE_S)

    receiver.fails = hold
    put(sqlite_store, clock, (1, "a"))
    outbox.start()
    try:
        assert receiver.enough.wait(DEADLINE_S)
        clock.advance(timedelta(seconds=LONGEST_SILENCE_S + 1))
        assert outbox.ill() == f"the thread of the sink receiver hangs for {LONGEST_SILENCE_S + 1:.0f} s"
    finally:
        go_on.set()
        outbox.stop()


def test_a_slow_sink_delays_no_other_one(sqlite_store: Store) -> None:
    clock = SystemClock()
    slow, quick = Receiver("slow"), Receiver("quick")
    go_on = threading.Event()
    slow.fails = lambda _: None if go_on.wait(DEADLINE_S) else BUSY
    for name in ("slow", "quick"):
        put(sqlite_store, clock, (1, "a"), sink=name)
    outbox = Outbox(sqlite_store, clock, ME, [slow, quick])
    outbox.start()
    try:
        assert quick.enough.wait(DEADLINE_S)
        assert slow.told == []
    finally:
        go_on.set()
        outbox.stop()


def test_a_command_delivers_what_is_due_without_a_thread(
    store: Store, clock: ManualClock, outbox: Outbox, receiver: Receiver
) -> None:
    put(store, clock, (1, "a"), (1, "b"), (2, "a"))
    receiver.fails = lambda event: REFUSED if event.run_id == 2 else None
    outbox.deliver_due()
    assert receiver.told == [(1, "a"), (1, "b")]
    assert backlog(store) == Backlog(0, 1)
    assert receiver.closed == 1


def test_the_store_s_troubles_are_raised_to_a_command(clock: ManualClock, tmp_path: Path) -> None:
    with closing(Store(StoreOptions(URL.create("sqlite", database=str(tmp_path / "no" / "store.db"))))) as store:
        outbox = Outbox(store, clock, ME, [Receiver()])
        with pytest.raises(StoreError):
            outbox.deliver_due()
