"""What jobs report to the book of alerts, and what it answers: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import EVERYBODY, Audience


@dataclass(frozen=True)
class Condition:
    """What a job reports to be wrong."""

    kind: str
    """What sort of trouble, such as `conversation_unreplied`; templates are chosen by it. Without a colon."""
    subject: str
    """What has it, such as a conversation's id."""
    severity: Severity
    since: datetime
    """When the condition began, aware."""
    labels: Mapping[str, str]
    """Names to find it by; they become journal fields."""
    annotations: Mapping[str, Any]
    """Facts that the templates read, fit for JSON. No telephone numbers: messages go to group chats."""
    level: int = 1
    """Up to whom it is told at once. 0 is a warning: it is not wrong yet, and may rise."""
    audience: Audience = EVERYBODY
    unanswered_after: timedelta | None = None
    """When no higher level follows: if nobody has taken it after this, the journal says so at priority crit."""

    @property
    def fingerprint(self) -> str:
        """At most one alert with the same fingerprint is open."""
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True)
class Escalation:
    """An open alert that rises: others are told of it, too, or the same ones louder."""

    fingerprint: str
    level: int
    """The new one."""
    audience: Audience = EVERYBODY
    """Of this level alone; who was told before is not told again."""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    """Facts that are new or have changed; with any of them, all that grow with time have to be given anew."""
    severity: Severity | None = None
    """None: as bad as it was."""
    unanswered_after: timedelta | None = None
    """As of a condition."""


class Fired(Enum):
    """What came of reporting a condition."""

    OPENED = auto()
    STILL_OPEN = auto()


class Escalated(Enum):
    """What came of raising an alert."""

    RAISED = auto()
    ALREADY_TOLD = auto()
    """It had reached this level before."""
    NOT_OPEN = auto()
    TAKEN = auto()
    """Somebody has acknowledged or snoozed it."""


class Resolved(Enum):
    """What came of reporting that a condition is over."""

    RESOLVED = auto()
    NOT_OPEN = auto()
