"""What the queue in memory holds: a record for each message, and the place that several queues share."""

import itertools
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

from roundsman.message import DeadLetter, Depth, Message


class Status(Enum):
    WAITING = auto()
    """Ready, once `not_before` is over."""
    HELD = auto()
    """Another of its group is waiting or leased."""
    LEASED = auto()
    DEAD = auto()


@dataclass
class Record:
    number: int
    kind: str
    body: str
    priority: int
    rank: int
    group: str | None
    enqueued_at: datetime
    not_before: datetime
    status: Status = Status.WAITING
    deliveries: int = 0
    owner: str = ""
    lease: int = 0
    """The number of the delivery, never used twice."""
    lease_until: datetime | None = None
    hastened: bool = False
    """Under its lease: it need not wait for a time any more."""
    dead_at: datetime | None = None
    reason: str = ""

    @property
    def id(self) -> str:
        return str(self.number)

    def is_over(self, now: datetime) -> bool:
        """Whether its lease has run out, if it has one."""
        return self.lease_until is not None and self.lease_until <= now

    def message(self) -> Message:
        """As its receiver gets it."""
        return Message(**self._facts(), lease=self.lease)

    def letter(self) -> DeadLetter:
        """As people see a dead one."""
        assert self.dead_at is not None
        return DeadLetter(**self._facts(), dead_at=self.dead_at, reason=self.reason)

    def _facts(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "body": json.loads(self.body),
            "priority": self.priority,
            "group": self.group,
            "deliveries": self.deliveries,
            "enqueued_at": self.enqueued_at,
        }


@dataclass
class MemoryPlace:
    """What several queues share; they lock `changed`, and notify it of everything that a receiver may wait for."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    records: dict[str, Record] = field(default_factory=dict)
    duplicates: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    tokens: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def status_on_entering(self, group: str | None) -> Status:
        """Held if something of its group is under way."""
        before = (record for record in self.records.values() if record.group == group and group is not None)
        return Status.HELD if any(record.status is not Status.DEAD for record in before) else Status.WAITING


def depth_of(records: Sequence[Record], now: datetime) -> Depth:
    """Where these stand."""
    ready = [record for record in records if record.status is Status.WAITING and record.not_before <= now]
    return Depth(
        ready=len(ready),
        delayed=sum(record.status is Status.WAITING for record in records) - len(ready),
        held=sum(record.status is Status.HELD for record in records),
        leased=sum(record.status is Status.LEASED for record in records),
        dead=sum(record.status is Status.DEAD for record in records),
        oldest=min((record.enqueued_at for record in ready), default=None),
    )
