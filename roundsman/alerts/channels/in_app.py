"""The inbox: messages as rows of the store, for `roundsman alerts inbox` and whoever shows them to people.

It is the one channel that needs no service. Its row is written in a transaction of its own, after the claim and before
the record of the delivery, as with every other channel: a kill between the two costs one repeat.
"""

from datetime import datetime

from roundsman.alerts.channels.base import DeliveryError, Fault, Receipt, digest
from roundsman.alerts.channels.plain import plain_text
from roundsman.alerts.message import Message
from roundsman.alerts.rate import Rate
from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.repositories.engine import Store
from roundsman.repositories.inbox import InboxContent, InboxRepository

LONGEST_TEXT = 16_000


class InAppChannel:
    """Writes into the inbox."""

    can_edit = True
    identity = digest("in_app")
    rates: tuple[Rate, ...] = ()

    def __init__(self, name: str, clock: Clock, store: Store) -> None:
        self.name = name
        self._clock = clock
        self._store = store
        self._inbox = InboxRepository()

    def __repr__(self) -> str:
        return f"InAppChannel({self.name!r})"

    def send(self, message: Message) -> Receipt:
        now = self._clock.now()
        try:
            with self._store.write() as connection:
                number = self._inbox.add(connection, _content(message), now)
        except StoreError as error:
            raise DeliveryError(Fault.TEMPORARY, f"The inbox could not be written: {error}") from None
        return Receipt(f"message {number} of the inbox", {"id": str(number), "at": now.isoformat()})

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        """Change the row; it stays read if it was, as an end asks nobody to do anything."""
        try:
            number, created_at = int(receipt.keys["id"]), datetime.fromisoformat(receipt.keys["at"])
        except (KeyError, ValueError):
            return self.send(message)
        now = self._clock.now()
        try:
            with self._store.write() as connection:
                changed = self._inbox.change(connection, number, created_at, _content(message), now)
        except StoreError as error:
            raise DeliveryError(Fault.TEMPORARY, f"The inbox could not be written: {error}") from None
        return receipt if changed else self.send(message)


def _content(message: Message) -> InboxContent:
    return InboxContent(
        event=message.event,
        severity=message.severity,
        title=message.title,
        text=plain_text(message, LONGEST_TEXT),
        link=message.link,
        fields=dict(message.fields),
    )
