"""Groups of messages: the head is under way, the others are held until it is done with.

A message of a group enters as held, like one that is replayed; `settle` then makes the oldest of a group ready if
nothing of it is under way. The same is done after the head has gone. On PostgreSQL two transactions cannot see each
other's rows (one enqueues while the other acks: each leaves it to the other), so whoever settles a group has its
lock to the end of his transaction. Messages without a group pay nothing for all this.
"""

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection

from roundsman.repositories.statement import Statement

GROUP_LOCKS, KIND_LOCKS = 0x726F756E, 0x726F756F
"""The first of the two numbers of our advisory locks: "roun" and its successor; the second is a digest of the name."""

_LOCK = Statement("SELECT pg_advisory_xact_lock(:space, number), STEADY FROM unnest(CAST(:numbers AS int[])) AS number")

# The subquery reads one entry of the index of held ones for each group; a minimum over the group would read them all.
_PROMOTE = Statement("""
UPDATE queue_messages SET status = CASE WHEN not_before IS NULL THEN 'ready' ELSE 'delayed' END
WHERE id IN (
    SELECT (
        SELECT held.id FROM queue_messages AS held
        WHERE held.status = 'held' AND held.group_key = each.value ORDER BY held.id LIMIT 1
    )
    FROM EACH :groups
    WHERE NOT EXISTS (
        SELECT 1 FROM queue_messages AS head WHERE head.group_key = each.value
        AND head.group_key IS NOT NULL AND head.status IN ('ready', 'delayed', 'leased')
    )
)
""")


def settle(connection: Connection, groups: Iterable[str]) -> None:
    """Give each of these groups a head if it has none and something is held."""
    names = sorted(set(groups))
    if names:
        lock(connection, GROUP_LOCKS, names)
        _PROMOTE.run(connection, groups=names)


def lock(connection: Connection, space: int, names: Iterable[str]) -> None:
    """Keep others off these names to the end of the transaction, in one order in every process."""
    if connection.dialect.name != "postgresql":
        return
    numbers = sorted({int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), signed=True) for name in names})
    if numbers:
        _LOCK.run(connection, space=space, numbers=numbers)
