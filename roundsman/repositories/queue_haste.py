"""Messages that wait for their time and need not any more: their runs were signalled, paused or cancelled.

Such a message may be the head of its group, which all the others of the group wait for, or become it.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from roundsman.repositories.statement import Statement

_HASTEN = Statement("""
UPDATE queue_messages SET status = CASE WHEN status = 'held' THEN 'held' ELSE 'ready' END, not_before = NULL
WHERE id AMONG :ids AND status IN ('delayed', 'held') AND not_before IS NOT NULL RETURNING id
""")
_COMING = Statement("SELECT id FROM queue_messages WHERE id = :id AND status IN ('ready', 'held')")


def hasten(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Make them due now; returns those that were waiting for their time. In the caller's transaction."""
    numbers = [int(text) for text in ids if _is_number(text)]
    return {str(number) for (number,) in _HASTEN.run(connection, ids=numbers)} if numbers else set()


def is_coming(connection: Connection, message_id: str) -> bool:
    """Whether it waits for no time: it comes when a worker is free, or when its group is at it."""
    return _is_number(message_id) and bool(_COMING.run(connection, id=int(message_id)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
