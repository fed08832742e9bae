"""FolkForm documents and messages for tests, with only what a test cares about."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from roundsman.clock import ManualClock
from roundsman.conversations.importer import Importer, ImportSummary
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.roster import Roster, RosterEntry
from roundsman.conversations.source import StoreSource
from roundsman.repositories.engine import Store
from roundsman.repositories.watch_list import AnsweringClock, WatchListRepository, WatchRow

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
"""What the `clock` fixture says."""

PAGE = "100"
Document = dict[str, Any]


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def page(page_id: str = PAGE, **fields: Any) -> Document:
    return {"pageId": page_id, "pageName": f"Shop {page_id}", "pageUsername": f"shop{page_id}", **fields}


def conversation(
    name: str = "1", page_id: str = PAGE, tags: Any = None, kind: Any = "INBOX", **fields: Any
) -> Document:
    conversation_id = f"{page_id}_{name}"
    return {
        "pageId": page_id,
        "conversationId": conversation_id,
        "panCakeData": {
            "id": conversation_id,
            "type": kind,
            "tags": tags,
            "from": {"id": name, "name": f"Customer {name}"},
        },
        **fields,
    }


def customer(name: str = "1") -> Document:
    return {"id": name, "name": f"Customer {name}"}


def staff(page_id: str = PAGE) -> Document:
    return {"id": page_id, "uid": "u1", "admin_id": "7", "admin_name": "Lan"}


def bot(page_id: str = PAGE) -> Document:
    return {"id": page_id, "is_automated": True}


def message(
    message_id: str,
    sent_at: Any,
    author: Any = None,
    *,
    name: str = "1",
    page_id: str = PAGE,
    updated_at: Any = None,
    **data: Any,
) -> Document:
    inserted_at = naive(sent_at) if isinstance(sent_at, datetime) else sent_at
    return {
        "conversationId": f"{page_id}_{name}",
        "messageId": message_id,
        "updatedAt": updated_at,
        "messageData": {
            "id": message_id,
            "page_id": page_id,
            "inserted_at": inserted_at,
            "from": customer(name) if author is None else author,
            **data,
        },
    }


def export(*, pages: Any = (), conversations: Any = (), messages: Any = ()) -> Document:
    return {
        "fb_pages": list(pages),
        "fb_conversations": list(conversations),
        "fb_message_items": list(messages),
    }


def policies(
    clock: AnsweringClock = AnsweringClock.HUMAN,
    threshold: timedelta = timedelta(minutes=15),
    *,
    comments: bool = False,
    **facts: Any,
) -> PolicyBook:
    """One policy for all, as the settings without a file give it, or with more facts."""
    return PolicyBook(Policy("settings", threshold, threshold, clock=clock, comments=comments, **facts))


class Desk:
    """A store with an importer, as the command line would use it."""

    def __init__(self, store: Store, clock: ManualClock, folder: Path) -> None:
        self.store = store
        self.clock = clock
        self.book = policies()
        self._folder = folder

    @property
    def keeper(self) -> WatchKeeper:
        return WatchKeeper(self.book)

    def take(self, content: Any) -> ImportSummary:
        """Import an export given as a document, or as the text of a file."""
        file = self._folder / "export.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return Importer(self.store, self.clock, self.keeper).import_file(str(file))

    def roster(self, book: PolicyBook | None = None, at: datetime | None = None) -> dict[str, RosterEntry]:
        with self.store.read() as connection:
            entries = Roster(book or self.book, StoreSource()).all(connection, at or self.clock.now())
        return {entry.verdict.conversation_id: entry for entry in entries}

    def verdicts(self, book: PolicyBook | None = None, at: datetime | None = None) -> dict[str, str]:
        return {name: entry.verdict.verdict.value for name, entry in self.roster(book, at).items()}

    def rows(self) -> dict[str, WatchRow]:
        """The watch list."""
        with self.store.read() as connection:
            return {row.conversation_id: row for rows in WatchListRepository().all(connection) for row in rows}
