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


def hasten(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Make them due now; returns those that were waiting for their time. In the caller's transaction."""
    numbers = [int(text) for text in ids if text.isascii() and text.isdigit() and len(text) < 19]
    return {str(number) for (number,) in _HASTEN.run(connection, ids=numbers)} if numbers else set()
