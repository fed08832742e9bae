"""Where one message stands in the queue of the store: for whoever asks why a run waits."""

from dataclasses import dataclass

from sqlalchemy import Connection

from roundsman.repositories.statement import Statement

_MESSAGE = Statement("SELECT status, rank, group_key FROM queue_messages WHERE id = :id")
_AHEAD = Statement("""
SELECT count(*) FROM queue_messages WHERE status = 'ready' AND (rank < :rank OR (rank = :rank AND id < :id))
""")
_HEAD = Statement("""
SELECT CAST(body AS text) FROM queue_messages
WHERE group_key = :group AND group_key IS NOT NULL AND status IN ('ready', 'delayed', 'leased')
""")

_GREATEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class MessagePlace:
    """Where a message stands."""

    status: str
    """ready, delayed, held (back by its group), leased or dead."""
    ahead: int
    """Of a ready one: how many come before it, of all kinds."""
    head: str | None
    """Of a held one: the body of the message that its group is at, as JSON."""


def place_of(connection: Connection, message_id: str) -> MessagePlace | None:
    """The place of this message; None if the queue does not hold it (any more)."""
    if not (message_id.isascii() and message_id.isdigit()) or int(message_id) > _GREATEST_NUMBER:
        return None  # of another queue than this one: QUEUE_TYPE was changed
    number = int(message_id)
    for status, rank, group in _MESSAGE.run(connection, id=number):
        ahead = _AHEAD.run(connection, rank=rank, id=number)[0][0] if status == "ready" else 0
        head = next((body for (body,) in _HEAD.run(connection, group=group)), None) if status == "held" else None
        return MessagePlace(status, ahead, head)
    return None
