"""The watch list: one row for each conversation that waits, with the moment at which somebody must look at it.

The monitor reads a range of one index, `due_at <= now`, so its cost follows what is due and not what exists. A row says
nothing that could not be derived anew from messages and policies, but for what people were told (`incident_since`,
`level`, `warned`) and how long they put it off.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update

from roundsman.repositories.conversation_tables import watch_list
from roundsman.repositories.rows import UpsertRows
from roundsman.repositories.versions import CHUNK, chunks


class AnsweringClock(StrEnum):
    """Whose answers stop a customer's wait: any of the page's, or a person's only."""

    CUSTOMER = "customer"
    HUMAN = "human"


class WaitingState(NamedTuple):
    """What follows from the messages of a conversation: the wait and the last answer, on both clocks."""

    waiting_since: datetime | None = None
    """Until anybody on the page's side answers, bots included; None where nobody waits."""
    human_waiting_since: datetime | None = None
    """Until a person answers."""
    answered_at: datetime | None = None
    """The last answer, of anybody on the page's side."""
    human_answered_at: datetime | None = None
    recheck_at: datetime | None = None
    """From this moment a message counts that is still set aside as one from the future."""

    def since(self, clock: AnsweringClock) -> datetime | None:
        """The start of the wait on one of the clocks."""
        return self.human_waiting_since if clock is AnsweringClock.HUMAN else self.waiting_since

    def answered(self, clock: AnsweringClock) -> datetime | None:
        """The last answer on one of the clocks. None: the next one would be the first response."""
        return self.human_answered_at if clock is AnsweringClock.HUMAN else self.answered_at

    @property
    def is_idle(self) -> bool:
        """Nobody waits, and nothing will change by the mere passing of time."""
        return self.human_waiting_since is None and self.waiting_since is None and self.recheck_at is None


class WatchRow(NamedTuple):
    """One row of the list."""

    conversation_id: str
    page_id: str
    waiting_since: datetime | None = None
    human_waiting_since: datetime | None = None
    answered_at: datetime | None = None
    human_answered_at: datetime | None = None
    recheck_at: datetime | None = None
    incident_since: datetime | None = None
    """The wait that people were told of, while its end is not settled."""
    level: int = 0
    """The highest level told of that incident."""
    warned: bool = False
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    due_at: datetime | None = None
    """When the monitor must look; None: only news can change anything."""
    observed: str | None = None
    """Digest of the last observation, so that the same is not noted twice."""

    @property
    def state(self) -> WaitingState:
        return WaitingState(*self[2:7])


_COLUMNS = [watch_list.c[name] for name in WatchRow._fields]


class WatchListRepository:
    """Every method works in the caller's transaction."""

    def due(
        self, connection: Connection, now: datetime, *, apart_from_pages: Collection[str] = (), limit: int = 10_000
    ) -> list[WatchRow]:
        """The rows to look at, the earliest first."""
        query = select(*_COLUMNS).where(watch_list.c.due_at <= now).order_by(watch_list.c.due_at).limit(limit)
        if apart_from_pages:
            query = query.where(watch_list.c.page_id.not_in(sorted(apart_from_pages)))
        return [WatchRow._make(row) for row in connection.execute(query).all()]

    def due_and_told(
        self, connection: Connection, now: datetime, page_ids: Collection[str], *, limit: int = 10_000
    ) -> list[WatchRow]:
        """Of these pages, the rows to look at whose incident people know of."""
        query = select(*_COLUMNS).where(
            watch_list.c.due_at <= now,
            watch_list.c.page_id.in_(sorted(page_ids)),
            watch_list.c.incident_since.is_not(None),
        )
        rows = connection.execute(query.order_by(watch_list.c.due_at).limit(limit)).all()
        return [WatchRow._make(row) for row in rows]

    def find(self, connection: Connection, conversation_ids: Collection[str]) -> dict[str, WatchRow]:
        """The rows of these conversations, as far as there are any."""
        found = {}
        for chunk in chunks(list(conversation_ids)):
            for row in connection.execute(_BY_ID, {"ids": chunk}).all():
                found[row[0]] = WatchRow._make(row)
        return found

    def all(self, connection: Connection) -> Iterator[list[WatchRow]]:
        """Every row, in bounded lists."""
        last = ""
        while True:
            query = select(*_COLUMNS).where(watch_list.c.conversation_id > last)
            rows = connection.execute(query.order_by(watch_list.c.conversation_id).limit(CHUNK)).all()
            if not rows:
                return
            yield [WatchRow._make(row) for row in rows]
            last = rows[-1].conversation_id

    def put(self, connection: Connection, rows: Sequence[WatchRow]) -> None:
        """Insert or replace; the caller holds the conversations' locks."""
        _PUT.execute(connection, sorted(rows, key=itemgetter(0)))

    def remove(self, connection: Connection, conversation_ids: Collection[str]) -> None:
        """Watch these no more."""
        for chunk in chunks(sorted(conversation_ids)):
            connection.execute(_REMOVE, {"ids": chunk})

    def look_at_pages(self, connection: Connection, page_ids: Collection[str], now: datetime) -> None:
        """Make the rows of these pages due."""
        for chunk in chunks(sorted(page_ids)):
            connection.execute(update(watch_list).where(watch_list.c.page_id.in_(chunk)).values(due_at=now))

    def look_again(self, connection: Connection, now: datetime) -> int:
        """Make every row due: the rules have changed. Returns how many."""
        return connection.execute(update(watch_list).values(due_at=now)).rowcount

    def count_late(self, connection: Connection) -> int:
        """How many wait too long, as people were told."""
        late = and_(watch_list.c.incident_since.is_not(None), watch_list.c.level > 0)
        return connection.execute(select(func.count()).select_from(watch_list).where(late)).scalar_one()

    def count(self, connection: Connection) -> int:
        """How many conversations wait."""
        waiting = or_(watch_list.c.waiting_since.is_not(None), watch_list.c.human_waiting_since.is_not(None))
        return connection.execute(select(func.count()).select_from(watch_list).where(waiting)).scalar_one()


_PUT = UpsertRows(watch_list, WatchRow._fields)
_AMONG = watch_list.c.conversation_id.in_(bindparam("ids", expanding=True))
_BY_ID = select(*_COLUMNS).where(_AMONG)
_REMOVE = delete(watch_list).where(_AMONG)
