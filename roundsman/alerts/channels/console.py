"""The console: alerts as lines of the daemon's own log, in a terminal or in the journal.

It is the channel of a first start and the witness of every other one. In the journal each line carries JOB=,
ALERT= and the alert's labels as fields, so `journalctl ALERT=...` finds the history of one alert.
"""

import logging

from roundsman.alerts.channels.base import Receipt, digest
from roundsman.alerts.message import Message
from roundsman.alerts.rate import Rate
from roundsman.logs import fields
from roundsman.repositories.notifications import NotificationEvent

log = logging.getLogger(__name__)

_WORDS = {NotificationEvent.WARNING: "WARNING", NotificationEvent.FIRING: "ALERT"}


class ConsoleChannel:
    """Writes one line per message. Never fails."""

    name = "console"
    identity = digest("console")
    rates: tuple[Rate, ...] = ()
    can_edit = False

    def send(self, message: Message) -> Receipt:
        text = f"{message.plain} ({message.names})" if message.names else message.plain
        if message.event is NotificationEvent.RESOLVED:
            log.info("RESOLVED %s", text, extra=fields(**message.fields))
        else:
            log.warning("%s %s", _WORDS[message.event], text, extra=fields(**message.fields))
        return Receipt("a line in the log")

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        """A line that is written stays; the news is a new line."""
        return self.send(message)
