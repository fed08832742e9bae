"""What is measured of a peer: each function takes one on stage and a size, and answers figures by short names."""

import random
import time
from collections.abc import Mapping, Sequence
from threading import Lock

from benchmarks.figures import percentile
from benchmarks.peers.program import PeerFailedError, Stage, kill

DRAIN_PATIENCE_S = 120.0
PICKUP_PATIENCE_S = 30.0
PAUSES_S = (0.05, 0.15)
"""Between two submissions to an idle worker: at random, so that a poller is asked at all moments of its interval."""
IDLE_S = 40.0
IDLE_SPREAD_S = 8.0
"""Added at random: after 40 s Huey looks every 6 s, and all moments between two looks must have their turn."""
CRASH_JOBS = 50
CRASH_JOB_S = 0.4
CRASH_IN_FLIGHT = 10
CRASH_PATIENCE_S = 100.0
"""BullMQ looks for stalled jobs every 30 s and needs two looks, or three when two of them race: 60 s or 90 s."""
NEVER = float("inf")
"""What `all_done_s` says where not all were done within the patience."""

_one_asks = Lock()  # waiting side by side is fine, being timed side by side is not


def three_steps(stage: Stage, runs: int) -> Mapping[str, float]:
    """Runs of three persisted steps, submitted and worked on by one process, a second."""
    seconds = float(stage.ask(do="run_steps", runs=runs)["seconds"])
    if stage.executions() != 3 * runs:
        raise PeerFailedError(f"{stage.executions()} steps were executed instead of {3 * runs}")
    return {"per_s": runs / seconds}


def one_step(stage: Stage, jobs: int) -> Mapping[str, float]:
    """Jobs a second when a worker finds them all waiting: from its first handler until the peer itself holds none.

    Counting from the first handler leaves out what a peer does before it: start-up, and the claim of the first batch.
    """
    stage.enqueue(0, jobs)
    stage.start_worker()
    stage.must(lambda: stage.executions() >= jobs, f"{jobs} jobs", DRAIN_PATIENCE_S)
    stage.must(lambda: stage.ask(do="unfinished")["unfinished"] == 0, "the last ack")
    ended_ns = time.monotonic_ns()
    lines = stage.lines()
    if {line.number for line in lines} != set(range(jobs)):
        raise PeerFailedError("some jobs were not executed")
    return {"per_s": jobs / ((ended_ns - min(line.at_ns for line in lines)) / 1e9)}


def pickup(stage: Stage, samples: int) -> Mapping[str, float]:
    """From the moment a client begins to submit until the handler starts in an idle worker."""
    stage.start_worker()
    _pick_up(stage, 0)
    rng = random.Random(20260303)
    taken = []
    for number in range(1, samples + 1):
        stage.pause(rng.uniform(*PAUSES_S))
        taken.append(_pick_up(stage, number))
    return pickup_figures(taken)


def pickup_figures(taken_ms: Sequence[float]) -> Mapping[str, float]:
    """Those that are quoted of all samples."""
    return {"p50_ms": percentile(taken_ms, 0.5), "p99_ms": percentile(taken_ms, 0.99)}


def pickup_after_idle(stage: Stage, _samples: int) -> Mapping[str, float]:
    """The same for one job after 40 to 48 s without any."""
    stage.start_worker()
    _pick_up(stage, 0)
    stage.pause(IDLE_S + random.uniform(0.0, IDLE_SPREAD_S))
    with _one_asks:
        return {"ms": _pick_up(stage, 1)}


def _pick_up(stage: Stage, number: int) -> float:
    before = stage.executions()
    begun_ns = stage.enqueue(number, 1)
    stage.must(lambda: stage.executions() > before, "a pick-up", PICKUP_PATIENCE_S)
    line = stage.lines()[-1]
    if line.number != number:
        raise PeerFailedError(f"job {line.number} ran instead of {number}")
    return (line.at_ns - begun_ns) / 1e6


def crash(stage: Stage, jobs: int) -> Mapping[str, float]:
    """kill -9 of a worker with its first ten jobs in flight, and a new one at once.

    The clock runs from the kill to the end of the last job. A job counts as lost when it is not done within our
    patience, as run twice when it was started more than once.
    """
    stage.enqueue(0, jobs, CRASH_JOB_S)
    worker = stage.start_worker()
    stage.must(lambda: stage.executions() >= CRASH_IN_FLIGHT, "ten jobs in flight")
    if any(line.what == "E" for line in stage.lines()):
        raise PeerFailedError("it does not run ten jobs at once")
    killed_ns = time.monotonic_ns()
    kill(worker)
    stage.start_worker()
    # each job ends once, and at most those in flight are there twice with their starts
    stage.wait(lambda: stage.executions() >= 2 * jobs and len(_ended(stage)) == jobs, CRASH_PATIENCE_S)
    ended = _ended(stage)
    starts = [line.number for line in stage.lines() if line.what == "S"]
    return {
        "all_done_s": (max(ended.values()) - killed_ns) / 1e9 if len(ended) == jobs else NEVER,
        "lost": jobs - len(ended),
        "twice": sum(starts.count(number) > 1 for number in set(starts)),
    }


def _ended(stage: Stage) -> dict[int, int]:
    """When each job first ended, by its number."""
    ended: dict[int, int] = {}
    for line in stage.lines():
        if line.what == "E":
            ended.setdefault(line.number, line.at_ns)
    return ended
