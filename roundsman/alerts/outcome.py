"""What came of one delivery: plain data, from the attempt to its record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from roundsman.alerts.channels.base import DeliveryError, NotTriedError, Receipt
from roundsman.alerts.patience import SPAN
from roundsman.repositories.alerts import Alert, Severity
from roundsman.repositories.handover import Onward
from roundsman.repositories.notification_claims import Claim


class Delivered(Enum):
    """What came of one look at a channel's queue."""

    NOTHING = auto()
    """Nothing was due."""
    NOT_YET = auto()
    """The channel rests, for spacing or after a failure."""
    SENT = auto()
    RETRY_LATER = auto()
    PASSED_ON = auto()
    """The tries are used up, and another channel takes over."""
    GIVEN_UP = auto()
    """The service refuses this message for good."""
    CHANNEL_OFF = auto()
    """The service refuses us; the channel is switched off."""


class Delivery(NamedTuple):
    """What a delivery means for what the channel may do next."""

    delivered: Delivered
    asked: timedelta | None = None
    """How long the service asked to be left alone, if it did."""
    extra: int = 0
    """What it cost of the channel's rates beyond one message."""


@dataclass(frozen=True)
class Outcome:
    """What happened to a claim; kept in memory until the store has taken it."""

    claim: Claim
    alerts: Sequence[Alert]
    at: datetime
    receipt: Receipt | None = None
    error: DeliveryError | None = None
    channel_works: bool = False
    """Whether it took something else since this message came."""

    @property
    def about(self) -> str:
        """The alert, or how many alerts, for the log."""
        return self.alerts[0].fingerprint if len(self.alerts) == 1 else f"{len(self.alerts)} alerts of {self.kind}"

    @property
    def kind(self) -> str:
        return self.alerts[0].kind

    @property
    def severity(self) -> Severity:
        return min((alert.severity for alert in self.alerts), key=list(Severity).index)

    @property
    def counts(self) -> bool:
        """Whether it was a try: not where nothing was sent, nor where a channel that works only keeps its pace."""
        paced = self.error is not None and self.error.retry_after is not None and self.channel_works
        return not isinstance(self.error, NotTriedError) and not paced

    @property
    def is_late(self) -> bool:
        """Whether its channel has taken nothing for so long that the tries would be over, had it been alone."""
        return self.claim.attempts > 1 and not self.channel_works and self.at - self.claim.created_at >= SPAN


@dataclass(frozen=True)
class Recorded:
    """What the store has taken."""

    delivered: Delivered
    kept: bool = True
    """Whether the claim was still ours."""
    again_at: datetime | None = None
    onward: Onward | None = None
    is_untaken: bool = False
    """All tries were in vain and no channel is left, which has not been said before."""
