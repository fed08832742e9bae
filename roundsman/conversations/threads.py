"""The threads of stored conversations, with the senders that follow from their pages."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection

from roundsman.conversations.sender import ChatMessage, chat_message
from roundsman.conversations.waiting import waiting_state
from roundsman.repositories.conversations import ConversationRepository, WaitingState, WatchedConversation
from roundsman.repositories.versions import chunks


def read_threads(
    repository: ConversationRepository, connection: Connection, watched: Mapping[str, WatchedConversation]
) -> dict[str, list[ChatMessage]]:
    """The messages of each conversation, oldest first."""
    threads = repository.threads(connection, watched.keys())
    return {
        each: [chat_message(message, watched[each].conversation.page_id) for message in thread]
        for each, thread in threads.items()
    }


def refresh_waiting(
    repository: ConversationRepository, connection: Connection, conversation_ids: Collection[str], at: datetime
) -> None:
    """Derive the waiting states of these conversations anew from their messages; the caller holds their locks."""
    for chunk in chunks(sorted(conversation_ids)):
        watched = repository.watched(connection, chunk)
        threads = read_threads(repository, connection, watched)
        states = {each: waiting_state(thread, at) for each, thread in threads.items()}
        repository.set_waiting(connection, changed_states(watched, states))


def changed_states(
    watched: Mapping[str, WatchedConversation], states: Mapping[str, WaitingState]
) -> dict[str, WaitingState]:
    """Those that differ from what is stored."""
    return {each: state for each, state in states.items() if state != watched[each].waiting}
