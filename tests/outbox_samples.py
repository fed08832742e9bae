"""A sink of the tests' own, and the few words in which tests speak of the outbox of runs."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from roundsman.clock import Clock
from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import Backlog, OutgoingEvent, RunOutbox
from roundsman.repositories.run_record import RunEvent, RunRecord
from roundsman.runs.courier import Turn
from roundsman.runs.outbox import LEASE, Outbox
from roundsman.runs.sinks.base import SinkError, SinkFault

BUSY = SinkError(SinkFault.TEMPORARY, "it answered HTTP 503")
REFUSED = SinkError(SinkFault.REJECTED, "it answered HTTP 422")


@dataclass
class Receiver:
    """A sink of the test's own making: keeps what it was told, or fails as the test says."""

    name: str = "receiver"
    most: int = 1
    at_once: int = 1
    told: list[tuple[int, str]] = field(default_factory=list)
    asked: list[tuple[int, str]] = field(default_factory=list)
    fails: Callable[[OutgoingEvent], Exception | None] = lambda _: None
    enough: threading.Event = field(default_factory=threading.Event)
    awaited: int = 1
    closed: int = 0

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        self.asked += [(event.run_id, event.event) for event in events]
        for event in events:
            if (failure := self.fails(event)) is not None:
                raise failure
        self.told += [(event.run_id, event.event) for event in events]
        if len(self.told) >= self.awaited:
            self.enough.set()

    def close(self) -> None:
        self.closed += 1


def failing(*failures: Exception | None) -> Callable[[OutgoingEvent], Exception | None]:
    """Each in turn, then none."""
    left = list(failures)
    return lambda _: left.pop(0) if left else None


def put(store: Store, clock: Clock, *events: tuple[int, str], sink: str = "receiver") -> None:
    with store.write() as connection:
        found = [RunEvent(run, name, {"run": run, "workflow": "noop"}) for run, name in events]
        RunRecord().add_events(connection, [sink], found, clock.now())


def drain(outbox: Outbox, sink: str = "receiver") -> Turn:
    """Until there is nothing to do at this moment."""
    while (turn := outbox.run_once(sink)) is Turn.CARRIED:
        pass
    return turn


def backlog(store: Store, sink: str = "receiver") -> Backlog:
    with store.read() as connection:
        return RunOutbox("nobody", LEASE).backlog(connection).get(sink, Backlog(0, 0))
