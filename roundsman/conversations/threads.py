"""The threads of conversations with the senders that follow from their pages, and the states that follow from them."""

from collections.abc import Mapping
from datetime import datetime

from roundsman.conversations.sender import ChatMessage, chat_message
from roundsman.conversations.source import ConversationReader
from roundsman.conversations.waiting import waiting_state
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.watch_list import WaitingState


def read_threads(
    reader: ConversationReader, watched: Mapping[str, WatchedConversation]
) -> dict[str, list[ChatMessage]]:
    """The messages of each conversation, oldest first."""
    return {
        each: [chat_message(message, watched[each].conversation.page_id) for message in thread]
        for each, thread in reader.threads(watched.keys()).items()
    }


def read_states(
    reader: ConversationReader, watched: Mapping[str, WatchedConversation], at: datetime
) -> dict[str, WaitingState]:
    """What follows from these messages at a moment."""
    return {each: waiting_state(thread, at) for each, thread in read_threads(reader, watched).items()}
