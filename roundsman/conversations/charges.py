"""Whose time is it that a customer waits? Each minute is charged to whoever had the conversation at that minute.

A wait often crosses hand-overs: it began with Lan, was given to Minh, and is late on Hoa's screen. Charging it to the
one who has it at the end would be unfair, and so would a minute outside one's own shift. If several have a conversation
together, each of them is charged. What nobody had is charged to nobody, by the hours of the page.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.policies.staff import Staff
from roundsman.repositories.conversations import Conversation, Person

_ZERO = timedelta(0)


class Charge(NamedTuple):
    """The shift time of a wait that one person, or nobody, had the conversation."""

    person: Person | None
    worked: timedelta


class Holding(NamedTuple):
    """A stretch in which the same people had a conversation."""

    start: datetime
    end: datetime
    people: tuple[Person, ...]
    """In the order of their ids; empty when nobody had it."""


def charges(
    conversation: Conversation, start: datetime, end: datetime, policy: Policy, staff: Mapping[str, Staff]
) -> list[Charge]:
    """The shift time between two moments, the largest share first; people without any are left out.

    `staff` holds the known people by their id at the source; their own calendar counts, others' is the policy's.
    """
    shares: dict[Person | None, timedelta] = {}
    for holding in holdings(conversation, start, end):
        for person in holding.people or (None,):
            known = staff.get(person.id) if person is not None else None
            calendar = policy.calendar if known is None or known.calendar is None else known.calendar
            worked = calendar.worked(holding.start, holding.end)
            if worked > _ZERO:
                shares[person] = shares.get(person, _ZERO) + worked
    found = [Charge(person, worked) for person, worked in shares.items()]
    return sorted(found, key=lambda each: (-each.worked, each.person or Person("")))


def holdings(conversation: Conversation, start: datetime, end: datetime) -> Iterator[Holding]:
    """Who had a conversation between two moments, oldest first.

    Sources keep the latest hundred hand-overs, so the present assignees are certain and the past is found by undoing
    one hand-over after the other.
    """
    people = {person.id: person for person in conversation.assignees}
    until, found = end, []
    for handover in reversed(conversation.handovers):
        if handover.at <= start:
            break
        if handover.at < until:
            found.append(Holding(handover.at, until, _ordered(people)))
            until = handover.at
        for person in handover.added:
            people.pop(person.id, None)
        people.update((person.id, person) for person in handover.removed)
    if start < until:
        found.append(Holding(start, until, _ordered(people)))
    yield from _joined(reversed(found))


def assigned_at(conversation: Conversation, at: datetime) -> tuple[Person, ...]:
    """Whose it was at a moment."""
    moment = timedelta(microseconds=1)
    return next(holdings(conversation, at, at + moment)).people


def _ordered(people: Mapping[str, Person]) -> tuple[Person, ...]:
    return tuple(people[each] for each in sorted(people))


def _joined(found: Iterator[Holding]) -> Iterator[Holding]:
    """Neighbours with the same people are one: a hand-over may have changed nothing."""
    last: Holding | None = None
    for each in found:
        if last is not None and last.people == each.people:
            last = last._replace(end=each.end)
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last
