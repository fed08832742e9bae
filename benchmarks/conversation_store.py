"""A store of many conversations, as the measurements need it: filled table by table, mostly in the order of indexes.

Mostly: a third of the rows comes when the indexes are there, so that their pages have room, as those of any store have
that has grown. In an index without a gap each new row would split a page.

Everything follows from the number of a conversation, so that a store of a million takes no memory and nobody else is
needed to know what is in it. Two messages or three in each; a tenth of the customers wait. They may wait eight hours
before they are late, so that many wait at once: the first `DUE` of them become late at `moment(0)`, as many at
`moment(1)` and so on, all others after the last of these.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Table

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.repositories.conversation_tables import conversations, messages, pages, watch_list
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.policy_versions import PolicyVersionRepository
from roundsman.repositories.rows import InsertRows

DUE = 200
MOMENTS = 10
TARGET = timedelta(hours=8)
BEGIN = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
BOOK = PolicyBook(Policy("eight hours", TARGET, TARGET))

_PAGES = 50
_ROWS_AT_ONCE = 20_000
_CACHE_KIB = 500_000
"""Of SQLite while the store is filled: whole indexes fit."""
_SECOND = timedelta(seconds=1)
_PAUSE = 40 * _SECOND
"""Between two messages."""
_MINUTE = timedelta(minutes=1)
_Row = tuple[Any, ...]


def moment(number: int) -> datetime:
    """When the customers of that number are late."""
    return BEGIN + number * _MINUTE


def page_id(number: int) -> str:
    return f"10834129062{number % _PAGES:02d}"


def conversation_id(number: int) -> str:
    return f"{page_id(number)}_{7_000_000 + number}"


def customer_id(number: int) -> str:
    return str(7_000_000 + number)


def waits(number: int) -> bool:
    """Whether this customer waits in the beginning."""
    return number < DUE * MOMENTS or number % 10 == 0


def begun_at(number: int) -> datetime:
    """When the conversation began. A wait began one message later."""
    late_at = moment(number // DUE) if number < DUE * MOMENTS else moment(MOMENTS) + number % 20_000 * _SECOND
    return late_at - TARGET - _PAUSE


def fill(store: Store, count: int) -> None:
    """Put so many conversations into an empty store; the policies of `BOOK` are in force."""
    if store.dialect == "sqlite":
        with store.engine.connect() as connection:  # the pool has no other yet
            connection.exec_driver_sql(f"PRAGMA cache_size=-{_CACHE_KIB}")
    for table, names, rows in (
        (pages, ("page_id", "name", "username", "is_synced"), _pages),
        (conversations, _CONVERSATION, _conversations),
        (messages, _MESSAGE, _messages),
        (watch_list, _WAIT, _waits),
    ):
        _fill(store, table, names, partial(rows, count))
    with store.write() as connection:
        PolicyVersionRepository().take_over(connection, BOOK.version, BEGIN)
    sync(store, BEGIN - TARGET)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As autovacuum does within a minute of such a change, and SQLite's checkpoints in between
        statement = "VACUUM ANALYZE" if store.dialect == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)"
        connection.exec_driver_sql(statement)
    store.engine.dispose()  # and with it the large cache


def sync(store: Store, fresh_at: datetime) -> None:
    """Everything that the outside knew at this moment is in the store."""
    syncs = PageSyncRepository()
    with store.write() as connection:
        for number in range(_PAGES):
            syncs.advance(connection, page_id(number), "pancake", fresh_at=fresh_at, checkpoint={"until": 1})


def _fill(store: Store, table: Table, names: Sequence[str], rows: Callable[[], Iterator[_Row]]) -> None:
    statement = InsertRows(table, names)
    with store.write() as connection:
        for index in table.indexes:
            index.drop(connection)
        for batch in _batches(row for place, row in enumerate(rows()) if place % 3):
            statement.execute(connection, batch)
        for index in table.indexes:
            index.create(connection)
        for batch in _batches(islice(rows(), 0, None, 3)):
            statement.execute(connection, batch)


def _batches(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        yield batch


def _pages(_count: int) -> Iterator[_Row]:
    return ((page_id(number), f"Tiệm Hoa {number}", f"tiemhoa{number}", True) for number in range(_PAGES))


_CONVERSATION = (
    "conversation_id", "page_id", "type", "customer_name", "customer_id", "tags", "assignees", "handovers",
    "source_updated_at",
)  # fmt: skip


def _conversations(count: int) -> Iterator[_Row]:
    # In the order of their ids
    for page in range(_PAGES):
        for number in range(page, count, _PAGES):
            at = begun_at(number)
            yield (
                conversation_id(number), page_id(number), "INBOX", f"Nguyễn An {number}", customer_id(number),
                ["VIP"] if number % 7 == 0 else [], [["u-1", "Lan"]],
                [[at.isoformat(), [["u-1", "Lan"]], []]], at,
            )  # fmt: skip


_MESSAGE = (
    "message_id", "conversation_id", "sent_at", "sender_id", "sender_name", "is_system", "is_staff", "is_automated",
    "is_removed", "is_hidden", "source_updated_at",
)  # fmt: skip


def _messages(count: int) -> Iterator[_Row]:
    places = [(number, place) for number in range(count) for place in range(2 + number % 2)]
    # Ids of Facebook are random: the messages of one conversation lie far apart in their index
    random.Random(20260303).shuffle(places)
    for key, (number, place) in enumerate(places):
        at = begun_at(number) + place * _PAUSE
        is_staff = place == (0 if waits(number) else 1 + number % 2)
        who = ("u-1", "Lan") if is_staff else (customer_id(number), f"Nguyễn An {number}")
        yield f"m_{key:08x}", conversation_id(number), at, *who, False, is_staff, False, False, False, at


_WAIT = (
    "conversation_id", "page_id", "waiting_since", "human_waiting_since", "answered_at", "human_answered_at", "level",
    "warned", "due_at",
)  # fmt: skip


def _waits(count: int) -> Iterator[_Row]:
    for number in filter(waits, range(count)):
        answered = begun_at(number)
        since = answered + _PAUSE
        yield (
            conversation_id(number), page_id(number), since, since, answered, answered, 0, False, since + TARGET
        )  # fmt: skip
