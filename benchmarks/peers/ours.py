"""Our own engine in the same scenarios: a thin adapter to `benchmarks/runs.py`, which measures it.

Expected there, each on an empty store that the caller gives and removes (`sqlite:///FILE`, `postgresql://...`):

    three_steps(store_url, runs) -> runs a second, end to end
    one_step(store_url, queue_url, runs) -> runs a second of a drain; queue_url is None for the store's own queue
    pickup(store_url, samples) -> milliseconds from a submission in another process to the start of the step, each
    pickup_after_idle(store_url, idle_s) -> milliseconds for one run after so many seconds without any
    crash(store_url, queue_url, jobs, job_s, in_flight) -> {"all_done_s", "lost", "twice"} as scenarios.crash has it
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.peers import scenarios
from benchmarks.peers.catalogue import Home
from benchmarks.peers.ground import Ground

NAME = "ours"


class NotMeasuredError(Exception):
    """There is nothing to measure yet."""


def three_steps(ground: Ground, home: Home, runs: int) -> Mapping[str, float]:
    """See scenarios.three_steps."""
    with _store(ground, home) as (store, _queue):
        return {"per_s": float(_runs("three_steps")(store, runs))}


def one_step(ground: Ground, home: Home, runs: int) -> Mapping[str, float]:
    """See scenarios.one_step. With Redis for the queue the run itself is in SQLite."""
    with _store(ground, home) as (store, queue):
        return {"per_s": float(_runs("one_step")(store, queue, runs))}


def pickup(ground: Ground, home: Home, samples: int) -> Mapping[str, float]:
    """See scenarios.pickup."""
    with _store(ground, home) as (store, _queue):
        return scenarios.pickup_figures(_runs("pickup")(store, samples))


def pickup_after_idle(ground: Ground, home: Home, _samples: int) -> Mapping[str, float]:
    """See scenarios.pickup_after_idle."""
    with _store(ground, home) as (store, _queue):
        return {"ms": float(_runs("pickup_after_idle")(store, scenarios.IDLE_S))}


def crash(ground: Ground, home: Home, jobs: int) -> Mapping[str, float]:
    """See scenarios.crash."""
    with _store(ground, home) as (store, queue):
        measure = _runs("crash")
        figures: Mapping[str, float] = measure(store, queue, jobs, scenarios.CRASH_JOB_S, scenarios.CRASH_IN_FLIGHT)
        return figures


def durability(ground: Ground, home: Home) -> str:
    """What our runs survive."""
    if home is Home.REDIS:
        return f"run: {ground.durability(Home.SQLITE)}; message: {ground.durability(Home.REDIS)}"
    return ground.durability(home)


@contextmanager
def _store(ground: Ground, home: Home) -> Iterator[tuple[str, str | None]]:
    """The URLs of our store and of our queue, None where the store is also the queue."""
    with ExitStack() as stack:
        queue = stack.enter_context(ground.store(home)) if home is Home.REDIS else None
        kept = Home.SQLITE if home is Home.REDIS else home
        store = stack.enter_context(ground.store(kept))
        yield f"sqlite:///{store}" if kept is Home.SQLITE else store, queue


def _runs(name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = getattr(importlib.import_module("benchmarks.runs"), name)
    except (ModuleNotFoundError, AttributeError):
        raise NotMeasuredError(f"there is no benchmarks.runs.{name}") from None
    return found
