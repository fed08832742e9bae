"""A file of webhook calls brought into the store: what is new in them, and nothing that is old.

Polling stays the truth. A call never says how far our knowledge of a page reaches, and of what is stored already it
changes only what it tells newer; a message that was removed stays so, as nobody brings one back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.conversations.document import BrokenFieldError
from roundsman.conversations.export_file import opened
from roundsman.conversations.feed import JsonFeed
from roundsman.conversations.intake import Batch, Intake
from roundsman.conversations.pancake.objects import PlacedMessage
from roundsman.conversations.pancake.webhook import Call, Passed, ToldConversation, is_call, read_call
from roundsman.errors import BadInputError
from roundsman.repositories.conversations import Conversation, ConversationRepository, MessageRecord
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.versions import Changes
from roundsman.repositories.watch_list import WatchListRepository


@dataclass
class WebhookSummary:
    """What came of a file."""

    file: str
    calls: int = 0
    conversations_new: int = 0
    conversations_changed: int = 0
    messages_new: int = 0
    messages_changed: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    """Calls of other kinds, by event."""
    set_aside: list[str] = field(default_factory=list)
    """One sentence for each call that cannot be read."""
    homeless: int = 0
    """Messages of conversations of which nobody tells the page."""


@dataclass
class _Calls:
    """What a file holds: of each thing the newest that is told."""

    conversations: dict[str, ToldConversation] = field(default_factory=dict)
    messages: dict[str, PlacedMessage] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        told, placed = call.conversation, call.message
        if told is not None:
            rival = self.conversations.get(told.conversation.conversation_id)
            if rival is None or told.age >= rival.age:
                self.conversations[told.conversation.conversation_id] = told
        if placed is not None:
            other = self.messages.get(placed.record.message_id)
            if other is None or _is_away(placed.record) >= _is_away(other.record):
                self.messages[placed.record.message_id] = placed


class WebhookImporter:
    """Imports files of calls: JSON lines, an array, or one after the other."""

    def __init__(self, store: Store, intake: Intake, clock: Clock) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock
        self._repository = ConversationRepository()
        self._syncs = PageSyncRepository()

    def import_file(self, file: str) -> WebhookSummary:
        """Import a file, or standard input for `-`. Raises BadInputError, StoreError; then nothing was stored."""
        with opened(file) as (stream, name):
            return self.import_stream(stream, name)

    def import_stream(self, stream: TextIO, name: str) -> WebhookSummary:
        """Import an open text stream; `name` is what errors call it."""
        summary = WebhookSummary(name)
        calls = _read(stream, summary)
        batch = self._batch(calls)
        now = self._clock.now()
        taken = self._intake.take(batch, now, lambda connection: self._take_over(connection, batch, now))
        summary.conversations_new, summary.conversations_changed = _counts(taken.conversations)
        summary.messages_new, summary.messages_changed = _counts(taken.messages)
        summary.homeless = len(taken.homeless)
        return summary

    def _take_over(self, connection: Connection, batch: Batch, now: datetime) -> None:
        """Pages that Pancake is not asked about any more are fed by such files from now on."""
        named = self._repository.page_of(connection, {each.conversation_id for each in batch.messages})
        named |= {each.conversation_id: each.page_id for each in batch.conversations}
        back = self._syncs.forget_taken_out(connection, set(named.values()))
        WatchListRepository().look_at_pages(connection, back, now)

    def _batch(self, calls: _Calls) -> Batch:
        """What of it is news. A sync that stores newer things meanwhile loses nothing: those bear a newer version."""
        records = [each.record for each in calls.messages.values()]
        named = calls.conversations.keys() | {each.conversation_id for each in records}
        with self._store.read() as connection:
            stored = {
                name: each.conversation for name, each in self._repository.watched(connection, sorted(named)).items()
            }
            known = self._repository.find_messages(connection, [each.message_id for each in records])
        conversations = [_filled(each, stored) for each in calls.conversations.values()]
        conversations += _made(calls.messages.values(), calls.conversations.keys() | stored.keys())
        news = (_news(each, known.get(each.message_id)) for each in records)
        return Batch(conversations=conversations, messages=[each for each in news if each is not None])


def _read(stream: TextIO, summary: WebhookSummary) -> _Calls:
    calls = _Calls()
    ignored: Counter[str] = Counter()
    for place, item in enumerate(JsonFeed(stream, summary.file).items(), start=1):
        if not is_call(item.value):
            summary.set_aside.append(f"{summary.file}#{place}: it is no webhook call; it was set aside.")
            continue
        summary.calls += 1
        try:
            call = read_call(item.value)
        except BrokenFieldError as error:
            summary.set_aside.append(f"{summary.file}#{place}: {error.field} {error.reason}; the call was set aside.")
            continue
        if isinstance(call, Passed):
            ignored[call.event] += 1
        else:
            calls.add(call)
    if not summary.calls:
        raise BadInputError(
            f"{summary.file} holds no webhook call of Pancake: each has an event_type and data; nothing was stored."
        )
    summary.ignored = dict(sorted(ignored.items()))
    return calls


def _filled(told: ToldConversation, stored: Mapping[str, Conversation]) -> Conversation:
    """The conversation, with what is known where the call is silent."""
    known = stored.get(told.conversation.conversation_id)
    if known is None:
        return told.conversation
    return told.conversation._replace(**{name: getattr(known, name) for name in told.silent_on})


def _made(messages: Iterable[PlacedMessage], described: Iterable[str]) -> list[Conversation]:
    """Conversations of which only their messages tell."""
    known = set(described)
    made = {
        each.record.conversation_id: Conversation(each.record.conversation_id, each.page_id, each.type)
        for each in messages
        if each.record.conversation_id not in known and each.page_id is not None
    }
    return list(made.values())


def _news(told: MessageRecord, known: MessageRecord | None) -> MessageRecord | None:
    """What a told message is to the store: itself, the known one that is gone now, or nothing new."""
    if known is None:
        return told
    if _is_away(told) <= _is_away(known):
        return None
    return known._replace(is_removed=told.is_removed or known.is_removed, is_hidden=told.is_hidden or known.is_hidden)


def _is_away(message: MessageRecord) -> bool:
    return message.is_removed or message.is_hidden


def _counts(changes: Changes) -> tuple[int, int]:
    return changes.new, changes.changed
