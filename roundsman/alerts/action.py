"""What people can do about an alert, wherever they are asked: by a button under a message, or by a command."""

from datetime import timedelta
from enum import StrEnum


class Action(StrEnum):
    """One of them; its value is short, as a button carries it."""

    ACKNOWLEDGE = "ack"
    CLAIM = "claim"
    """"I take it": also from whoever has it."""
    SNOOZE_SHORT = "30m"
    SNOOZE_LONG = "2h"
    SNOOZE_SHIFT = "shift"
    """Until the next shift of whoever says so."""
    SNOOZE = "snooze"
    """For a time of one's own choice; there is no button for it."""
    RESOLVE = "done"

    @property
    def lasts(self) -> timedelta | None:
        """For how long a button snoozes."""
        return {Action.SNOOZE_SHORT: timedelta(minutes=30), Action.SNOOZE_LONG: timedelta(hours=2)}.get(self)

    @property
    def is_snooze(self) -> bool:
        return self in (Action.SNOOZE, Action.SNOOZE_SHORT, Action.SNOOZE_LONG, Action.SNOOZE_SHIFT)
