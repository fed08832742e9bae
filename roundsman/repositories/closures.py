"""Waits that somebody has declared dealt with, although nobody has answered in the conversation: by telephone, say.

A closure counts as a person's answer at its moment. So it ends the wait on both clocks wherever waits are derived from
messages, and what the customer writes later is a new one. A later closure replaces an earlier one: what lies before it
is dealt with anyway. There is one at most of each conversation. It is kept, as without it the old wait would go on.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from roundsman.repositories.engine import upserting
from roundsman.repositories.tables import closures
from roundsman.repositories.versions import CHUNK, chunks


@dataclass(frozen=True)
class Closure:
    """Somebody's word that a wait is over."""

    closed_at: datetime
    closed_by: str


class ClosureRepository:
    """Every method works in the caller's transaction."""

    def close(self, connection: Connection, conversation_id: str, by: str, now: datetime) -> None:
        """What this customer has written so far is dealt with; the caller holds the conversation's lock."""
        values = {"closed_at": now, "closed_by": by}
        insert = upserting(connection)(closures).values(conversation_id=conversation_id, **values)
        connection.execute(insert.on_conflict_do_update(index_elements=[closures.c.conversation_id], set_=values))

    def find(self, connection: Connection, conversation_ids: Collection[str]) -> dict[str, Closure]:
        """Those of these conversations that have one."""
        found: dict[str, Closure] = {}
        ids = list(conversation_ids)
        if len(ids) > CHUNK and connection.execute(select(closures.c.closed_at).limit(1)).first() is None:
            return found  # an import asks of a hundred thousand
        for chunk in chunks(ids):
            query = select(closures).where(closures.c.conversation_id.in_(chunk))
            found |= {row.conversation_id: Closure(row.closed_at, row.closed_by) for row in connection.execute(query)}
        return found
