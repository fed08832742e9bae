"""What a sink of run events is, and the two ways in which it may fail."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from roundsman.logs import fields
from roundsman.repositories.run_outbox import OutgoingEvent


class SinkFault(StrEnum):
    """What a failed delivery means for what comes next."""

    TEMPORARY = "temporary"
    """Try again later. Whoever mends the receiver or the settings gets everything that waited."""
    REJECTED = "rejected"
    """These very events will never be taken; others may be."""


class SinkError(Exception):
    """Events were not delivered. `reason` is one clause for people and never holds a secret."""

    def __init__(self, fault: SinkFault, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason
        self.retry_after = retry_after
        """How long the receiver wants to be left alone."""


class EventSink(Protocol):
    """Who is told of the ends of runs. `deliver` is called from as many threads at a time as `at_once` says."""

    @property
    def name(self) -> str:
        """Unique; what the store and the log call it."""
        ...

    @property
    def most(self) -> int:
        """How many events one call takes. They stand and fall together, so a receiver that may refuse one takes one."""
        ...

    @property
    def at_once(self) -> int:
        """How many calls may be under way at a time. They are never about the same run."""
        ...

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        """Hand them over, in this order. Raises SinkError; then all of them are delivered again."""
        ...

    def close(self) -> None:
        """Let go of connections; a later `deliver` makes new ones."""
        ...


def fields_of(event: OutgoingEvent) -> dict[str, str]:
    """The journal fields of every line about an event."""
    return fields(
        EVENT=event.event,
        RUN_ID=event.run_id,
        WORKFLOW=event.payload.get("workflow"),
        CORRELATION_ID=event.payload.get("correlation_id"),
    )
