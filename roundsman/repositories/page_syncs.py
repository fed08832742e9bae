"""How far our knowledge of each page reaches, where a sync that was cut off goes on, and what keeps it from going on.

Only pages with a live source have a row; an import promises no news, so nothing of it can be stale. The watermark
`fresh_at` says: whatever the source knew at that moment is in our hands.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, delete, null, or_, select, update

from roundsman.repositories.conversation_tables import page_syncs
from roundsman.repositories.engine import upserting


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

    def forget(self, connection: Connection, page_ids: Collection[str]) -> None:
        """These pages have no live source any more."""
        connection.execute(delete(page_syncs).where(page_syncs.c.page_id.in_(sorted(page_ids))))
