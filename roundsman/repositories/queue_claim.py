"""Claims: the heads of the indexes of ready messages, the most urgent ones of several kinds, in one statement."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from roundsman.message import Message
from roundsman.repositories.statement import Statement, read_json, read_time

# The first entries of the index of ready messages, for one of the kinds
_HEAD = """
SELECT kind, rank, id FROM (
    SELECT kind, rank, id FROM queue_messages WHERE status = 'ready' AND kind = :kind_{index}
    ORDER BY rank, id LIMIT :most_{index} {lock}
) AS head_{index}
"""

# Materialized: run again in the middle of the update, it would lock other rows
_CLAIM = """
WITH heads AS MATERIALIZED ({heads})
UPDATE queue_messages SET status = 'leased', owner = :owner, lease_until = :until, deliveries = deliveries + 1,
    token = token + 1
WHERE id IN (SELECT id FROM heads ORDER BY rank, id LIMIT :most)
RETURNING id, kind, CAST(body AS text), priority, group_key, deliveries, enqueued_at, token, rank
"""
_PLACE = itemgetter(8, 0)

# How many of the most urgent messages are of which kind
_SHARES = """
SELECT kind, count(*) FROM (SELECT kind FROM ({heads}) AS heads ORDER BY rank, id LIMIT :most) AS first GROUP BY kind
"""


def take(connection: Connection, asked: Mapping[str, int], most: int, owner: str, until: datetime) -> list[Message]:
    """At most `asked` of each kind and `most` in all, the most urgent first."""
    crowded = len(asked) > 1 and sum(asked.values()) > most
    if crowded and connection.dialect.name == "postgresql":
        rows = _take_shares(connection, asked, most, owner, until)
    else:
        rows = _take_heads(connection, asked, most, owner, until)
    rows.sort(key=_PLACE)
    return _messages(connection, rows)


@cache
def _claim(kinds: int) -> Statement:
    heads = " UNION ALL ".join(_HEAD.format(index=index, lock="FOR UPDATE SKIP LOCKED") for index in range(kinds))
    return Statement(_CLAIM.format(heads=heads))


@cache
def _shares(kinds: int) -> Statement:
    heads = " UNION ALL ".join(_HEAD.format(index=index, lock="") for index in range(kinds))
    return Statement(_SHARES.format(heads=heads))


def _take_heads(connection: Connection, asked: Mapping[str, int], most: int, owner: str, until: datetime) -> list[Any]:
    return _claim(len(asked)).run(connection, **_heads(asked), most=most, owner=owner, until=until)


def _take_shares(connection: Connection, asked: Mapping[str, int], most: int, owner: str, until: datetime) -> list[Any]:
    """On PostgreSQL what is looked at is locked, and other receivers pass it by and may find nothing.

    So it is first seen, without locks, how many of which kind are the most urgent ones, and just so many are locked.
    """
    shares = dict(_shares(len(asked)).run(connection, **_heads(asked), most=most))
    if not shares:
        return []
    rows = _take_heads(connection, shares, most, owner, until)
    if len(rows) < most <= sum(shares.values()):  # another one was faster: whatever is there, kind by kind
        for kind, count in asked.items():
            rest = min(count - sum(row[1] == kind for row in rows), most - len(rows))
            if rest > 0:
                rows += _take_heads(connection, {kind: rest}, rest, owner, until)
    return rows


def _heads(asked: Mapping[str, int]) -> dict[str, Any]:
    kinds = {f"kind_{index}": kind for index, kind in enumerate(asked)}
    return kinds | {f"most_{index}": count for index, count in enumerate(asked.values())}


def _messages(connection: Connection, rows: list[Any]) -> list[Message]:
    moments = {moment: read_time(connection, moment) for moment in {row[6] for row in rows}}  # many share theirs
    bodies = read_json([row[2] for row in rows])
    return [
        Message(str(number), kind, body, priority, group, deliveries, moments[entered], token)
        for (number, kind, _, priority, group, deliveries, entered, token, _), body in zip(rows, bodies, strict=True)
    ]
