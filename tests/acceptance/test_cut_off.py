"""Two daemons on one PostgreSQL and one Redis: one is killed, or cut off, and the other sees every run through."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import pytest
from daemon_process import DaemonProcess, Place, until
from redis_server import RedisServer
from sqlalchemy import func, select
from sqlalchemy.engine import URL
from tcp_proxy import Mode, TcpProxy, proxying
from trial_workflows import STEADY_RECORD

from config import load
from jobs.queue_poller import QueuePoller
from roundsman.app.composition import App
from roundsman.clock import SystemClock
from roundsman.repositories.run_tables import run_steps, runs
from roundsman.runs.desk import Order

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(240)]

LEASE_S = 2.0
RUNS, STEP_S, WORKERS = 40, 0.1, 3
PROGRAM = Path(__file__).with_name("steady_daemon.py")
EASY = 90.0


class Pair:
    """Two daemons, the first one behind a network that can be cut."""

    def __init__(self, place: Place, postgres: TcpProxy, redis: TcpProxy) -> None:
        self.place, self._proxies = place, (postgres, redis)

    @contextmanager
    def started(self) -> Iterator[tuple[DaemonProcess, DaemonProcess]]:
        assert self.place.url is not None
        through = {
            "DATABASE_URL": _moved(self.place.url.set(drivername="postgresql"), self._proxies[0].port),
            "REDIS_URL": _moved_redis(self.place.settings["REDIS_URL"], self._proxies[1].port),
        }
        with self.place.start(**through) as one, self.place.start() as other:
            yield one.ready(), other.ready()

    def cut(self, mode: Mode) -> None:
        for proxy in self._proxies:
            proxy.set(mode)

    def submit(self, count: int) -> None:
        from steady_daemon import SteadyHere

        app = App(load(self.place.environment(), self.place.state), [QueuePoller], [SteadyHere], SystemClock())
        try:
            app.runs.desk.submit_all([Order("steady", {"seconds": STEP_S})] * count)
        finally:
            app.close()

    def finished(self) -> Counter[str]:
        with self.place.store() as store, store.read() as connection:
            query = (
                select(runs.c.status, func.count().label("number"))
                .where(runs.c.finished_at.is_not(None))
                .group_by(runs.c.status)
            )
            return Counter({row.status: row.number for row in connection.execute(query)})

    def done_by(self, daemon: DaemonProcess) -> int:
        """How many things it did."""
        return sum(int(line.split()[2]) == daemon.pid for line in self.place.notes())

    def all_finished(self, count: int) -> None:
        until(lambda: self.finished().total() == count, f"the end of {count} runs", EASY)
        assert self.finished() == {"completed": count}

    def assert_each_step_was_committed_once(self, count: int, most_repeats: int) -> None:
        with self.place.store() as store, store.read() as connection:
            query = select(run_steps.c.run_id, run_steps.c.kind, run_steps.c.name).order_by("run_id", "sequence")
            record: dict[int, list[tuple[str, str]]] = {}
            for run_id, kind, name in connection.execute(query):
                record.setdefault(run_id, []).append((kind, name))
            held = connection.execute(select(func.count()).where(runs.c.owner.is_not(None))).scalar_one()
        assert held == 0
        assert list(record.values()) == [STEADY_RECORD] * count
        done = Counter(tuple(line.split()[:2]) for line in self.place.notes())
        assert len(done) == 3 * count
        assert done.total() - len(done) <= most_repeats


def _moved(url: URL, port: int) -> str:
    return url.set(port=port).render_as_string(hide_password=False)


def _moved_redis(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")).geturl()


@pytest.fixture
def pair(
    postgres_url: URL, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pair]:
    settings = {
        "QUEUE_TYPE": "redis",
        "REDIS_URL": redis_server.url,
        "ROUNDSMAN_QUEUE_NAME": f"t-{token_hex(8)}",
        "WORKER_CONCURRENCY": str(WORKERS),
        "JOB_QUEUE_POLLER_SCHEDULE": "every 1s",
        "TRIAL_LEASE_SECONDS": str(LEASE_S),
    }
    place = Place(tmp_path, postgres_url, settings=settings, program=PROGRAM)
    monkeypatch.setenv("TRIAL_FILE", str(place.notes_file))
    assert postgres_url.port is not None
    with proxying(postgres_url.port) as postgres, proxying(redis_server.port) as redis:
        yield Pair(place, postgres, redis)


def test_when_one_is_killed_the_other_sees_every_run_through(pair: Pair) -> None:
    with pair.started() as (one, other):
        pair.submit(RUNS)
        until(lambda: pair.done_by(one) >= 2 * WORKERS and pair.done_by(other), "both of them at work")
        one.kill()
        pair.all_finished(RUNS)
        assert other.stop() == 0
        assert "Traceback" not in one.log() + other.log()
    pair.assert_each_step_was_committed_once(RUNS, most_repeats=WORKERS)


def test_when_one_is_cut_off_the_other_sees_every_run_through_and_no_step_counts_twice(
    pair: Pair,
) -> None:
    with pair.started() as (one, other):
        pair.submit(RUNS)
        until(lambda: pair.done_by(one) >= 2 * WORKERS and pair.done_by(other), "both of them at work")
        pair.cut(Mode.BLACK_HOLE)
        pair.all_finished(RUNS)
        pair.cut(Mode.PASS)
        before = pair.done_by(one)
        pair.submit(RUNS)
        pair.all_finished(2 * RUNS)
        until(lambda: pair.done_by(one) > before, "the first one at work again")
        assert one.stop() == 0
        assert other.stop() == 0
        assert "Traceback" not in one.log() + other.log()
    pair.assert_each_step_was_committed_once(2 * RUNS, most_repeats=2 * WORKERS)
