"""How far our knowledge of each page reaches, where a sync that was cut off goes on, and what keeps it from going on.

Only pages with a live source have a row; an import promises no news, so nothing of it can be stale. The watermark
`fresh_at` says: whatever the source knew at that moment is in our hands.

A page that was taken out of the settings keeps its row, marked so: without one it would look like an import, whose data
is taken as it is, although the answers that come from now on reach nobody here.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, literal, null, or_, select, update

from roundsman.repositories.conversation_tables import page_syncs
from roundsman.repositories.engine import upserting
from roundsman.repositories.versions import chunks


class PageSync(NamedTuple):
    """Where the sync of one page stands."""

    page_id: str
    source: str
    """pancake or mongo."""
    fresh_at: datetime | None = None
    checkpoint: Mapping[str, Any] | None = None
    """What the source's own sync needs to go on; it alone understands it."""
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    error: str | None = None
    """A sentence without secrets."""
    taken_out_at: datetime | None = None
    """Since when it is in nobody's settings any more; None: it is in somebody's."""

    @property
    def is_set_up(self) -> bool:
        return self.taken_out_at is None

    @property
    def has_fed(self) -> bool:
        """Whether anything of this page ever came from its source."""
        return self.fresh_at is not None or self.checkpoint is not None


def _still_out(source: ColumnElement[str]) -> ColumnElement[datetime | None]:
    """A sync that was under way when its page was taken out brings nothing back; another source is not concerned."""
    return case((page_syncs.c.source == source, page_syncs.c.taken_out_at), else_=null())


_COLUMNS = [page_syncs.c[name] for name in PageSync._fields]


class PageSyncRepository:
    """Every method works in the caller's transaction."""

    def all(self, connection: Connection) -> dict[str, PageSync]:
        """Every page with a live source."""
        return {row[0]: PageSync._make(row) for row in connection.execute(select(*_COLUMNS))}

    def find(self, connection: Connection, page_id: str) -> PageSync | None:
        """One page."""
        row = connection.execute(select(*_COLUMNS).where(page_syncs.c.page_id == page_id)).one_or_none()
        return None if row is None else PageSync._make(row)

    def advance(
        self,
        connection: Connection,
        page_id: str,
        source: str,
        *,
        fresh_at: datetime | None,
        checkpoint: Mapping[str, Any] | None,
    ) -> None:
        """A part of a sync is in the store. `fresh_at` is None while only a part of the page is; it never goes back."""
        insert = upserting(connection)(page_syncs).values(
            page_id=page_id, source=source, fresh_at=fresh_at, checkpoint=checkpoint
        )
        offered, stored = insert.excluded, page_syncs.c
        is_newer = or_(stored.fresh_at.is_(None), offered.fresh_at > stored.fresh_at)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[stored.page_id],
                set_={
                    "source": offered.source,
                    "fresh_at": case((is_newer, offered.fresh_at), else_=stored.fresh_at)
                    if fresh_at is not None
                    else stored.fresh_at,
                    "checkpoint": offered.checkpoint,
                    "failures": 0,
                    "failing_since": None,
                    "retry_at": None,
                    "error": None,
                    "taken_out_at": _still_out(offered.source),
                },
            )
        )

    def failed(
        self, connection: Connection, page_id: str, source: str, error: str, *, retry_at: datetime, now: datetime
    ) -> int:
        """A sync of this page came to nothing; what was reached stays. Returns how often in a row."""
        insert = upserting(connection)(page_syncs).values(
            page_id=page_id, source=source, failures=1, failing_since=now, retry_at=retry_at, error=error
        )
        stored = page_syncs.c
        statement = insert.on_conflict_do_update(
            index_elements=[stored.page_id],
            set_={
                "source": insert.excluded.source,
                "failures": stored.failures + 1,
                "failing_since": case((stored.failing_since.is_(None), now), else_=stored.failing_since),
                "retry_at": retry_at,
                "error": error,
                "taken_out_at": _still_out(insert.excluded.source),
            },
        ).returning(stored.failures)
        failures: int = connection.execute(statement).scalar_one()
        return failures

    def start_anew(self, connection: Connection, page_id: str) -> None:
        """Nothing is known of how far our knowledge reaches, after all."""
        connection.execute(
            update(page_syncs).where(page_syncs.c.page_id == page_id).values(fresh_at=None, checkpoint=null())
        )

    def retry_now(self, connection: Connection, page_ids: Collection[str]) -> None:
        """Forget that these were to be left alone for a while."""
        connection.execute(update(page_syncs).where(page_syncs.c.page_id.in_(sorted(page_ids))).values(retry_at=None))

    def take_out(self, connection: Connection, page_ids: Collection[str], now: datetime) -> set[str]:
        """These are in nobody's settings any more. The watermark stays, or the checkpoint where there is none yet: from
        it a sync goes on if they come back. Returns those that were in somebody's before."""
        begun = case((page_syncs.c.fresh_at.is_(None), page_syncs.c.checkpoint), else_=null())
        values = {"taken_out_at": now, "checkpoint": begun, "failures": 0, "failing_since": None,
                  "retry_at": None, "error": None}  # fmt: skip
        statement = update(page_syncs).where(
            page_syncs.c.page_id.in_(sorted(page_ids)), page_syncs.c.taken_out_at.is_(None)
        )
        return set(connection.execute(statement.values(values).returning(page_syncs.c.page_id)).scalars())

    def bring_back(
        self, connection: Connection, checkpoints: Mapping[str, Mapping[str, Any] | None], lately: datetime
    ) -> set[str]:
        """These are in somebody's settings again, and are to be read completely once more before anything is known of
        them; each goes on from its checkpoint. Returns those that were out before.

        `lately`: one that was read completely since then has its watermark already. An older one is of a sync that was
        under way when the page was taken out.
        """
        stored = page_syncs.c
        is_read = and_(stored.fresh_at > stored.taken_out_at, stored.fresh_at > lately)
        back = set()
        for page_id, checkpoint in sorted(checkpoints.items()):
            begun = null() if checkpoint is None else literal(checkpoint, stored.checkpoint.type)
            statement = (
                update(page_syncs)
                .where(stored.page_id == page_id, stored.taken_out_at.is_not(None))
                .values(
                    fresh_at=case((is_read, stored.fresh_at), else_=null()),
                    checkpoint=case((is_read, stored.checkpoint), else_=begun),
                    taken_out_at=None,
                )
            )
            if connection.execute(statement).rowcount:
                back.add(page_id)
        return back

    def forget_taken_out(self, connection: Connection, page_ids: Collection[str]) -> set[str]:
        """Another source has brought something of these; returns those of them that were out of the settings."""
        statement = delete(page_syncs).where(
            page_syncs.c.taken_out_at.is_not(None), page_syncs.c.page_id.in_(bindparam("ids", expanding=True))
        )
        found: set[str] = set()
        for chunk in chunks(sorted(page_ids)):
            found.update(connection.execute(statement.returning(page_syncs.c.page_id), {"ids": chunk}).scalars())
        return found

    def forget(self, connection: Connection, page_ids: Collection[str]) -> None:
        """These pages have no live source any more."""
        connection.execute(delete(page_syncs).where(page_syncs.c.page_id.in_(sorted(page_ids))))
