"""The thread of a listener: whether it lives, and whether it is heard of in time."""

import threading
from datetime import timedelta

from roundsman.alerts.listeners.thread import ListeningThread
from roundsman.clock import ManualClock

PATIENCE = timedelta(minutes=1)


def _wait(stopping: threading.Event) -> None:
    stopping.wait()


def test_it_is_ill_only_while_it_should_work(clock: ManualClock) -> None:
    thread = ListeningThread("Slack", clock, PATIENCE)
    assert thread.ill() is None
    assert thread.stop() is False
    thread.start(_wait)
    assert thread.ill() is None
    thread.expect_within(timedelta(seconds=30))
    clock.advance(timedelta(seconds=90))
    assert thread.ill() is None
    clock.advance(timedelta(seconds=1))
    assert thread.ill() == "the thread that listens to Slack hangs for 91 s"
    assert thread.stop(5.0) is True
    assert thread.ill() is None
    assert thread.stop() is False


def test_one_that_has_ended_by_itself_is_told_of(clock: ManualClock) -> None:
    thread = ListeningThread("Telegram", clock, PATIENCE)
    ended = threading.Event()
    thread.start(lambda stopping: ended.set())
    assert ended.wait(5)
    for each in threading.enumerate():
        if each.name == "listen-telegram":
            each.join(5)
    assert thread.ill() == "the thread that listens to Telegram does not live"


def test_a_thread_of_before_does_not_come_back(clock: ManualClock) -> None:
    thread = ListeningThread("Telegram", clock, PATIENCE)
    given: list[threading.Event] = []
    for _ in range(2):
        thread.start(given.append)
        thread.stop(5.0)
    assert [each.is_set() for each in given] == [True, True]
    assert given[0] is not given[1]
