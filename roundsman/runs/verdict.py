"""The words of a decision about a run: what becomes of its message, and all that one commit writes for it."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from roundsman.message import Message
from roundsman.repositories.run_claims import Advance, Leave
from roundsman.repositories.run_record import RunEvent, Unit


@dataclass(frozen=True, slots=True)
class Ack:
    """The message is done with."""


@dataclass(frozen=True, slots=True)
class Nack:
    """The message comes back, at this time or at once."""

    not_before: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be taken again at once."""
        return self.not_before is None or self.not_before <= now


@dataclass(frozen=True, slots=True)
class Bury:
    """The message becomes a dead letter."""

    reason: str


Settlement = Ack | Nack | Bury

PARKED_FOR = timedelta(hours=1)
"""A message without a time of its own is looked at as often: should the word that its run goes on get lost, no group
is stuck for longer. SQS can put nothing off for more than twelve hours."""


def parked(message: Message, until: datetime | None, now: datetime) -> Settlement:
    """What becomes of the message of a run that waits: until a time, for an event, or for whichever comes first.

    Of a group one run goes at a time, and one that waits has not ended: so it keeps its place, by its message. Where no
    group depends on it, a wait without a time needs no message.
    """
    if until is None and message.group is None:
        return Ack()
    return Nack(until or now + PARKED_FOR)


class Decision(NamedTuple):
    """All that one commit writes for a run. Either `advance` (its holder goes on) or `leave` and `settlement`."""

    advance: Advance | None = None
    leave: Leave | None = None
    settlement: Settlement | None = None
    unit: Unit | None = None
    event: RunEvent | None = None
    trouble: str | None = None
    """Why the attempt failed, for the log."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else counts at the moment of the decision."""

    now: datetime
    asked: str | None = None
    """What the holder is asked to do: pause."""
    halting: bool = False
    """The daemon goes down: no further step is begun."""
    rng: random.Random | None = None
