"""The MongoDB as the source of conversations: reads always go there, so there is nothing to read once more."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.conversations.source import ConversationReader, Reread
from roundsman.errors import SourceError
from roundsman.repositories.conversations import WatchedConversation
from roundsman.scheduling.job import StopToken

log = logging.getLogger(__name__)


class MongoSource:
    """A ConversationSource."""

    name = "mongo"

    def __init__(self, database: MongoDatabase, *, asks_for_priority: bool = False) -> None:
        """`asks_for_priority`: set `needsPrioritySync` of whatever people are to be told of."""
        self._database = database
        self._asks_for_priority = asks_for_priority
        self._was_refused = False

    def reader(self, connection: Connection) -> ConversationReader:
        return self._database.reader(connection)

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        """The next reader reads them anyway. That FolkForm cannot be asked to hurry keeps nobody from being told."""
        if self._asks_for_priority and conversations:
            try:
                self._database.ask_for_priority([each.conversation.conversation_id for each in conversations])
            except SourceError as error:
                if not self._was_refused:
                    log.warning("needsPrioritySync could not be set: %s", error)
                self._was_refused = True
            else:
                self._was_refused = False
        return Reread()
