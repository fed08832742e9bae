"""Bringing an export into the store: all of it in one transaction, or nothing.

SQLite lets one writer work at a time, and a long import must not keep the daemon from its ledger. So the file is
read, its messages staged and its threads judged before the transaction begins, which then merges whole sets.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

from sqlalchemy import Connection

from roundsman.clock import Clock, iso
from roundsman.conversations.export import Export, read_export
from roundsman.conversations.export_file import opened
from roundsman.conversations.file_threads import FileThreads
from roundsman.conversations.folkform import Collection
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.source import StoredReader
from roundsman.conversations.waiting import FUTURE_TOLERANCE
from roundsman.repositories.closures import ClosureRepository
from roundsman.repositories.conversations import Conversation, ConversationRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.message_stage import MessageStage
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.set_aside import SetAside, SetAsideRepository
from roundsman.repositories.versions import Changes


@dataclass
class Counts:
    """What became of the documents of one collection; their sum is what the file held."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    set_aside: int = 0


@dataclass
class ImportSummary:
    """What an import did."""

    file: str
    collections: dict[str, Counts] = field(default_factory=lambda: {each.value: Counts() for each in Collection})
    conversations_made: int = 0
    """Conversations that only their messages told of."""
    set_aside: list[SetAside] = field(default_factory=list)
    """Broken documents."""
    future: list[str] = field(default_factory=list)
    """One sentence for each message that does not count before its time has come."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Documents of other collections."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A file that was read and is to be written."""

    name: str
    export: Export
    threads: FileThreads
    stage: MessageStage


class Importer:
    """Imports FolkForm exports."""

    def __init__(self, store: Store, clock: Clock, keeper: WatchKeeper) -> None:
        self._store = store
        self._clock = clock
        self._keeper = keeper
        self._conversations = ConversationRepository()
        self._set_aside = SetAsideRepository()

    def import_file(self, file: str) -> ImportSummary:
        """Import a file, or standard input for `-`. Raises BadInputError, StoreError; then nothing was stored."""
        with opened(file) as (stream, name):
            return self.import_stream(stream, name)

    def import_stream(self, stream: TextIO, name: str) -> ImportSummary:
        """Import an open text stream; `name` is what errors call it."""
        export = read_export(stream, name)
        now = self._clock.now()
        threads = FileThreads(export, now)
        stage = MessageStage()
        with self._store.write(prepare=lambda each: stage.fill(each, export.messages.values())) as connection:
            return self._write(connection, _Reading(name, export, threads, stage), now)

    def _write(self, connection: Connection, reading: _Reading, now: datetime) -> ImportSummary:
        repository, export, stage = self._conversations, reading.export, reading.stage
        repository.lock(connection, export.conversations.keys() | export.unplaced())
        pages = repository.put_pages(connection, list(export.pages.values()))
        conversations = repository.put_conversations(connection, list(export.conversations.values()))
        made = self._place_messages(connection, export, stage)
        touched = stage.threads(connection)
        messages = stage.merge(connection)
        reader = StoredReader(connection, repository)
        pages_of = repository.page_of(connection, touched.keys())
        states = reading.threads.states(touched, pages_of)
        for conversation_id in ClosureRepository().find(connection, states.keys()):
            del states[conversation_id]  # the file does not know that somebody has dealt with it
        self._keeper.put(connection, reader.watched(states.keys()), states, now)
        self._keeper.refresh(connection, reader, (touched.keys() | conversations.written) - states.keys(), now)
        # A page that Pancake fed once and is not asked about any more has a new source: this file
        named = {*pages_of.values(), *(each.page_id for each in export.conversations.values())}
        back = PageSyncRepository().forget_taken_out(connection, named)
        self._keeper.look_at_pages(connection, pages.written | back, now)
        self._keep_set_aside(connection, export, now)
        summary = ImportSummary(
            reading.name, conversations_made=made, set_aside=export.set_aside, ignored=dict(export.ignored)
        )
        for collection, changes in zip(Collection, (pages, conversations, messages), strict=True):
            summary.collections[collection.value] = _counts(collection, changes, export)
        summary.future = _future_sentences(export, now)
        return summary

    def _place_messages(self, connection: Connection, export: Export, stage: MessageStage) -> int:
        """Make the conversations that only messages tell of; set aside messages whose page nobody knows."""
        unplaced = export.unplaced()
        unplaced -= self._conversations.known(connection, unplaced)
        if not unplaced:
            return 0
        page_ids = self._conversations.page_ids(connection) | export.pages.keys()
        made: list[Conversation] = []
        homeless: set[str] = set()
        for conversation_id in unplaced:
            conversation = export.conversation_of_mentions(conversation_id, page_ids)
            if conversation is None:
                homeless.add(conversation_id)
            else:
                made.append(conversation)
        self._conversations.add_missing(connection, made)
        stage.turn_away(connection, export.turn_away(homeless))
        return len(made)

    def _keep_set_aside(self, connection: Connection, export: Export, now: datetime) -> None:
        good = {
            Collection.PAGES.value: export.pages.keys(),
            Collection.CONVERSATIONS.value: export.conversations.keys(),
            Collection.MESSAGES.value: export.messages.keys(),
        }
        broken = [each for each in export.set_aside if each.document_id not in good.get(each.collection, ())]
        self._set_aside.put(connection, broken, now)
        for collection, document_ids in good.items():
            self._set_aside.forget(connection, collection, document_ids)


def _counts(collection: Collection, changes: Changes, export: Export) -> Counts:
    set_aside = sum(each.collection == collection.value for each in export.set_aside)
    return Counts(changes.new, changes.changed, changes.unchanged + export.copies[collection], set_aside)


def _future_sentences(export: Export, now: datetime) -> list[str]:
    horizon = now + FUTURE_TOLERANCE
    ahead = sorted(
        (each for each in export.messages.values() if each.sent_at > horizon),
        key=lambda each: (each.sent_at, each.message_id),
    )
    return [
        f"{Collection.MESSAGES} {each.message_id}: messageData.inserted_at is {iso(each.sent_at)}, in the future; "
        f"the message is stored and does not count before {iso(each.sent_at - FUTURE_TOLERANCE)}."
        for each in ahead
    ]
