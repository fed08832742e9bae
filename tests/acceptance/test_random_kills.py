"""Many runs at once under kill -9 at random moments, and two processes that drive the same ones."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crash_lives import KILLED, STORES, Lives, grounds, lives
from driven_runs import Ground, Parts
from sqlalchemy import func, select, text
from trial_workflows import STEADY_RECORD

from roundsman.repositories.engine import Store
from roundsman.repositories.run_tables import run_steps, runs
from roundsman.runs.desk import Order

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUNS, WORKERS, STEP_S = 500, 4, 0.003
SEED = 20260303
LONGEST_LIFE_S, LONGEST_WITH_SUBMISSIONS_S = 0.4, 1.2
"""Whoever has to submit, too, needs longer to get on: a step that five processes die with is blamed."""
ENOUGH_KILLS, MOST_KILLS = 5, 60
EXACTLY_ONCE = 2_000


@pytest.fixture(params=STORES)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    with grounds(request, request.param, tmp_path) as (where,), where.one() as made:
        yield made


def submit(ground: Ground, order: Order, count: int) -> None:
    parts = Parts.join(ground, lambda _, number: number, lambda _: None)
    parts.desk.submit_all([order] * count)
    parts.store.close()


def assert_nothing_is_left(ground: Ground, count: int) -> None:
    """Every run is completed, no message and no event waits, nobody holds anything."""
    with closing(ground.store()) as store, store.read() as connection:
        ends = Counter(connection.execute(select(runs.c.status)).scalars().all())
        errors = connection.execute(select(runs.c.error).where(runs.c.error.is_not(None)).distinct()).scalars().all()
        held = connection.execute(select(func.count()).where(runs.c.owner.is_not(None))).scalar_one()
        left = [connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in TABLES]
    assert ends == {"completed": count}, errors
    assert (held, left) == (0, [0, 0])


TABLES = ("queue_messages", "run_events")


def done(ground: Ground) -> Counter[tuple[str, str]]:
    """How often each thing was done outside, by run and name."""
    lines = [line.split() for line in ground.effects.read_text().splitlines()]
    return Counter((run_id, what) for run_id, what, _ in lines)


def kill_at_random(ground: Ground, hosts: Lives, count: int, longest_s: float) -> tuple[int, int]:
    """One life after another, while there is work or something to submit; the last one comes to its end.

    Returns how many did not, and how many runs there were: more than `count`, where those were through too soon.
    """
    chance, kills = random.Random(SEED), 0
    with closing(ground.store()) as store:
        while kills < MOST_KILLS:
            if finished(store) >= count:
                if kills >= ENOUGH_KILLS:
                    break
                count += RUNS // 5
            pid = hosts.drain(ground, workers=WORKERS, longest_s=60, submit=count)
            time.sleep(chance.uniform(0.05, longest_s))  # the moment is what is tried
            os.kill(pid, signal.SIGKILL)
            kills += hosts.wait(pid) == KILLED
    assert hosts.wait(hosts.drain(ground, workers=WORKERS, longest_s=60, submit=count)) == 0
    return kills, count


def finished(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).where(runs.c.finished_at.is_not(None))).scalar_one())


@pytest.mark.parametrize(
    ("before", "longest_s"),
    [(RUNS, LONGEST_LIFE_S), (RUNS // 10, LONGEST_WITH_SUBMISSIONS_S)],
    ids=["submitted before", "submitted meanwhile"],
)
def test_under_kills_at_random_moments_every_step_is_committed_once_and_nobody_is_blamed(
    ground: Ground, before: int, longest_s: float
) -> None:
    submit(ground, Order("steady", {"seconds": STEP_S}), before)
    with lives() as hosts:
        kills, count = kill_at_random(ground, hosts, RUNS, longest_s)
    print(f"seed {SEED}, {kills} kills")  # noqa: T201  shown when it fails
    assert kills >= ENOUGH_KILLS, "the kills came too late to prove anything"
    assert_nothing_is_left(ground, count)
    with closing(ground.store()) as store, store.read() as connection:
        query = select(run_steps.c.run_id, run_steps.c.kind, run_steps.c.name).order_by("run_id", "sequence")
        record: dict[int, list[tuple[str, str]]] = {}
        for run_id, kind, name in connection.execute(query):
            record.setdefault(run_id, []).append((kind, name))
    assert list(record.values()) == [STEADY_RECORD] * count
    counts = done(ground)
    assert len(counts) == 3 * count
    assert counts.total() - len(counts) <= WORKERS * kills, "more was repeated than can have been in flight"
    told = [int(line.split()[0]) for line in ground.told.read_text().splitlines()]
    assert set(told) == set(record)


def test_two_processes_on_one_store_drive_each_run_exactly_once(ground: Ground) -> None:
    submit(ground, Order("single", {"seconds": STEP_S}), EXACTLY_ONCE)  # long enough for both to get some
    with lives() as one, lives() as other:
        pids = [hosts.drain(ground, workers=WORKERS, longest_s=120) for hosts in (one, other)]
        assert [one.wait(pids[0]), other.wait(pids[1])] == [0, 0]
    assert_nothing_is_left(ground, EXACTLY_ONCE)
    counts = done(ground)
    assert len(counts) == counts.total() == EXACTLY_ONCE
    shares = Counter(line.split()[2] for line in ground.effects.read_text().splitlines())
    assert set(shares) == set(map(str, pids)), "one of them did nothing"
