"""What lies in the queue, for people: depths, dead letters and their replay, and which messages are not there."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from roundsman.message import DeadLetter, Depth, rank
from roundsman.repositories.queue_entry import forget_old_keys
from roundsman.repositories.queue_groups import settle
from roundsman.repositories.statement import Statement, read_json, read_time

# Each part walks through the index of its status alone, which holds the kind; of delayed and held ones there are few.
_COUNTS = Statement("""
SELECT 'ready', kind, count(*), min(id) FROM queue_messages WHERE status = 'ready' GROUP BY kind
UNION ALL SELECT 'delayed', kind, count(*), 0 FROM queue_messages WHERE status = 'delayed' GROUP BY kind
UNION ALL SELECT 'held', kind, count(*), 0 FROM queue_messages WHERE status = 'held' GROUP BY kind
UNION ALL SELECT 'leased', kind, count(*), 0 FROM queue_messages WHERE status = 'leased' GROUP BY kind
UNION ALL SELECT 'dead', kind, count(*), 0 FROM queue_messages WHERE status = 'dead' GROUP BY kind
""")
_ENTERED = Statement("SELECT kind, enqueued_at FROM queue_messages WHERE id AMONG :ids")

_DEAD = """
SELECT id, kind, CAST(body AS text), priority, group_key, deliveries, enqueued_at, dead_at, reason
FROM queue_messages
WHERE status = 'dead' {which} ORDER BY dead_at DESC, id DESC LIMIT :limit
"""
_DEAD_OF_ALL = Statement(_DEAD.format(which=""))
_DEAD_OF_KIND = Statement(_DEAD.format(which="AND kind = :kind"))

# The place is that of a message that comes in now: see `rank`. One of a group waits for its turn.
_REPLAY = """
UPDATE queue_messages SET status = CASE WHEN group_key IS NULL THEN 'ready' ELSE 'held' END, deliveries = 0,
    rank = :base - priority * :point, not_before = NULL, dead_at = NULL, reason = NULL
WHERE status = 'dead' {which} RETURNING group_key
"""
_REPLAY_ALL = Statement(_REPLAY.format(which=""))
_REPLAY_KIND = Statement(_REPLAY.format(which="AND kind = :kind"))
_REPLAY_IDS = Statement(_REPLAY.format(which="AND id AMONG :ids"))
_REPLAY_IDS_OF_KIND = Statement(_REPLAY.format(which="AND id AMONG :ids AND kind = :kind"))

_FORGET = Statement("""
DELETE FROM queue_messages WHERE id IN (
    SELECT id FROM queue_messages WHERE status = 'dead' AND dead_at < :before
    ORDER BY dead_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
) RETURNING id
""")

_PRESENT = Statement("SELECT id FROM queue_messages WHERE id AMONG :ids")

_GREATEST_NUMBER = 2**63 - 1


class QueueStock:
    """Every method works in the caller's transaction."""

    def depth(self, connection: Connection) -> Mapping[str, Depth]:
        """How many there are, by kind."""
        counts: dict[str, dict[str, Any]] = {}
        first = []
        for status, kind, count, oldest in _COUNTS.run(connection):
            counts.setdefault(kind, {})[status] = count
            if oldest:
                first.append(oldest)
        if first:
            for kind, enqueued_at in _ENTERED.run(connection, ids=first):
                counts[kind]["oldest"] = read_time(connection, enqueued_at)
        return {kind: Depth(**facts) for kind, facts in sorted(counts.items())}

    def dead(self, connection: Connection, kind: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """The dead letters, the newest first."""
        if kind is None:
            rows = _DEAD_OF_ALL.run(connection, limit=limit)
        else:
            rows = _DEAD_OF_KIND.run(connection, limit=limit, kind=kind)
        bodies = read_json([row[2] for row in rows])
        return [
            DeadLetter(
                str(number), kind, body, priority, group, deliveries, read_time(connection, entered),
                read_time(connection, dead), reason,
            )
            for (number, kind, _, priority, group, deliveries, entered, dead, reason), body in zip(
                rows, bodies, strict=True
            )
        ]  # fmt: skip

    def replay(self, connection: Connection, ids: Collection[str] | None, kind: str | None, now: datetime) -> int:
        """Put dead letters back, due now and with their deliveries forgotten: these, those of a kind, or all."""
        place = {"base": rank(0, now), "point": rank(0, now) - rank(1, now)}
        if ids is None and kind is None:
            rows = _REPLAY_ALL.run(connection, **place)
        elif ids is None:
            rows = _REPLAY_KIND.run(connection, kind=kind, **place)
        elif kind is None:
            rows = _REPLAY_IDS.run(connection, ids=list(_numbers(ids)), **place)
        else:
            rows = _REPLAY_IDS_OF_KIND.run(connection, ids=list(_numbers(ids)), kind=kind, **place)
        settle(connection, (group for (group,) in rows if group is not None))
        return len(rows)

    def forget(self, connection: Connection, before: datetime, limit: int, now: datetime) -> int:
        """Remove dead letters that died before then, the oldest first, and all keys of duplicates that are over."""
        forget_old_keys(connection, now)
        return len(_FORGET.run(connection, before=before, limit=limit))

    def unknown(self, connection: Connection, ids: Collection[str]) -> set[str]:
        """Those of these messages that the store does not hold (any more). What is no number never was one of ours."""
        numbers = _numbers(ids)
        if not numbers:
            return set(ids)
        present = {number for (number,) in _PRESENT.run(connection, ids=list(numbers))}
        return set(ids) - {text for number, text in numbers.items() if number in present}


def _numbers(ids: Collection[str]) -> dict[int, str]:
    numbers = {int(text): text for text in ids if text.isascii() and text.isdigit() and len(text) < 20}
    return {number: text for number, text in numbers.items() if number <= _GREATEST_NUMBER and str(number) == text}
