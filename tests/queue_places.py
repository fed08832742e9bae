"""Where the contract of queues is tried: a place holds messages, and makes queues for several receivers on it.

Each adapter brings its places in a module of its own (`MODULES`), as a dict `PLACES` of offers by name; a name of
`NAMES` that no module offers is skipped, with its reason. A place tells by its features what it can do, and a test
marks what it needs (`@pytest.mark.needs(...)`): it is then not even collected for the others, so that a skip always
means that something is missing here.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Protocol

import pytest

from roundsman.clock import Clock
from roundsman.message import Draft, KindLimits
from roundsman.owner import Owner
from roundsman.queues.base import Queue

ME = str(Owner.this_process())
OTHER = "elsewhere/0123456789ab+1/1/1"
"""A receiver on another machine: nothing is known of it."""

NAMES = ("memory", "sqlite", "postgres", "redis", "sqs")
MODULES = ("queue_places_memory", "queue_places_sql", "queue_places_redis", "queue_places_sqs")


class Feature(Enum):
    """What a place may be unable to do."""

    TIME = auto()
    """Its time is the test's, the fixture `clock`: minutes and days pass at will."""
    ORDER = auto()
    """The most urgent first, everything in its exact place."""
    DELAY = auto()
    """Of any length, for each message."""
    GROUPS = auto()
    DEDUP = auto()
    """With the window that was asked for."""
    FENCING = auto()
    """A word about a lost lease changes nothing and is reported."""
    RELEASE = auto()
    """What a dead receiver held can be freed."""
    HASTE = auto()
    """What waits for its time can be reached."""
    REMEMBERED_HASTE = auto()
    """So can what is put back only after it."""
    LIMITS = auto()
    """Concurrency and rate by kind, over all receivers."""
    DEPTH = auto()
    """Exact counts by kind."""
    REASONS = auto()
    """A dead letter keeps all its facts, and why and when it was given up."""
    UNKNOWN = auto()
    PROCESSES = auto()
    """Another process can reach it."""


EVERYTHING = frozenset(Feature)


class QueuePlace(Protocol):
    """One place, empty at first, for one test."""

    tick: timedelta
    """The smallest time that it can tell apart. Tests count in it; a place that really waits keeps it tiny."""

    def queue(
        self,
        *,
        owner: str = ME,
        limits: Mapping[str, KindLimits] | None = None,
        lease: timedelta = timedelta(seconds=30),
        dedup_window: timedelta = timedelta(minutes=5),
        max_deliveries: int | None = None,
        clock: Clock | None = None,
    ) -> Queue:
        """A queue on this place, closed by it; without a clock it goes by the place's own, see `pass_time`."""
        ...

    def pass_time(self, by: timedelta) -> None:
        """Let so much time pass for all its queues."""
        ...

    def enqueue_elsewhere(self, draft: Draft) -> None:
        """Enqueue from another process, with the machine's clock (needs Feature.PROCESSES)."""
        ...


@dataclass(frozen=True)
class Offer:
    """How a test gets a place."""

    make: Callable[[pytest.FixtureRequest], AbstractContextManager[QueuePlace]]
    features: frozenset[Feature] = EVERYTHING
    marks: tuple[pytest.MarkDecorator, ...] = ()


def offers() -> dict[str, Offer | None]:
    """All places by name; None for those whose adapter is not there yet."""
    found: dict[str, Offer | None] = dict.fromkeys(NAMES)
    for module in MODULES:
        if importlib.util.find_spec(module) is not None:
            found.update(importlib.import_module(module).PLACES)
    return found
