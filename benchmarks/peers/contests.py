"""What is compared with what, and at which size: steady figures, and the whole in minutes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers import catalogue, ours, scenarios
from benchmarks.peers.catalogue import Home, Peer
from benchmarks.peers.ground import Ground
from benchmarks.peers.program import Stage

Measure = Callable[[Stage, int], Mapping[str, float]]
OurMeasure = Callable[[Ground, Home, int], Mapping[str, float]]


@dataclass(frozen=True)
class Contest:
    """One scenario on one kind of store."""

    name: str
    """Of the figures: runs.one_step.postgres and the like."""
    measure: Measure
    ours: OurMeasure
    home: Home
    """Of our store."""
    our_size: int
    entrants: Sequence[tuple[Peer, int]]
    scalable: bool = True
    """Whether a smaller size still shows the same."""
    peers_wait: bool = False
    """Mostly idle, so that they are measured side by side with all others that wait, at the end of a repetition."""
    we_wait: bool = False
    """The same of ours."""
    copies: int = 1
    """Measurements in a repetition; the median of them is the sample."""

    @property
    def homes(self) -> set[Home]:
        return {self.home, *(peer.home for peer, _ in self.entrants)}


CONTESTS: Sequence[Contest] = (
    Contest(
        "runs.three_steps.sqlite_full",
        scenarios.three_steps,
        ours.three_steps,
        Home.SQLITE,
        3_000,
        [(catalogue.DBOS_SQLITE, 100), (catalogue.DBOS_SQLITE_WAL, 200)],
    ),
    Contest(
        "runs.three_steps.postgres",
        scenarios.three_steps,
        ours.three_steps,
        Home.POSTGRES,
        3_000,
        [(catalogue.DBOS_POSTGRES, 200)],
    ),
    Contest(
        "runs.one_step.sqlite_full",
        scenarios.one_step,
        ours.one_step,
        Home.SQLITE,
        5_000,
        [(catalogue.HUEY, 5_000)],
    ),
    Contest(
        "runs.one_step.postgres",
        scenarios.one_step,
        ours.one_step,
        Home.POSTGRES,
        5_000,
        [
            (catalogue.PROCRASTINATE, 700),
            (catalogue.PG_BOSS, 5_000),
            (catalogue.GRAPHILE_WORKER, 3_000),
            (catalogue.GRAPHILE_WORKER_BATCHED, 10_000),
            (catalogue.DBOS_POSTGRES_DRAIN, 1_000),
        ],
    ),
    Contest(
        "runs.one_step.redis",
        scenarios.one_step,
        ours.one_step,
        Home.REDIS,
        5_000,
        [(catalogue.DRAMATIQ, 4_000), (catalogue.CELERY, 1_500), (catalogue.RQ, 500), (catalogue.BULLMQ, 5_000)],
    ),
    Contest(
        "runs.pickup.cross_process",
        scenarios.pickup,
        ours.pickup,
        Home.SQLITE,
        101,
        [(catalogue.HUEY, 101), (catalogue.BULLMQ, 101)],
    ),
    Contest(
        "runs.crash.sqlite_full",
        scenarios.crash,
        ours.crash,
        Home.SQLITE,
        scenarios.CRASH_JOBS,
        [(catalogue.DBOS_SQLITE, scenarios.CRASH_JOBS)],
        scalable=False,
    ),
    Contest(
        "runs.crash.postgres",
        scenarios.crash,
        ours.crash,
        Home.POSTGRES,
        scenarios.CRASH_JOBS,
        [(catalogue.DBOS_POSTGRES, scenarios.CRASH_JOBS)],
        scalable=False,
    ),
    Contest(
        "runs.crash.redis",
        scenarios.crash,
        ours.crash,
        Home.REDIS,
        scenarios.CRASH_JOBS,
        [(catalogue.BULLMQ, scenarios.CRASH_JOBS)],
        scalable=False,
        peers_wait=True,
    ),
    Contest(
        "runs.pickup.after_idle",
        scenarios.pickup_after_idle,
        ours.pickup_after_idle,
        Home.SQLITE,
        1,
        [(catalogue.HUEY, 1), (catalogue.BULLMQ, 1)],
        scalable=False,
        peers_wait=True,
        we_wait=True,
        copies=3,
    ),
)
