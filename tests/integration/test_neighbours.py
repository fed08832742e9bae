"""Whatever a process of this machine held when it was killed is taken over at once, without any lease running out."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import pytest
from redis_server import RedisServer
from run_bench import ME, PATIENCE_S, Bench, Benches, workflow

from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.owner import Owner
from roundsman.queues.base import Queue, QueueOptions
from roundsman.queues.redis import RedisQueue
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.run_claims import RunClaims
from roundsman.repositories.runs import RunStatus
from roundsman.runs import black_box, neighbours
from roundsman.runs.black_box import BlackBox
from roundsman.runs.neighbours import Neighbours

LEASE = timedelta(hours=1)
"""Longer than any test."""

_IDLER = "import sys; from roundsman.owner import Owner; print(Owner.this_process(), flush=True); sys.stdin.read()"
_RECEIVER = """
import json, sys
from roundsman.clock import SystemClock
from roundsman.owner import Owner
from roundsman.queues.base import QueueOptions
from roundsman.queues.redis import RedisQueue
url, name, count = json.loads(sys.stdin.readline())
owner = str(Owner.this_process())
received = RedisQueue(url, name, QueueOptions(owner), SystemClock()).dequeue({"sample": count}, count)
assert len(received) == count
print(owner, flush=True)
sys.stdin.read()
"""


class Neighbour:
    """A process that has told who it is, and does nothing more."""

    def __init__(self, program: str, told: object = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        self.owner = self._process.stdout.readline().strip()
        assert Owner.parse(self.owner).pid == self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def neighbour(program: str = _IDLER, told: object = None) -> Iterator[Neighbour]:
    made = Neighbour(program, told)
    try:
        yield made
    finally:
        made.kill()


class Watch:
    """Counts how often something was taken over."""

    def __init__(self, store: Store, stack: ExitStack) -> None:
        self._changed = threading.Condition()
        self.times = 0
        self.fault: StoreError | None = None
        self.watch = Neighbours(store, RunClaims(ME, LEASE), Owner.parse(ME), self._take_over)
        stack.callback(self.watch.stop)

    def _take_over(self) -> None:
        with self._changed:
            self.times += 1
            self._changed.notify_all()
            if self.fault is not None:
                raise self.fault

    def took_over(self, times: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.times >= times, PATIENCE_S)


@pytest.fixture
def watch(store: Store) -> Iterator[Watch]:
    with ExitStack() as stack:
        yield Watch(store, stack)


def announce(store: Store, owner: str, clock: Clock) -> None:
    """As a daemon does at its start."""
    now, facts = clock.now(), Owner.parse(owner)
    with store.write() as connection:
        DaemonRepository().beat(connection, DaemonRecord(owner, facts.host, facts.pid, "1", now, now, ""))


def test_the_death_of_a_daemon_is_noticed_at_once(store: Store, clock: Clock, watch: Watch) -> None:
    with neighbour() as other:
        announce(store, other.owner, clock)
        announce(store, ME, clock)
        watch.watch.start()
        other.kill()
        assert watch.took_over(1)
        assert watch.took_over(2), "once more, for what the server of a database still committed for it"


def test_so_is_that_of_one_that_came_later(store: Store, clock: Clock, watch: Watch) -> None:
    watch.watch.start()
    with neighbour() as other:
        announce(store, other.owner, clock)
        watch.watch.look()
        other.kill()
        assert watch.took_over(1)


def test_one_that_came_and_died_between_two_looks_is_found_by_the_next_one_and_once(
    store: Store, clock: Clock, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "LOOK_AGAIN_S", 0.01)
    watch.watch.start()
    with neighbour() as other:
        announce(store, other.owner, clock)
        other.kill()
    watch.watch.look()
    assert watch.took_over(2)
    watch.watch.look()
    watch.watch.stop()
    assert watch.times == 2


def test_what_was_dead_before_is_not_taken_over_again(store: Store, clock: Clock, watch: Watch) -> None:
    with neighbour() as other:
        announce(store, other.owner, clock)
        other.kill()
    watch.watch.start()
    watch.watch.stop()
    assert watch.times == 0


def test_a_command_that_holds_runs_is_watched_though_it_is_no_daemon(benches: Benches, watch: Watch) -> None:
    with neighbour() as other:
        bench = benches(workflow(), owner=other.owner)
        number = bench.submit()
        with bench.store.write() as connection:
            bench.claims.claim(connection, [number], bench.clock.now())
        watch.watch.start()
        other.kill()
        assert watch.took_over(1)


def test_a_number_that_belongs_to_somebody_else_by_now_is_not_watched(store: Store, clock: Clock, watch: Watch) -> None:
    with neighbour() as other:
        one_before = Owner.parse(other.owner)
        announce(store, f"{one_before.host}/{one_before.place}/{one_before.pid}/1", clock)
        announce(store, "elsewhere/0123456789ab+4026531836/1/1", clock)
        watch.watch.start()
        other.kill()
    watch.watch.stop()
    assert watch.times == 0


def test_a_store_that_is_away_leaves_it_to_the_round(
    store: Store, clock: Clock, watch: Watch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "LOOK_AGAIN_S", 0.01)
    watch.fault = StoreError("The store is away.")
    with neighbour() as other:
        announce(store, other.owner, clock)
        watch.watch.start()
        other.kill()
        assert watch.took_over(2)
    watch.watch.stop()
    assert "What a dead process held stays for the next round: The store is away." in caplog.text


def test_its_descriptors_are_closed_in_the_end(store: Store, clock: Clock, watch: Watch) -> None:
    with neighbour() as one, neighbour() as other:
        for each in (one, other):
            announce(store, each.owner, clock)
        watch.watch.stop()
        watch.watch.look()  # nobody watches: nothing is looked at
        before = _special_descriptors()
        watch.watch.start()
        assert len(_special_descriptors()) == len(before) + 3
        watch.watch.stop()
        assert _special_descriptors() == before


def _special_descriptors() -> list[str]:
    links = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(path.readlink()))
        except FileNotFoundError:  # that of the listing itself
            continue
    return sorted(link for link in links if "pidfd" in link or "eventfd" in link)


# --- what is freed then ---


@pytest.fixture
def far(benches: Benches, redis_server: RedisServer) -> Iterator[tuple[Bench, str]]:
    """A bench whose queue is in Redis, and the queue's name."""
    name = f"t-{token_hex(8)}"

    def remote(options: QueueOptions) -> Queue:
        return RedisQueue(redis_server.url, name, QueueOptions(options.owner, options.limits, LEASE), benches.clock)

    yield benches(workflow(), remote=remote), name
    with redis_server.client() as client:
        for key in client.scan_iter(f"{{{name}}}:*", count=1_000):
            client.unlink(key)


def test_what_a_process_had_received_from_redis_and_not_claimed_is_free_when_it_is_dead(
    far: tuple[Bench, str], redis_server: RedisServer
) -> None:
    bench, name = far
    numbers = [bench.submit() for _ in range(3)]
    with neighbour(_RECEIVER, [redis_server.url, name, 3]) as other:
        assert bench.queue.receivers() == {other.owner}
        bench.reconciler.take_over()
        assert bench.depth().leased == 3, "it lives"
        other.kill()
    assert bench.reconciler.take_over() == 0, "runs; it had none"
    assert bench.queue.receivers() == set()
    bench.engine.start()
    bench.until(lambda: all(bench.run(number).status is RunStatus.COMPLETED for number in numbers))


def test_a_name_in_redis_that_is_none_of_ours_is_left_alone(far: tuple[Bench, str], redis_server: RedisServer) -> None:
    bench, name = far
    bench.submit()
    RedisQueue(redis_server.url, name, QueueOptions("somebody"), bench.clock).dequeue({"sample": 1}, 1)
    bench.reconciler.take_over()
    assert bench.queue.receivers() == {"somebody"}


# --- notes of what was under way ---


def test_notes_of_a_dead_process_that_held_nothing_are_removed(benches: Benches, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    bench = benches(workflow(), notes=notes)
    BlackBox((notes, Owner.parse(ME))).open()
    elsewhere = Owner("elsewhere", "0123456789ab+4026531836", 77, 1)
    BlackBox((notes, elsewhere)).open()
    (notes / "under-way-something.runs").touch()
    with neighbour() as other:
        BlackBox((notes, Owner.parse(other.owner))).open()
        bench.reconciler.take_over()
        assert len(list(notes.iterdir())) == 4, "all may be alive"
        other.kill()
    assert black_box.left_behind(notes) == {other.owner}
    bench.reconciler.take_over()
    assert black_box.left_behind(notes) == set()
    names = sorted(path.name for path in notes.iterdir())
    assert names == sorted(f"under-way-{each}.runs" for each in (
        str(elsewhere).replace("/", ","), ME.replace("/", ","), "something",
    ))  # fmt: skip
