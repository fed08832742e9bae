"""The threads of one export, judged before the write lock is taken.

A conversation of which the store holds no message yet has exactly the thread that the file tells, so its waiting
state can be known beforehand; under the lock only the others are read and judged anew (`WatchKeeper.refresh`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from roundsman.conversations.export import Export
from roundsman.conversations.sender import chat_message
from roundsman.conversations.waiting import waiting_state
from roundsman.repositories.conversations import MessageRecord
from roundsman.repositories.message_stage import StagedThread
from roundsman.repositories.watch_list import WaitingState


@dataclass(frozen=True, slots=True)
class _Judged:
    page_id: str
    count: int
    state: WaitingState


class FileThreads:
    """What follows from a file alone, as of one moment."""

    def __init__(self, export: Export, at: datetime) -> None:
        threads: dict[str, list[MessageRecord]] = {}
        for record in export.messages.values():
            threads.setdefault(record.conversation_id, []).append(record)
        self._judged: dict[str, _Judged] = {}
        for conversation_id, thread in threads.items():
            page_id = export.page_id_of(conversation_id)
            if page_id is not None:
                state = waiting_state([chat_message(each, page_id) for each in thread], at)
                self._judged[conversation_id] = _Judged(page_id, len(thread), state)

    def states(self, touched: Mapping[str, StagedThread], pages: Mapping[str, str]) -> dict[str, WaitingState]:
        """The states of those touched conversations whose thread is the file's, and whose page (`pages`, as stored)
        is the one that the file tells."""
        found = {}
        for conversation_id, staged in touched.items():
            judged = self._judged.get(conversation_id)
            if judged is None or staged.has_stored or staged.count != judged.count:
                continue
            if pages.get(conversation_id) == judged.page_id:
                found[conversation_id] = judged.state
        return found
