"""Events of several runs are under way beside each other; those of one run never are."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from outbox_samples import BUSY, Receiver, backlog, drain, put

from roundsman.clock import ManualClock, SystemClock
from roundsman.owner import Owner
from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import Backlog, OutgoingEvent
from roundsman.runs.courier import SET, Turn
from roundsman.runs.outbox import Outbox
from roundsman.runs.sinks.webhook import WebhookSink

PATIENCE_S = 20.0
AT_ONCE = 4


class Meeting(Receiver):
    """Every delivery waits until as many are under way, and counts the most of one run that ever were."""

    def __init__(self, meet: int) -> None:
        super().__init__(at_once=AT_ONCE)
        self._meet = threading.Barrier(meet, timeout=PATIENCE_S)
        self._lock = threading.Lock()
        self._under_way: list[int] = []
        self.most_of_a_run = 0

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        (event,) = events
        with self._lock:
            self._under_way.append(event.run_id)
            self.most_of_a_run = max(self.most_of_a_run, self._under_way.count(event.run_id))
        self._meet.wait()
        with self._lock:
            self._under_way.remove(event.run_id)
            super().deliver(events)


class Unlucky(Meeting):
    """What the first helping thread carries fails; the others are answered when that one has noted it and ended."""

    failed_run = 0
    _helper: threading.Thread | None = None

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        with self._lock:
            if self._helper is None and threading.current_thread() is not threading.main_thread():
                self._helper, self.failed_run = threading.current_thread(), events[0].run_id
        self._meet.wait()
        assert self._helper is not None
        if threading.current_thread() is not self._helper:
            self._helper.join(PATIENCE_S)
        Receiver.deliver(self, events)


def outbox_of(store: Store, clock: ManualClock, receiver: Receiver) -> Outbox:
    return Outbox(store, clock, Owner.this_process(), [receiver])


def test_as_many_as_the_sink_allows_are_under_way_each_of_another_run(store: Store, clock: ManualClock) -> None:
    receiver = Meeting(AT_ONCE)
    runs = range(1, 2 * AT_ONCE + 1)
    names = ["run.waiting", "run.waiting again", "run.completed"]
    put(store, clock, *((run, name) for name in names for run in runs))
    assert drain(outbox_of(store, clock, receiver)) is Turn.NOTHING
    assert receiver.most_of_a_run == 1
    for run in runs:
        assert [name for told, name in receiver.told if told == run] == names
    assert backlog(store) == Backlog(0, 0)


def test_when_one_fails_those_under_way_are_waited_for_and_no_other_is_begun(
    store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Unlucky(AT_ONCE)
    receiver.fails = lambda event: BUSY if event.run_id == receiver.failed_run else None
    put(store, clock, *((run, "run.completed") for run in range(1, SET + 1)))
    outbox = outbox_of(store, clock, receiver)
    assert outbox.run_once("receiver") is Turn.CARRIED
    assert sorted(receiver.asked) == [(run, "run.completed") for run in range(1, AT_ONCE + 1)]
    assert outbox.run_once("receiver") is Turn.RESTING
    assert backlog(store) == Backlog(SET - AT_ONCE + 1, 0)
    said = f"The sink receiver did not take run.completed of run {receiver.failed_run} (attempt 1)"
    assert caplog.text.count(said) == 1


def test_several_that_fail_at_once_are_all_tried_again(store: Store, clock: ManualClock) -> None:
    receiver = Meeting(AT_ONCE)
    receiver.fails = lambda event: BUSY
    put(store, clock, *((run, "run.completed") for run in range(1, AT_ONCE + 1)))
    outbox = outbox_of(store, clock, receiver)
    outbox.run_once("receiver")
    outbox.run_once("receiver")
    assert backlog(store) == Backlog(AT_ONCE, 0)
    with store.read() as connection:
        attempts = connection.exec_driver_sql("SELECT DISTINCT attempts FROM run_events").scalars().all()
    assert attempts == [1]


class DeathError(BaseException):
    """No error of the sink: the thread itself must not go on."""


def test_what_ends_a_helping_thread_ends_the_turn(store: Store, clock: ManualClock) -> None:
    class Deadly(Meeting):
        def deliver(self, events: Sequence[OutgoingEvent]) -> None:
            super().deliver(events)
            if threading.current_thread() is not threading.main_thread():
                raise DeathError

    put(store, clock, *((run, "run.completed") for run in range(1, AT_ONCE + 1)))
    with pytest.raises(DeathError):
        outbox_of(store, clock, Deadly(AT_ONCE)).run_once("receiver")


@contextmanager
def server(answer: Callable[[], int]) -> Iterator[str]:
    """Takes posts, as many at a time as come."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(answer())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_port}/"
        finally:
            made.shutdown()
            thread.join()


def test_the_webhook_posts_eight_events_at_once_over_connections_that_it_keeps(
    store: Store, clock: ManualClock
) -> None:
    count = WebhookSink.at_once
    assert count == 8
    meet = threading.Barrier(count, timeout=PATIENCE_S)

    def answer() -> int:
        meet.wait()
        return 204

    with server(answer) as url:
        sink = WebhookSink(SystemClock(), url, "a secret of sixteen", allow_private=True)
        put(store, clock, *((run, "run.completed") for run in range(1, 3 * count + 1)), sink="webhook")
        outbox = Outbox(store, clock, Owner.this_process(), [sink])
        try:
            assert drain(outbox, "webhook") is Turn.NOTHING
            assert len(sink._posts._idle) == count
        finally:
            sink.close()
    assert backlog(store, "webhook") == Backlog(0, 0)
