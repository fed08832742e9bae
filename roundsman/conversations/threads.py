"""The threads of conversations with the senders that follow from their pages, and the states that follow from them.

That somebody has declared a wait dealt with stands in the thread as well, as a person's word at that moment.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from roundsman.conversations.sender import ChatMessage, Sender, chat_message
from roundsman.conversations.source import ConversationReader
from roundsman.conversations.waiting import waiting_state
from roundsman.repositories.closures import ClosureRepository
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.watch_list import WaitingState


def read_threads(
    connection: Connection, reader: ConversationReader, watched: Mapping[str, WatchedConversation]
) -> dict[str, list[ChatMessage]]:
    """The messages of each conversation, oldest first. The connection is that of the store."""
    found = {
        each: [chat_message(message, watched[each].conversation.page_id) for message in thread]
        for each, thread in reader.threads(watched.keys()).items()
    }
    for each, closure in ClosureRepository().find(connection, found.keys()).items():
        found[each].append(ChatMessage(closure.closed_at, Sender.HUMAN, closure.closed_by, is_closure=True))
        found[each].sort(key=lambda message: message.sent_at)
    return found


def read_states(
    connection: Connection, reader: ConversationReader, watched: Mapping[str, WatchedConversation], at: datetime
) -> dict[str, WaitingState]:
    """What follows from these messages at a moment."""
    return {each: waiting_state(thread, at) for each, thread in read_threads(connection, reader, watched).items()}
