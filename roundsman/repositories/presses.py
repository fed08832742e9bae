"""Presses of buttons that were seen to, so that a service which tells of one twice changes nothing twice.

The row is written in the transaction of what the press has changed, with the sentence that the person is told: after a
kill between the two, the service tells of the press again, and the person still hears what came of it.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from roundsman.repositories.engine import upserting
from roundsman.repositories.tables import presses

KEPT_FOR = timedelta(days=7)
"""Telegram keeps what nobody has asked for a day, Slack for minutes."""


class PressRepository:
    """Every method works in the caller's transaction."""

    def said(self, connection: Connection, source: str, press: str) -> str:
        """What the person was told of a press that was seen to."""
        query = select(presses.c.said).where(presses.c.source == source, presses.c.press == press)
        found: str = connection.execute(query).scalar_one()
        return found

    def take(self, connection: Connection, source: str, press: str, now: datetime) -> bool:
        """Begin to see to this one, and forget old ones. False: it was seen to. Of two at once the second one waits."""
        connection.execute(delete(presses).where(presses.c.at < now - KEPT_FOR))
        taken = upserting(connection)(presses).values(source=source, press=press, said="", at=now)
        return connection.execute(taken.on_conflict_do_nothing().returning(presses.c.press)).first() is not None

    def say(self, connection: Connection, source: str, press: str, said: str) -> None:
        """Remember what the person is told."""
        mine = update(presses).where(presses.c.source == source, presses.c.press == press)
        connection.execute(mine.values(said=said))
