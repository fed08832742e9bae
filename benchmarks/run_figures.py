"""The figures of runs for `make bench`: on SQLite, on a PostgreSQL with its own defaults, and with Redis for the queue.

The peers are measured beside them by `make bench-peers`, with the same functions on our side.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Event

from benchmarks import backlog, runs
from benchmarks.figures import SQLITE_FULL, Figure, percentile
from benchmarks.peers.catalogue import Home
from benchmarks.peers.ground import Ground, prepared

REPETITIONS = 3
DRAINED = 10_000
END_TO_END = 5_000
SAMPLES = 100
IDLE_S = 40.0
JOBS, JOB_S, IN_FLIGHT = 50, 0.4, 10


def measure() -> Iterator[Figure]:
    """Each on an empty store of its own. What needs a server that is missing is left out, with a word."""
    with prepared({Home.SQLITE, Home.POSTGRES, Home.REDIS}, Event()) as ground:
        for home, why in ground.missing.items():
            print(f"not measured on {home}: {why}")
        for measured in (_throughput, _crashes, _pickups, _backlog):
            yield from measured(ground)


def _throughput(ground: Ground) -> Iterator[Figure]:
    for home, name in ((Home.SQLITE, "sqlite_full"), (Home.POSTGRES, "postgres")):
        if home in ground.missing:
            continue
        durability = ground.durability(home)
        three = _samples(ground, home, lambda store: runs.three_steps(store, END_TO_END))
        yield Figure(f"runs.three_steps.{name}.per_s", "runs/s", durability, three)
        one = _samples(ground, home, lambda store: runs.one_step(store, None, DRAINED))
        yield Figure(f"runs.one_step.{name}.per_s", "runs/s", durability, one)
    if Home.REDIS not in ground.missing:
        taken = []
        for _ in range(REPETITIONS):
            with _store(ground, Home.SQLITE) as store, ground.store(Home.REDIS) as queue:
                taken.append(runs.one_step(store, queue, DRAINED))
        durability = f"run: {SQLITE_FULL}; message: {ground.durability(Home.REDIS)}"
        yield Figure("runs.one_step.redis.per_s", "runs/s", durability, taken)


def _pickups(ground: Ground) -> Iterator[Figure]:
    for name, pickup in (("same_process", runs.pickup_in_process), ("cross_process", runs.pickup)):
        series: Sequence[Sequence[float]] = []
        with ExitStack() as stack:
            stores = [stack.enter_context(_store(ground, Home.SQLITE)) for _ in range(REPETITIONS)]
            series = [pickup(store, SAMPLES) for store in stores]
        for share, words in ((0.5, "p50"), (0.99, "p99")):
            values = [percentile(taken, share) for taken in series]
            yield Figure(f"runs.pickup.{name}.{words}_ms", "ms", SQLITE_FULL, values)
    after = _samples(ground, Home.SQLITE, lambda store: runs.pickup_after_idle(store, IDLE_S))
    yield Figure("runs.pickup.after_40s_idle.ms", "ms", SQLITE_FULL, after)


def _crashes(ground: Ground) -> Iterator[Figure]:
    for home, name in ((Home.SQLITE, "sqlite_full"), (Home.POSTGRES, "postgres")):
        if home in ground.missing:
            continue
        seconds, lost, twice = [], [], []
        for _ in range(REPETITIONS):
            with _store(ground, home) as store:
                found = runs.crash(store, None, JOBS, JOB_S, IN_FLIGHT)
            seconds.append(found["all_done_s"])
            lost.append(found["lost"])
            twice.append(found["twice"])
        durability = ground.durability(home)
        yield Figure(f"runs.crash.{name}.all_done_s", "s", durability, seconds)
        yield Figure(f"runs.crash.{name}.lost", "runs", durability, lost)
        yield Figure(f"runs.crash.{name}.repeated", "runs", durability, twice)


def _backlog(ground: Ground) -> Iterator[Figure]:
    for home, name in ((Home.SQLITE, "sqlite_full"), (Home.POSTGRES, "postgres")):
        if home in ground.missing:
            continue
        with _store(ground, home) as store:
            few, many = backlog.claim_ms(store)
        durability = ground.durability(home)
        yield Figure(f"runs.claim.{name}.1k_waiting_ms", "ms", durability, few)
        yield Figure(f"runs.claim.{name}.1m_waiting_ms", "ms", durability, many)
        ratios = [more / less for less, more in zip(few, many, strict=True)]
        yield Figure(f"runs.claim.{name}.ratio_1m_to_1k", "x", durability, ratios)


def _samples(ground: Ground, home: Home, take: Callable[[str], float]) -> list[float]:
    taken = []
    for _ in range(REPETITIONS):
        with _store(ground, home) as store:
            taken.append(take(store))
    return taken


@contextmanager
def _store(ground: Ground, home: Home) -> Iterator[str]:
    with ground.store(home) as store:
        yield f"sqlite:///{store}" if home is Home.SQLITE else store
