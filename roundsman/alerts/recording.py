"""How the outcome of a delivery is recorded, and what follows from a failure.

A failure ends in one of three ways. The message is tried again; or its channel is given up for it, and the next one of
its route takes over in the same transaction; or there is none, which is for the journal to say (`delivery_log`).
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.alerts.channels.base import DeliveryError, Fault, Receipt
from roundsman.alerts.outcome import Delivered, Outcome, Recorded
from roundsman.alerts.patience import SPAN, tries, wait_after
from roundsman.clock import Clock
from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.handover import Handover
from roundsman.repositories.notification_claims import Claim, NotificationClaims

LONGEST_RETRY_AFTER = timedelta(days=1)
"""A service that asks for more is asked again after this; a slip of its must not mute a channel for years."""
RESOLVED_LIFETIME = timedelta(days=1)
"""What changes a message is given up after this long; of what is still wrong we never stop telling."""


class Recorder:
    """Records outcomes. Works in the caller's transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._claims = NotificationClaims()
        self._handover = Handover()
        self._channels = ChannelRepository()
        self._log = AlertLog()

    def record(self, connection: Connection, outcome: Outcome, channels: Collection[str]) -> Recorded:
        """Write down what happened, and let another one of the `channels` take over where this one is given up."""
        claim, error, now = outcome.claim, outcome.error, self._clock.now()
        if error is None:
            assert outcome.receipt is not None
            return Recorded(Delivered.SENT, self._sent(connection, claim, outcome.receipt, now))
        if error.fault is Fault.CHANNEL:
            self._channels.switch_off(connection, claim.channel, error.reason, now)
        usable = self._channels.usable(connection, channels)
        if error.fault is Fault.CHANNEL:
            onward = self._handover.pass_on(connection, claim, error.reason, usable, now)
            kept = onward is not None or self._claims.retry(connection, claim, now, error.reason)
            return Recorded(Delivered.CHANNEL_OFF, kept, onward=onward)
        is_late_end = claim.event.is_change and outcome.at - claim.created_at > RESOLVED_LIFETIME
        if error.fault is Fault.REJECTED or is_late_end:
            onward = self._handover.give_up(connection, claim, error.reason, usable, now)
            return Recorded(Delivered.GIVEN_UP, onward is not None, onward=onward)
        return self._tried_in_vain(connection, outcome, error, usable, now)

    def _sent(self, connection: Connection, claim: Claim, receipt: Receipt, now: datetime) -> bool:
        return self._claims.sent(connection, claim, receipt.to_json(), now, all_copies_known=receipt.all_copies_known)

    def _tried_in_vain(
        self, connection: Connection, outcome: Outcome, error: DeliveryError, usable: Collection[str], now: datetime
    ) -> Recorded:
        claim = outcome.claim
        is_end = claim.event.is_change
        used_up = not is_end and outcome.counts and claim.attempts >= tries(outcome.severity)
        asked = min(error.retry_after or timedelta(0), LONGEST_RETRY_AFTER)
        if used_up or outcome.is_late or asked > SPAN:
            onward = self._handover.pass_on(connection, claim, error.reason, usable, now)
            if onward is not None:
                return Recorded(Delivered.PASSED_ON, onward=onward)
        # What was no try waits for its line alone
        own = wait_after(outcome.severity, claim.attempts) if outcome.counts else timedelta(0)
        again_at = outcome.at + max(own, asked)
        kept = self._claims.retry(connection, claim, again_at, error.reason, counts=outcome.counts)
        untaken = used_up and kept and self._note_untaken(connection, claim, error.reason, now)
        return Recorded(Delivered.RETRY_LATER, kept, again_at, is_untaken=untaken)

    def _note_untaken(self, connection: Connection, claim: Claim, reason: str, now: datetime) -> bool:
        """False: that is known already."""
        detail = {"news": claim.event.value, "reason": reason, "tries": claim.attempts}
        entries = [LogEntry(each, now, LogEvent.UNTAKEN, claim.level, claim.channel, detail) for each in claim.news_of]
        if not entries or self._log.knows(connection, entries[0]):
            return False
        self._log.add(connection, entries)
        return True
