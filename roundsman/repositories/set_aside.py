"""Documents that could not be read, one row each, until a good copy of them arrives."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from roundsman.repositories.conversation_tables import set_aside
from roundsman.repositories.engine import upserting
from roundsman.repositories.versions import chunks


@dataclass(frozen=True, slots=True)
class SetAside:
    """One broken document and what is wrong with it."""

    collection: str
    document_id: str
    """Its id, or its place in the file when it has none."""
    field: str
    sentence: str


class SetAsideRepository:
    """Methods take the connection of the caller's transaction."""

    def put(self, connection: Connection, documents: Sequence[SetAside], seen_at: datetime) -> None:
        """Write them; one that was set aside before keeps its row."""
        if not documents:
            return
        insert = upserting(connection)
        statement = insert(set_aside)
        rows = {(each.collection, each.document_id): {**asdict(each), "seen_at": seen_at} for each in documents}
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[set_aside.c.collection, set_aside.c.document_id],
                set_={name: statement.excluded[name] for name in ("field", "sentence", "seen_at")},
            ),
            [rows[slot] for slot in sorted(rows)],
        )

    def forget(self, connection: Connection, collection: str, document_ids: Collection[str]) -> None:
        """Remove those of which a good copy has arrived."""
        stored = connection.execute(select(set_aside.c.document_id).where(set_aside.c.collection == collection))
        mended = sorted(set(stored.scalars()) & set(document_ids))
        for chunk in chunks(mended):
            connection.execute(
                delete(set_aside).where(set_aside.c.collection == collection, set_aside.c.document_id.in_(chunk))
            )

    def all(self, connection: Connection) -> list[SetAside]:
        """Every document that is set aside, by collection and id."""
        query = select(set_aside.c.collection, set_aside.c.document_id, set_aside.c.field, set_aside.c.sentence)
        return [SetAside(*row) for row in connection.execute(query.order_by("collection", "document_id"))]
