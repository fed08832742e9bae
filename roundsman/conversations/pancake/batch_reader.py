"""A few listed conversations with their messages, and what to do about those that cannot be read.

One conversation that Pancake cannot tell of must not hold up its page, nor be forgotten: it is noted for later, and the
others go on. Several at once mean that the page is in trouble, and that is the page's failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from roundsman.clock import Clock
from roundsman.conversations.document import BrokenFieldError, id_or_none
from roundsman.conversations.intake import Batch
from roundsman.conversations.pancake.client import Object, PancakeClient
from roundsman.conversations.pancake.errand import Errand
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.conversations.pancake.objects import read_conversation
from roundsman.conversations.pancake.threads import Reach, Thread, read_thread
from roundsman.conversations.pancake.token import PageAccess
from roundsman.repositories.conversations import Conversation, ConversationRepository, MessageRecord
from roundsman.repositories.engine import Store
from roundsman.repositories.resyncs import Resync
from roundsman.repositories.set_aside import SetAside

CONVERSATIONS = "pancake_conversations"
"""Stands for a collection where broken conversations are listed."""
MOST_SKIPPED = 3
"""Conversations of a page that may be left for later in one go."""
_KNOWN_IDS = 500


@dataclass
class Reading:
    """A batch before it is stored."""

    conversations: list[Conversation] = field(default_factory=list)
    begun: dict[str, datetime] = field(default_factory=dict)
    """When the messages of each conversation were first asked for; of those that were read."""
    messages: dict[str, MessageRecord] = field(default_factory=dict)
    set_aside: list[SetAside] = field(default_factory=list)
    later: list[Resync] = field(default_factory=list)
    """Conversations whose messages could not be read."""

    def batch(self) -> Batch:
        """What the store takes."""
        return Batch(conversations=self.conversations, messages=list(self.messages.values()))


@dataclass
class PageErrand:
    """An errand to one page."""

    page: PageAccess
    errand: Errand
    skipped: int = 0
    """Conversations that were left for later."""

    def skip(self, conversation_id: str, error: PancakeError, now: datetime) -> Resync:
        """Leave a conversation for later. Raises the error when the trouble is not that conversation's."""
        is_its_own = error.refused and error.fault in (Fault.BROKEN, Fault.TEMPORARY)
        if not is_its_own or self.skipped >= MOST_SKIPPED:
            raise error
        self.skipped += 1
        return Resync(conversation_id, self.page.page_id, now, f"Its messages could not be read. {error.reason}")


class BatchReader:
    """Reads batches."""

    def __init__(self, client: PancakeClient, store: Store, clock: Clock) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._conversations = ConversationRepository()

    def read(self, listed: Sequence[Object], task: PageErrand, since: datetime) -> Reading:
        """These conversations; what was sent before `since` is known. Raises PancakeError, StoppedError, StoreError."""
        reading = Reading()
        for each in listed:
            conversation = _conversation(each, task.page.page_id, reading)
            if conversation is not None:
                reading.conversations.append(conversation)
                self.read_messages(conversation, task, since, reading)
        return reading

    def read_messages(
        self, conversation: Conversation, task: PageErrand, since: datetime | None, reading: Reading
    ) -> None:
        """The messages of one conversation, into the reading. Without `since` only what is stored is known."""
        begun = self._clock.now()
        try:
            thread = self._thread(conversation, task, since)
        except PancakeError as error:
            if error.fault is not Fault.GONE:  # else it was deleted meanwhile, and the page will tell if it was
                reading.later.append(task.skip(conversation.conversation_id, error, begun))
                return
            thread = Thread()
        reading.begun[conversation.conversation_id] = begun
        reading.messages.update(thread.messages)
        reading.set_aside += thread.set_aside

    def _thread(self, conversation: Conversation, task: PageErrand, since: datetime | None) -> Thread:
        name = conversation.conversation_id
        with self._store.read() as connection:
            known = self._conversations.newest_message_ids(connection, name, _KNOWN_IDS)
        reach = Reach(since, frozenset(known))
        return read_thread(self._client, task.page, name, conversation.customer_id, task.errand, reach)


def _conversation(listed: Object, page_id: str, reading: Reading) -> Conversation | None:
    customers = listed.get("customers")
    first = customers[0] if isinstance(customers, list) and customers and isinstance(customers[0], dict) else {}
    try:
        return read_conversation(listed, page_id=page_id, customer_id=id_or_none(first, "id"))
    except BrokenFieldError as error:
        name = id_or_none(listed, "id") or page_id
        sentence = f"{CONVERSATIONS} {name}: {error.field} {error.reason}; the conversation was set aside."
        reading.set_aside.append(SetAside(CONVERSATIONS, name, error.field, sentence))
        return None
