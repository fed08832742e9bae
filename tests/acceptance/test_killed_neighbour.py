"""Two daemons on one machine: what one of them held when it was killed, the other takes over at once.

The leases here last an hour, and the poller makes its round every half a minute as it is delivered.
"""

import time
from collections import Counter
from pathlib import Path
from secrets import token_hex

import pytest
from daemon_process import Place, until
from redis_server import RedisServer
from sqlalchemy import func, select

from config import load
from jobs.queue_poller import QueuePoller
from roundsman.app.composition import App
from roundsman.clock import SystemClock
from roundsman.repositories.run_tables import runs
from roundsman.runs.desk import Order

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LEASE_S = 3_600.0
WORKERS, STEP_S = 3, 0.3
RUNS = 12
WITHIN_S = 20.0
"""Well before the next round of the poller; it is about two seconds on an idle machine."""
PROGRAM = Path(__file__).with_name("steady_daemon.py")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres), "sqlite-redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    settings = {"WORKER_CONCURRENCY": str(WORKERS), "TRIAL_LEASE_SECONDS": str(LEASE_S)}
    if request.param == "sqlite-redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        settings |= {"QUEUE_TYPE": "redis", "REDIS_URL": server.url, "ROUNDSMAN_QUEUE_NAME": f"t-{token_hex(8)}"}
    made = Place(tmp_path, url, settings=settings, program=PROGRAM)
    monkeypatch.setenv("TRIAL_FILE", str(made.notes_file))
    return made


def submit(place: Place, count: int) -> None:
    from steady_daemon import SteadyHere

    app = App(load(place.environment(), place.state), [QueuePoller], [SteadyHere], SystemClock())
    try:
        app.runs.desk.submit_all([Order("steady", {"seconds": STEP_S})] * count)
    finally:
        app.close()


def statuses(place: Place) -> Counter[str]:
    with place.store() as store, store.read() as connection:
        query = select(runs.c.status, func.count().label("number")).group_by(runs.c.status)
        return Counter({row.status: row.number for row in connection.execute(query)})


def begun_by(place: Place, pid: int) -> int:
    return sum(int(line.split()[2]) == pid for line in place.notes())


def test_what_a_killed_daemon_held_goes_on_at_once(place: Place) -> None:
    with place.start() as one:
        one.ready()
        with place.start().ready() as other:
            submit(place, RUNS)
            until(lambda: begun_by(place, one.pid) >= WORKERS and begun_by(place, other.pid), "both of them at work")
            one.kill()
            killed_at = time.monotonic()
            until(lambda: statuses(place) == {"completed": RUNS}, f"the end of {RUNS} runs", WITHIN_S)
            print(f"all done {time.monotonic() - killed_at:.2f} s after the kill")  # noqa: T201  shown when it fails
            assert "it is free again" in other.log()
            until(lambda: not list(place.state.glob(f"under-way-*,{one.pid},*.runs")), "its notes removed")
            assert other.stop() == 0
            assert "Traceback" not in other.log()
