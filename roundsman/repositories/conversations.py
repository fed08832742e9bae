"""Pages, conversations and messages, as far as the question "who waits for an answer?" needs them.

No message text is stored: nothing here reads it later, and what is not kept cannot leak. What follows from the
messages (the watch list) is written in the transaction that changes them.

Writers lock the conversations (PostgreSQL; SQLite has one writer at a time) before they read the threads. Otherwise
a round of the monitor, having read a thread just before an import committed, would write "nobody waits" over the
import's newer state, and the customer would be forgotten.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from roundsman.repositories.conversation_tables import conversations, messages, page_syncs, pages
from roundsman.repositories.versions import CHUNK, Changes, chunks, insert_missing, put_newer

# Pages, conversations and messages are tuples: a record is its row, and an import handles hundreds of thousands.


class Page(NamedTuple):
    """A page (shop) whose conversations are watched."""

    page_id: str
    name: str | None = None
    username: str | None = None
    is_synced: bool = True
    source_updated_at: datetime | None = None


class Person(NamedTuple):
    """Somebody on the page's side, as the source names them."""

    id: str
    name: str | None = None


class Handover(NamedTuple):
    """A change of whose conversation it is."""

    at: datetime
    added: tuple[Person, ...] = ()
    removed: tuple[Person, ...] = ()


class Conversation(NamedTuple):
    """One customer's conversation with a page."""

    conversation_id: str
    page_id: str
    type: str
    """INBOX, COMMENT, ... in upper case."""
    customer_name: str | None = None
    customer_id: str | None = None
    tags: tuple[str, ...] = ()
    assignees: tuple[Person, ...] = ()
    """Whose it is now."""
    handovers: tuple[Handover, ...] = ()
    """How that came to be, oldest first; sources keep the latest hundred only."""
    source_updated_at: datetime | None = None


class MessageRecord(NamedTuple):
    """A message as stored: when, where, and what it tells of its sender, but not its text."""

    message_id: str
    conversation_id: str
    sent_at: datetime
    sender_id: str | None
    sender_name: str | None
    is_system: bool
    is_staff: bool
    is_automated: bool
    is_removed: bool = False
    is_hidden: bool = False
    source_updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WatchedConversation:
    """A conversation with its page."""

    conversation: Conversation
    page: Page
    """Named by its id and taken as synced when no page document is known."""
    is_set_up: bool = True
    """False once its page was taken out of the settings of the source that fed it."""


class ConversationRepository:
    """Methods take the connection of the caller's transaction. Whatever takes many ids reads them in chunks."""

    def put_pages(self, connection: Connection, records: Sequence[Page]) -> Changes:
        """Insert or replace; an older copy never replaces a newer one. The same goes for conversations,
        and for messages (`MessageStage`)."""
        return put_newer(connection, pages, records)

    def put_conversations(self, connection: Connection, records: Sequence[Conversation]) -> Changes:
        return put_newer(connection, conversations, records)

    def add_missing(self, connection: Connection, records: Sequence[Conversation]) -> None:
        """Insert those that do not exist; what exists knows better."""
        insert_missing(connection, conversations, records)

    def lock(self, connection: Connection, conversation_ids: Collection[str]) -> None:
        """Hold these conversations until the transaction ends. In order of id, so that two writers cannot deadlock."""
        if connection.dialect.name == "sqlite":
            return  # whoever writes is alone
        for chunk in chunks(sorted(conversation_ids)):
            connection.execute(_LOCK, {"ids": chunk}).all()

    def known(self, connection: Connection, conversation_ids: Collection[str]) -> set[str]:
        """Those of the ids that are stored."""
        found: set[str] = set()
        for chunk in chunks(list(conversation_ids)):
            found.update(connection.execute(_KNOWN, {"ids": chunk}).scalars())
        return found

    def page_of(self, connection: Connection, conversation_ids: Collection[str]) -> dict[str, str]:
        """The pages of these conversations; unknown ones are left out."""
        found: dict[str, str] = {}
        for chunk in chunks(list(conversation_ids)):
            found.update(map(tuple, connection.execute(_PAGE_OF, {"ids": chunk})))
        return found

    def pages(self, connection: Connection) -> dict[str, Page]:
        """Every page with a document, by id."""
        query = select(*(pages.c[name] for name in Page._fields))
        return {row[0]: Page._make(row) for row in connection.execute(query)}

    def page_ids(self, connection: Connection) -> set[str]:
        """The pages with a document."""
        return set(connection.execute(select(pages.c.page_id)).scalars())

    def is_empty(self, connection: Connection) -> bool:
        """True when no conversation is stored."""
        return connection.execute(select(conversations.c.conversation_id).limit(1)).first() is None

    def watched(self, connection: Connection, conversation_ids: Collection[str]) -> dict[str, WatchedConversation]:
        """These conversations, by id; unknown ones are left out."""
        found = {}
        for chunk in chunks(list(conversation_ids)):
            for row in connection.execute(_WATCHED.where(_AMONG), {"ids": chunk}).all():
                found[row[0]] = _watched(row)
        return found

    def all(self, connection: Connection) -> Iterator[list[WatchedConversation]]:
        """Every conversation by id, in bounded lists."""
        last = ""
        while True:
            query = _WATCHED.where(conversations.c.conversation_id > last)
            rows = connection.execute(query.order_by(conversations.c.conversation_id).limit(CHUNK)).all()
            if not rows:
                return
            yield [_watched(row) for row in rows]
            last = rows[-1][0]

    def find_messages(self, connection: Connection, message_ids: Collection[str]) -> dict[str, MessageRecord]:
        """These messages, by id; unknown ones are left out."""
        found: dict[str, MessageRecord] = {}
        for chunk in chunks(sorted(message_ids)):
            query = select(*(messages.c[name] for name in MessageRecord._fields))
            for row in connection.execute(query.where(messages.c.message_id.in_(chunk))):
                found[row[0]] = MessageRecord._make(row)
        return found

    def newest_message_ids(self, connection: Connection, conversation_id: str, limit: int) -> set[str]:
        """The ids of a conversation's latest messages; empty when none is stored."""
        query = select(messages.c.message_id).where(messages.c.conversation_id == conversation_id)
        return set(connection.execute(query.order_by(messages.c.sent_at.desc()).limit(limit)).scalars())

    def threads(self, connection: Connection, conversation_ids: Collection[str]) -> dict[str, list[MessageRecord]]:
        """The messages of these conversations, oldest first; one without messages has an empty list."""
        found: dict[str, list[MessageRecord]] = {each: [] for each in conversation_ids}
        for chunk in chunks(list(found)):
            for row in connection.execute(_THREADS, {"ids": chunk}).all():
                found[row[1]].append(MessageRecord._make(row))
        return found


_AMONG = conversations.c.conversation_id.in_(bindparam("ids", expanding=True))
_KNOWN = select(conversations.c.conversation_id).where(_AMONG)
# The order of code points, which is Python's: with a language's own order the chunks would not be in order.
_LOCK = _KNOWN.order_by(conversations.c.conversation_id.collate("C")).with_for_update()
_PAGE_OF = select(conversations.c.conversation_id, conversations.c.page_id).where(_AMONG)
_WATCHED = (
    select(
        *(conversations.c[name] for name in Conversation._fields),
        page_syncs.c.taken_out_at,
        *(pages.c[name] for name in Page._fields),
    )
    .outerjoin(page_syncs, page_syncs.c.page_id == conversations.c.page_id)
    .outerjoin(pages, pages.c.page_id == conversations.c.page_id)
)
_THREADS = (
    select(*(messages.c[name] for name in MessageRecord._fields))
    .where(messages.c.conversation_id.in_(bindparam("ids", expanding=True)))
    .order_by(messages.c.sent_at)
)


def _watched(row: Sequence[Any]) -> WatchedConversation:
    (
        conversation_id,
        page_id,
        kind,
        customer_name,
        customer_id,
        tags,
        assignees,
        handovers,
        updated_at,
        taken_out_at,
        *page,
    ) = row
    return WatchedConversation(
        Conversation(
            conversation_id,
            page_id,
            kind,
            customer_name,
            customer_id,
            tuple(tags),
            _people(assignees),
            tuple(Handover(datetime.fromisoformat(at), _people(a), _people(r)) for at, a, r in handovers or ()),
            updated_at,
        ),
        Page(*page) if page[0] is not None else Page(page_id),
        is_set_up=taken_out_at is None,
    )


def _people(listed: Sequence[Sequence[Any]] | None) -> tuple[Person, ...]:
    return tuple(Person(*each) for each in listed or ())
