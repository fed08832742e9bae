"""The messages of one conversation out of Pancake's answers, from the newest back to what we have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from roundsman.conversations.document import BrokenFieldError, id_or_none
from roundsman.conversations.pancake.client import MESSAGES_AT_ONCE, Object, PancakeClient
from roundsman.conversations.pancake.errand import Errand
from roundsman.conversations.pancake.objects import read_message
from roundsman.conversations.pancake.token import PageAccess
from roundsman.repositories.conversations import MessageRecord
from roundsman.repositories.set_aside import SetAside

MESSAGES = "pancake_messages"
"""Stands for a collection where broken messages are listed."""
MOST_ANSWERS = 40
"""Of one conversation at a time: 1,200 messages."""


@dataclass
class Thread:
    """What was read of a conversation."""

    messages: dict[str, MessageRecord] = field(default_factory=dict)
    set_aside: list[SetAside] = field(default_factory=list)

    def add(self, answer: Sequence[Object], page_id: str, conversation_id: str) -> bool:
        """Take in an answer; true if anything of it is new. What the newest answer says of a message stays."""
        before = len(self.messages) + len(self.set_aside)
        for each in answer:
            message_id = id_or_none(each, "id")
            if message_id in self.messages:
                continue
            try:
                record = read_message(each, conversation_id=conversation_id, page_id=page_id).record
            except BrokenFieldError as error:
                name = message_id or f"{conversation_id}#{len(self.set_aside) + 1}"
                if all(broken.document_id != name for broken in self.set_aside):
                    sentence = f"{MESSAGES} {name}: {error.field} {error.reason}; the message was set aside."
                    self.set_aside.append(SetAside(MESSAGES, name, error.field, sentence))
                continue
            self.messages[record.message_id] = record
        return len(self.messages) + len(self.set_aside) > before

    @property
    def reaches_back_to(self) -> datetime | None:
        """The time of the oldest message."""
        return min((each.sent_at for each in self.messages.values()), default=None)


@dataclass(frozen=True)
class Reach:
    """How far back to read."""

    known_from: datetime | None = None
    """What was sent before this is known, but for what came late. None: only `known` counts."""
    known: frozenset[str] = frozenset()
    """Ids of messages that are stored; empty if none is."""

    def is_reached(self, thread: Thread) -> bool:
        """Whether older messages are known. One that came late, under an old time, is not told apart by its time
        alone, so what is stored must also have come up if anything is."""
        oldest = thread.reaches_back_to
        in_time = self.known_from is None or (oldest is not None and oldest < self.known_from)
        return in_time and (not self.known or not self.known.isdisjoint(thread.messages))


def read_thread(
    client: PancakeClient,
    page: PageAccess,
    conversation_id: str,
    customer_id: str | None,
    errand: Errand,
    reach: Reach,
    *,
    most: int = MOST_ANSWERS,
) -> Thread:
    """Read until what is known comes up, or the conversation begins. Raises PancakeError, StoppedError."""
    thread = Thread()
    beyond = 0
    for _ in range(most):
        answer = client.messages(page, conversation_id, customer_id, errand, beyond=beyond)
        is_new = thread.add(answer, page.page_id, conversation_id)
        if not is_new or len(answer) < MESSAGES_AT_ONCE or reach.is_reached(thread):
            break
        beyond += len(answer)
    return thread
