"""How drafts become rows: numbered from a block, the duplicates among them turned away, all in a few statements."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from roundsman.message import Draft, Entered, Message, rank
from roundsman.repositories.numbers import numbers_for
from roundsman.repositories.queue_groups import settle
from roundsman.repositories.queue_tables import queue_messages
from roundsman.repositories.rows import InsertRows
from roundsman.repositories.statement import Statement

_INSERT = InsertRows(
    queue_messages,
    ("id", "kind", "status", "priority", "rank", "group_key", "body", "not_before", "enqueued_at"),
)

_INSERT_TAKEN = InsertRows(
    queue_messages,
    ("id", "kind", "status", "priority", "rank", "body", "deliveries", "token", "owner", "lease_until", "enqueued_at"),
)

# A key whose time is over is taken again. Another transaction that has just taken it is waited for.
_REMEMBER = Statement("""
INSERT INTO queue_dedup (kind, dedup_key, message_id, until) VALUES (:kind, :key, :id, :until)
ON CONFLICT (kind, dedup_key) DO UPDATE SET message_id = excluded.message_id, until = excluded.until
WHERE queue_dedup.until <= :now RETURNING message_id
""")
_KNOWN = Statement("SELECT message_id FROM queue_dedup WHERE kind = :kind AND dedup_key = :key")
_NONE = timedelta(0)
_FORGET = Statement("DELETE FROM queue_dedup WHERE until <= :now")


def enter(connection: Connection, drafts: Sequence[Draft], window: timedelta, now: datetime) -> list[Entered]:
    """Insert what is no duplicate; answers in the same order."""
    if not drafts:
        return []
    numbers = numbers_for(connection, "queue_messages", len(drafts))
    known = _duplicates(connection, drafts, numbers, window, now)
    fresh = [(number, draft) for number, draft in zip(numbers, drafts, strict=True) if number not in known]
    _insert(connection, fresh, now)
    settle(connection, (draft.group for _, draft in fresh if draft.group is not None))
    return [
        Entered(str(known[number]), duplicate=True) if number in known else Entered(str(number)) for number in numbers
    ]


def enter_taken(
    connection: Connection, drafts: Sequence[Draft], owner: str, until: datetime, now: datetime
) -> list[Message]:
    """Insert these as if this receiver had claimed them, in the same order. For none with delay, group or dedup key."""
    numbers = numbers_for(connection, "queue_messages", len(drafts))
    rows = [
        (number, each.kind, "leased", each.priority, rank(each.priority, now), each.body, 1, 1, owner, until, now)
        for number, each in zip(numbers, drafts, strict=True)
    ]
    _INSERT_TAKEN.execute(connection, rows)
    return [
        Message(str(number), each.kind, each.body, each.priority, None, 1, now, 1)
        for number, each in zip(numbers, drafts, strict=True)
    ]


def forget_old_keys(connection: Connection, now: datetime) -> None:
    """Remove the keys whose time is over."""
    _FORGET.run(connection, now=now)


def _duplicates(
    connection: Connection, drafts: Sequence[Draft], numbers: Sequence[int], window: timedelta, now: datetime
) -> dict[int, int]:
    """The numbers not to be used, each with the message that was there before.

    In order of the keys: two transactions with the same ones would deadlock on PostgreSQL.
    """
    keyed = sorted(
        (draft.kind, draft.dedup, number) for number, draft in zip(numbers, drafts, strict=True) if draft.dedup
    )
    duplicates = {}
    for kind, key, number in keyed:
        taken = _REMEMBER.run(connection, kind=kind, key=key, id=number, until=now + window, now=now)
        if not taken:
            [(duplicates[number],)] = _KNOWN.run(connection, kind=kind, key=key)
    return duplicates


def _insert(connection: Connection, fresh: Sequence[tuple[int, Draft]], now: datetime) -> None:
    places: dict[int, int] = {}  # of those that are due now: most have the same priority
    rows: list[tuple[Any, ...]] = []
    for number, draft in fresh:
        status, due = "ready", None
        if draft.delay > _NONE:
            due = now + draft.delay
            status, place = "delayed", rank(draft.priority, due)
        elif draft.priority in places:
            place = places[draft.priority]
        else:
            place = places[draft.priority] = rank(draft.priority, now)
        if draft.group is not None:
            status = "held"  # see `settle`
        rows.append((number, draft.kind, status, draft.priority, place, draft.group, draft.body, due, now))
    _INSERT.execute(connection, rows)
