"""One export, read whole and set in order before anything is written.

The order of documents in a file means nothing: of several copies of a document the newest stays, and what a message
says about its conversation is kept until all conversations of the file are known.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TextIO, TypeVar

from roundsman.conversations.exclusions import COMMENT_TYPES
from roundsman.conversations.feed import JsonFeed
from roundsman.conversations.folkform import UNKNOWN, Collection, FolkFormReader, Ignored
from roundsman.conversations.folkform_records import INBOX, PlacedMessage, page_of_conversation_id
from roundsman.conversations.moment import EARLIEST
from roundsman.errors import BadInputError
from roundsman.repositories.conversations import Conversation, MessageRecord, Page
from roundsman.repositories.set_aside import SetAside


class _Versioned(Protocol):
    @property
    def source_updated_at(self) -> datetime | None: ...


Record = TypeVar("Record", bound=_Versioned)


@dataclass
class Export:
    """The readable documents by id, the broken ones, and what was passed over."""

    pages: dict[str, Page] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    messages: dict[str, MessageRecord] = field(default_factory=dict)
    copies: Counter[Collection] = field(default_factory=Counter)
    """How many documents were further copies of another one in the file."""
    set_aside: list[SetAside] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    """Documents of collections that we do not need."""
    _mentions: dict[str, set[tuple[str | None, str]]] = field(default_factory=dict)

    def add(self, reading: Page | Conversation | PlacedMessage | SetAside | Ignored) -> None:
        """Take in one document."""
        match reading:
            case PlacedMessage():
                record = reading.record
                self._keep_newest(Collection.MESSAGES, self.messages, record.message_id, record)
                self._mentions.setdefault(record.conversation_id, set()).add((reading.page_id, reading.type))
            case Conversation():
                self._keep_newest(Collection.CONVERSATIONS, self.conversations, reading.conversation_id, reading)
            case Page():
                self._keep_newest(Collection.PAGES, self.pages, reading.page_id, reading)
            case SetAside():
                self.set_aside.append(reading)
            case Ignored():
                self.ignored[reading.collection] += 1

    def _keep_newest(self, collection: Collection, kept: dict[str, Record], key: str, record: Record) -> None:
        rival = kept.get(key)
        if rival is None:
            kept[key] = record
            return
        self.copies[collection] += 1
        kept[key] = max(rival, record, key=_version)

    def unplaced(self) -> set[str]:
        """Conversations that messages belong to and no document of the file describes."""
        return self._mentions.keys() - self.conversations.keys()

    def conversation_of_mentions(self, conversation_id: str, page_ids: Iterable[str]) -> Conversation | None:
        """A conversation as its messages describe it, or None when they do not tell its page.

        `page_ids` are the known pages: they settle which part of the id is the page's.
        """
        mentions = self._mentions[conversation_id]
        told = sorted(page_id for page_id, _ in mentions if page_id)
        fitting = [each for each in page_ids if conversation_id.startswith(f"{each}_")]
        page_id = told[0] if told else max(fitting, key=len, default=page_of_conversation_id(conversation_id))
        if page_id is None:
            return None
        types = sorted({kind for _, kind in mentions})
        # If they differ, the one that is watched: an excluded conversation would be forgotten.
        kind = next((each for each in types if each not in COMMENT_TYPES), types[0] if types else INBOX)
        return Conversation(conversation_id, page_id, kind)

    def page_id_of(self, conversation_id: str) -> str | None:
        """The page of a conversation with messages, as far as the file alone tells it."""
        described = self.conversations.get(conversation_id)
        if described is not None:
            return described.page_id
        return min((page_id for page_id, _ in self._mentions[conversation_id] if page_id), default=None)

    def turn_away(self, conversation_ids: set[str]) -> list[str]:
        """Set aside the messages of conversations whose page nobody knows; returns their ids."""
        if not conversation_ids:
            return []
        homeless = [each for each in self.messages.values() if each.conversation_id in conversation_ids]
        for each in homeless:
            del self.messages[each.message_id]
            sentence = (
                f"{Collection.MESSAGES} {each.message_id}: messageData.page_id is missing, and no document describes "
                f"its conversation {each.conversation_id}; the document was set aside."
            )
            self.set_aside.append(SetAside(Collection.MESSAGES.value, each.message_id, "messageData.page_id", sentence))
        return [each.message_id for each in homeless]


def read_export(stream: TextIO, name: str) -> Export:
    """Read a whole export. Raises BadInputError: empty, not JSON, cut off, or not an export; nothing is stored then."""
    feed = JsonFeed(stream, name)
    reader = FolkFormReader(name)
    export = Export()
    unknown_only = True
    for item in feed.items():
        reading = reader.read(item)
        unknown_only = unknown_only and isinstance(reading, SetAside) and reading.collection == UNKNOWN
        export.add(reading)
    if feed.is_empty:
        raise BadInputError(f"{name} is empty; give a FolkForm export.")
    if unknown_only and (export.set_aside or not (feed.collections or feed.has_arrays)):
        raise BadInputError(
            f"{name} is not a FolkForm export: it holds no fb_pages, fb_conversations or fb_message_items; "
            "nothing was stored."
        )
    return export


def _version(record: _Versioned) -> tuple[datetime, str]:
    """The newest is the greatest. Of equally old copies any will do, if only always the same; for messages the
    removed or hidden one, since nobody brings a message back (`repr` puts True after False)."""
    return record.source_updated_at or EARLIEST, repr(record)
