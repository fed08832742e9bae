"""What came of an answer, for whoever gave it: facts, of which each language makes one sentence."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from roundsman.alerts.action import Action
from roundsman.repositories.alert_answers import Answered


class Refused(Enum):
    """Why nothing was even tried."""

    STRANGER = auto()
    """Not one of those who may answer."""
    NOT_OURS = auto()
    """A button that we did not make, or whose message is no longer kept."""
    NO_SHIFT = auto()
    """Until the next shift, and there is none."""


@dataclass(frozen=True)
class Reply:
    """What became of one answer. Times are aware UTC."""

    outcome: Answered | Refused
    action: Action = Action.ACKNOWLEDGE
    by: str = ""
    until: datetime | None = None
    """Of a snooze."""
    holder: str | None = None
    """Who has it, if that is why nothing changed."""
    count: int = 1
    """How many alerts it has changed."""
    place: str = ""
    """Of a stranger: service and id, for whoever may let them in."""

    @property
    def has_changed_something(self) -> bool:
        return self.outcome is Answered.TAKEN
