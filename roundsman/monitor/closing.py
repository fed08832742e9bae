"""What it means that somebody has dealt with the alert about a customer: the wait is over, though nobody has answered.

Without that the monitor, which sees the customer still waiting, would tell the next level as if nothing had been. What
the customer writes later is a new wait.
"""

from datetime import datetime

from sqlalchemy import Connection

from roundsman.repositories.closures import ClosureRepository
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.source_lock import lock_source
from roundsman.repositories.watch_list import WatchListRepository


class ClosingOfWaits:
    """Closes the conversations of alerts. The subject of such an alert is the conversation's id."""

    def __init__(self) -> None:
        self._closures = ClosureRepository()
        self._conversations = ConversationRepository()
        self._rows = WatchListRepository()

    def lock(self, connection: Connection, subject: str) -> None:
        """Keep a look of the monitor from running at the same time. Before the alert is locked, as a look does it too.

        Whichever source there is: asking it which of the two locks it uses could mean a request.
        """
        self._conversations.lock(connection, [subject])
        lock_source(connection)

    def close(self, connection: Connection, subject: str, by: str, now: datetime) -> None:
        """The wait is dealt with; the monitor puts the rest in order at its next look."""
        self._closures.close(connection, subject, by, now)
        row = self._rows.find(connection, [subject]).get(subject)
        if row is not None:
            row = row._replace(waiting_since=None, human_waiting_since=None, answered_at=now, human_answered_at=now)
            self._rows.put(connection, [row._replace(due_at=now)])
