"""The queue in the store: messages are claimed, acked and put back in sets, a few statements for a whole batch.

A claim is one guarded update that reads only the head of the index of ready messages, so that it costs the same
whatever waits behind them. It writes the owner and a lease beside the row and raises the row's token, which is the
proof of the lease: whatever is done to the message later names it, so a receiver that was away too long changes
nothing. (The count of deliveries is no proof: a replay sets it back.)

A transaction that does several things acks and enqueues before it claims; when it touches groups in both, it calls
`lock_groups` first: on PostgreSQL two transactions that lock the same ones in different orders would deadlock.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection

from roundsman.message import Draft, Entered, KindLimits, Message, worn_out
from roundsman.repositories.queue_claim import take
from roundsman.repositories.queue_entry import enter, enter_taken, forget_old_keys
from roundsman.repositories.queue_groups import GROUP_LOCKS, lock, settle
from roundsman.repositories.queue_limits import QueueLimits
from roundsman.repositories.queue_stock import QueueStock
from roundsman.repositories.statement import Statement, read_time

AT_ONCE = 1_000
"""So many of those that have become due are made ready with one claim; the next one does more."""


# When the first delayed message is due, and when the first lease ends: one entry of an index for each
_DUE = Statement("""
SELECT min(not_before), STEADY FROM queue_messages WHERE status = 'delayed'
UNION ALL SELECT min(lease_until), NULL FROM queue_messages WHERE status = 'leased'
""")

_MAKE_READY = Statement("""
UPDATE queue_messages SET status = 'ready', not_before = NULL WHERE id IN (
    SELECT id FROM queue_messages WHERE status = 'delayed' AND not_before <= :now
    ORDER BY not_before LIMIT :most FOR UPDATE SKIP LOCKED
)
""")

_LAPSED = Statement("""
SELECT id, token, deliveries FROM queue_messages
WHERE status = 'leased' AND (lease_until <= :now OR owner AMONG :owners) LIMIT :most FOR UPDATE SKIP LOCKED
""")

_OWNERS = Statement("SELECT DISTINCT owner FROM queue_messages WHERE status = 'leased'")


def _under_lease(text: str) -> Statement:
    """A change of messages whose lease is still the one that the receiver knows."""
    return Statement(text.replace("MINE", "id AMONG :ids AND status = 'leased' AND token = :token"))


_DELETE = _under_lease("DELETE FROM queue_messages WHERE MINE RETURNING id, group_key")

_PUT_BACK = _under_lease("""
UPDATE queue_messages SET status = CASE WHEN :later THEN 'delayed' ELSE 'ready' END, not_before = :not_before,
    owner = NULL, lease_until = NULL
WHERE MINE RETURNING id, NULL
""")

_BURY = _under_lease("""
UPDATE queue_messages SET status = 'dead', dead_at = :now, reason = :reason, owner = NULL, lease_until = NULL
WHERE MINE RETURNING id, group_key
""")

# What is locked is being acked or put back at this moment by another thread: waiting for it could deadlock
_EXTEND = _under_lease("""
WITH free AS MATERIALIZED (SELECT id FROM queue_messages WHERE MINE FOR UPDATE SKIP LOCKED)
UPDATE queue_messages SET lease_until = :until WHERE id IN (SELECT id FROM free) RETURNING id, NULL
""")
_HELD = _under_lease("SELECT id, NULL FROM queue_messages WHERE MINE")


class _Held(NamedTuple):
    """A message under the lease that its receiver had."""

    id: int
    token: int
    deliveries: int


class QueueRepository(QueueStock):
    """What one receiver does to the queue. Every method works in the caller's transaction and may run in any thread."""

    def __init__(
        self,
        owner: str,
        limits: Mapping[str, KindLimits],
        lease: timedelta,
        dedup_window: timedelta,
        max_deliveries: int | None = None,
    ) -> None:
        self._owner = owner
        self._limits = QueueLimits(limits)
        self._lease = lease
        self._window = dedup_window
        self._max_deliveries = max_deliveries

    # --- in and out ---

    def enqueue(self, connection: Connection, drafts: Sequence[Draft], now: datetime) -> list[Entered]:
        """Put them in; answers in the same order."""
        return enter(connection, drafts, self._window, now)

    def enter_taken(self, connection: Connection, drafts: Sequence[Draft], now: datetime) -> list[Message]:
        """Put them in and receive them in one; for what nothing holds back, while nothing else waits."""
        return enter_taken(connection, drafts, self._owner, now + self._lease, now)

    def claim(self, connection: Connection, wanted: Mapping[str, int], most: int, now: datetime) -> list[Message]:
        """Receive at most `wanted[kind]` of each kind and `most` in all, the most urgent first."""
        if most <= 0 or not any(count > 0 for count in wanted.values()):
            return []
        self._advance(connection, now)
        allowed = self._limits.allowed(connection, wanted, now)
        asked = {kind: min(count, most) for kind, count in allowed.items() if count > 0}
        if not asked:
            return []
        messages = take(connection, asked, most, self._owner, now + self._lease)
        if self._limits.kinds:
            self._limits.spend(connection, Counter(message.kind for message in messages), now)
        return messages

    def ack(self, connection: Connection, messages: Sequence[Message]) -> list[Message]:
        """They are done with. Returns those whose lease was lost meanwhile."""
        return _lost(messages, _change(connection, _DELETE, _held(messages)))

    def nack(
        self, connection: Connection, messages: Sequence[Message], not_before: datetime | None, now: datetime
    ) -> list[Message]:
        """Put them back at their old place, due then or now. Returns those whose lease was lost meanwhile."""
        return _lost(messages, self._put_back(connection, _held(messages), not_before, now))

    def bury(self, connection: Connection, messages: Sequence[Message], reason: str, now: datetime) -> list[Message]:
        """Make dead letters of them. Returns those whose lease was lost meanwhile."""
        return _lost(messages, _change(connection, _BURY, _held(messages), now=now, reason=reason))

    def extend(self, connection: Connection, messages: Sequence[Message], now: datetime) -> list[Message]:
        """Begin their leases anew. Returns those whose lease was lost meanwhile."""
        missed = _lost(messages, _change(connection, _EXTEND, _held(messages), until=now + self._lease))
        return _lost(missed, _change(connection, _HELD, _held(missed)))

    def release(self, connection: Connection, owners: Collection[str], now: datetime) -> int:
        """Free what these (dead) receivers hold, and what nobody holds any more. Returns how many."""
        freed = 0
        while rows := _LAPSED.run(connection, owners=sorted(owners), now=now, most=AT_ONCE):
            freed += len(rows)
            self._come_back(connection, rows, now)
        forget_old_keys(connection, now)
        return freed

    # --- who, and when ---

    def lock_groups(self, connection: Connection, groups: Iterable[str]) -> None:
        """Before a transaction acks and enqueues: the groups of both."""
        lock(connection, GROUP_LOCKS, groups)

    def owners(self, connection: Connection) -> set[str]:
        """Who holds messages."""
        return {owner for (owner,) in _OWNERS.run(connection)}

    def next_due(self, connection: Connection, kinds: Collection[str]) -> datetime | None:
        """When a claim of these kinds may find something that it does not find now, if nobody enqueues or acks.

        The first delayed message becomes due, a lease runs out (both of any kind: a claim sees to all of them, and what
        comes of it may be the next one of a group), or the rate of one of these kinds lets the next one pass.
        """
        moments = [*self._due(connection), self._limits.next_token(connection, kinds)]
        return min((moment for moment in moments if moment is not None), default=None)

    def unblocks(self, messages: Iterable[Message]) -> bool:
        """Whether others may be waiting for these to be acked: then they are to be woken."""
        return any(message.group is not None or message.kind in self._limits.kinds for message in messages)

    # --- parts of a claim ---

    def _due(self, connection: Connection) -> list[datetime]:
        return [read_time(connection, moment) for moment, _ in _DUE.run(connection) if moment is not None]

    def _advance(self, connection: Connection, now: datetime) -> None:
        """Make ready what has become due: one statement that reads a few entries of indexes, if nothing has."""
        if not any(moment <= now for moment in self._due(connection)):
            return
        self._come_back(connection, _LAPSED.run(connection, owners=[], now=now, most=AT_ONCE), now)
        # Last: where a head was buried just now, the next one of its group may be among those whose time has come
        _MAKE_READY.run(connection, now=now, most=AT_ONCE)

    def _come_back(self, connection: Connection, rows: Sequence[Any], now: datetime) -> None:
        """What their receivers have lost."""
        self._put_back(connection, [_Held(*row) for row in rows], None, now)

    def _put_back(
        self, connection: Connection, held: Sequence[_Held], not_before: datetime | None, now: datetime
    ) -> set[int]:
        """Or bury them, if they were delivered too often; returns which were changed."""
        if not_before is not None and not_before <= now:
            not_before = None
        limit = self._max_deliveries
        back = [each for each in held if limit is None or each.deliveries < limit]
        changed = _change(connection, _PUT_BACK, back, later=not_before is not None, not_before=not_before)
        if len(back) == len(held):
            return changed
        worn = [each for each in held if limit is not None and each.deliveries >= limit]
        for deliveries in {each.deliveries for each in worn}:
            these = [each for each in worn if each.deliveries == deliveries]
            changed |= _change(connection, _BURY, these, now=now, reason=worn_out(deliveries))
        return changed


def _held(messages: Iterable[Message]) -> list[_Held]:
    return [_Held(int(message.id), message.lease, message.deliveries) for message in messages]


def _lost(messages: Sequence[Message], changed: Collection[int]) -> list[Message]:
    if len(changed) == len(messages):
        return []
    return [message for message in messages if int(message.id) not in changed]


def _change(connection: Connection, statement: Statement, held: Iterable[_Held], **values: Any) -> set[int]:
    """Run it for the messages of each token (nearly all have the first one); returns which were changed."""
    batches: dict[int, list[int]] = {}
    for each in held:
        batches.setdefault(each.token, []).append(each.id)
    changed: set[int] = set()
    groups: set[str] = set()
    for token, ids in batches.items():
        for number, group in statement.run(connection, ids=ids, token=token, **values):
            changed.add(number)
            if group is not None:
                groups.add(group)
    settle(connection, groups)
    return changed
