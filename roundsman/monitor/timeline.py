"""A conversation as a line of events: who wrote, whose it was, when the shift rested, and what was told. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from roundsman.conversations.sender import ChatMessage, Sender
from roundsman.conversations.waiting import FUTURE_TOLERANCE, counts
from roundsman.monitor.findings import Findings
from roundsman.repositories.alert_log import LogEntry, LogEvent
from roundsman.repositories.conversations import Person
from roundsman.repositories.watch_list import WaitingState

_MOST_SHIFTS = timedelta(days=31)
"""Shifts are shown for the last month of a wait at most; the arithmetic knows all of them."""


class EventKind(StrEnum):
    """What happened."""

    CUSTOMER = "customer"
    HUMAN = "human"
    BOT = "bot"
    SYSTEM = "system"
    HANDOVER = "handover"
    SHIFT = "shift"
    ALERT = "alert"


@dataclass(frozen=True)
class Event:
    """One line."""

    at: datetime
    kind: EventKind
    who: str | None
    what: str


def timeline(found: Findings) -> list[Event]:
    """Everything that is known to have happened, oldest first; of what came after `now` only messages, marked so."""
    events = [*_messages(found), *_handovers(found), *_shifts(found), *_alerts(found)]
    return sorted(events, key=lambda event: event.at)


def _messages(found: Findings) -> Iterator[Event]:
    state = found.step.row.state
    for message in found.thread:
        is_ahead = message.sent_at > found.now + FUTURE_TOLERANCE
        said = "wrote what does not count yet" if is_ahead else _said(message, state)
        yield Event(message.sent_at, EventKind(message.sender.value), message.sender_name, said)


def _said(message: ChatMessage, state: WaitingState) -> str:
    if not counts(message) and message.sender is not Sender.SYSTEM:
        return "wrote what was removed" if message.is_removed else "wrote what is hidden"
    if message.sender is Sender.SYSTEM:
        return "noted something"
    if message.is_closure:
        return "said that it is dealt with"
    starts = [
        name
        for name, since in (("customer", state.waiting_since), ("human", state.human_waiting_since))
        if message.sender is Sender.CUSTOMER and since == message.sent_at
    ]
    if starts:
        return f"wrote; the {' and the '.join(starts)} clock {'run' if len(starts) > 1 else 'runs'} since then"
    if message.sender is Sender.BOT:
        return "answered; the human clock does not count it"
    return "answered" if message.sender is Sender.HUMAN else "wrote"


def _handovers(found: Findings) -> Iterator[Event]:
    for handover in found.watched.conversation.handovers:
        parts = []
        if handover.added:
            parts.append(f"given to {_names(handover.added)}")
        if handover.removed:
            parts.append(f"taken from {_names(handover.removed)}")
        if parts and handover.at <= found.now:
            yield Event(handover.at, EventKind.HANDOVER, None, ", ".join(parts))


def _shifts(found: Findings) -> Iterator[Event]:
    """When the calendar rested within the present wait."""
    since = found.step.since
    if since is None:
        return
    start = max(since, found.now - _MOST_SHIFTS)
    calendar = found.policy.calendar
    for begin, end in calendar.intervals(start, found.now):
        if begin > start:
            yield Event(begin, EventKind.SHIFT, None, f"the calendar {calendar.name!r} opens")
        if end < found.now:
            why = calendar.closed_because(end)
            yield Event(end, EventKind.SHIFT, None, f"the calendar {calendar.name!r} closes: {why}")


def _alerts(found: Findings) -> Iterator[Event]:
    for alert, entries in found.alerts:
        for entry in entries:
            yield Event(entry.at, EventKind.ALERT, entry.channel, f"alert {alert.id}: {_entry(entry)}")


def _entry(entry: LogEntry) -> str:
    if entry.event in (LogEvent.OPENED, LogEvent.ESCALATED):
        return f"{entry.event.value} at level {entry.level}"
    return entry.event.value.replace("_", " ")


def _names(people: tuple[Person, ...]) -> str:
    return ", ".join(person.name or person.id for person in people)
