"""One delivery, from the claim to the recorded outcome. Knows nothing of threads and of waiting.

Claim, send and record are three steps with a transaction each at most, and no transaction is open while a service
is being talked to. A process that dies between sending and recording leaves a claim behind; whoever releases it
sends the message again. With at most one delivery in flight per channel, that is one repeat per kill and channel.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from roundsman.alerts.attempt import Attempts
from roundsman.alerts.channels.base import Channel, DeliveryError, Fault, Receipt
from roundsman.alerts.message import Message
from roundsman.alerts.templates import Language, render, render_digest
from roundsman.alerts.verification import Verifier, over_by_now
from roundsman.clock import Clock
from roundsman.errors import place_of
from roundsman.logs import fields
from roundsman.owner import dead_owners
from roundsman.repositories.alert_ends import AlertEnds
from roundsman.repositories.alerts import Alert, AlertRepository, Resolution
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.notification_claims import Claim, NotificationClaims
from roundsman.repositories.notifications import NotificationEvent, NotificationRepository
from roundsman.retry import backoff

LEASE = timedelta(seconds=60)
"""Of a claim. An attempt is given up after 40 s, so a living sender is done well before."""
LONGEST_RETRY_AFTER = timedelta(days=1)
"""A service that asks for more is asked again after this; a slip of its must not mute a channel for years."""
RESOLVED_LIFETIME = timedelta(days=1)
"""News that something is over is given up after this long; of what is still wrong we never stop telling."""

log = logging.getLogger(__name__)


class Delivered(Enum):
    """What came of one look at a channel's queue."""

    NOTHING = auto()
    """Nothing was due."""
    NOT_YET = auto()
    """The channel rests, for spacing or after a failure."""
    SENT = auto()
    RETRY_LATER = auto()
    GIVEN_UP = auto()
    """The service refuses this message for good."""
    CHANNEL_OFF = auto()
    """The service refuses us; the channel is switched off and its notifications wait."""


@dataclass(frozen=True)
class _Outcome:
    """What happened to a claim; kept in memory until the store has taken it."""

    claim: Claim
    about: str
    """The alert, or how many alerts, for the log."""
    receipt: Receipt | None = None
    error: DeliveryError | None = None
    again_at: datetime | None = None


class Courier:
    """Delivers for one process. Calls for different channels may run at once, for the same channel not."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        language: Language,
        zone: ZoneInfo,
        attempts: Attempts | None = None,
        verifiers: Mapping[str, Verifier] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self.language = language
        self.zone = zone
        self._attempts = attempts or Attempts()
        self._verifiers = verifiers or {}
        self._ends = AlertEnds()
        self._alerts = AlertRepository()
        self._notifications = NotificationRepository()
        self._claims = NotificationClaims()
        self._channels = ChannelRepository()
        self._held: dict[str, int] = {}
        self._unrecorded: dict[str, _Outcome] = {}

    def register(self, identities: Mapping[str, str]) -> None:
        """Make the channels known to the store; switched-off ones whose settings changed are on again."""
        with self._store.write() as connection:
            switched_on = self._channels.register(connection, identities)
        for name in sorted(switched_on):
            log.warning("Channel %s has new settings and is switched on again", name, extra=fields(CHANNEL=name))

    def outlook(self) -> dict[str, datetime]:
        """When the first notification of each channel is due. Frees the claims of dead and silent senders."""
        now = self._clock.now()
        with self._store.read() as connection:
            waiting = self._notifications.outlook(connection)
        others = {entry.owner for entry in waiting if entry.owner is not None and entry.owner != self._owner}
        dead = dead_owners(others)
        if dead or any(entry.owner is not None and entry.earliest <= now for entry in waiting):
            with self._store.write() as connection:
                freed = self._claims.release(connection, dead, list(self._held.values()), now)
                waiting = self._notifications.outlook(connection)
            if freed:
                log.warning("Took over from another process, unfinished: notifications %d", freed)
        return {entry.channel: entry.earliest for entry in waiting if entry.owner is None}

    def deliver_next(self, channel: Channel) -> tuple[Delivered, timedelta | None]:
        """Deliver at most one notification. Also returns how long the service asked to be left alone, if it did.

        Raises StoreError. A delivery that could not be recorded is recorded by the next call, before anything else
        is claimed: sending on without a record would repeat messages later.
        """
        outcome = self._unrecorded.get(channel.name)
        if outcome is None:
            claim, alerts = self._claim(channel)
            while claim is not None and (over := self._over_by_now(claim, alerts)):
                with self._store.write() as connection:
                    self._claims.give_back(connection, claim)
                    self._ends.resolve_all(connection, over, self._clock.now())
                claim, alerts = self._claim(channel)  # the next one, or the same without what is over
            if claim is None or not alerts:
                return Delivered.NOTHING, None
            outcome = self._unrecorded[channel.name] = self._send(channel, claim, alerts)
        with self._store.write() as connection:
            delivered = self._record(connection, outcome)
        self._unrecorded.pop(channel.name, None)
        self._held.pop(channel.name, None)
        self._tell(outcome, delivered)
        asked = outcome.error.retry_after if outcome.error is not None else None
        return delivered, min(asked, LONGEST_RETRY_AFTER) if asked is not None else None

    def _claim(self, channel: Channel) -> tuple[Claim | None, Sequence[Alert]]:
        with self._store.write() as connection:
            claim = self._claims.claim(
                connection, channel.name, self._owner, self._clock.now(), LEASE, can_edit=channel.can_edit
            )
            alerts = self._alerts.find_all(connection, claim.shows) if claim is not None else []
        if claim is None:
            self._held.pop(channel.name, None)
        else:
            self._held[channel.name] = claim.id
        return claim, alerts

    def _over_by_now(self, claim: Claim, alerts: Sequence[Alert]) -> Mapping[str, Resolution]:
        open_ones = [alert for alert in alerts if alert.resolved_at is None]
        is_alarm = claim.event is not NotificationEvent.RESOLVED
        return over_by_now(self._verifiers, open_ones) if is_alarm and open_ones else {}

    def _send(self, channel: Channel, claim: Claim, alerts: Sequence[Alert]) -> _Outcome:
        about = alerts[0].fingerprint if len(alerts) == 1 else f"{len(alerts)} alerts of {alerts[0].kind}"
        try:
            message = self._message(claim, alerts)
            told = Receipt.from_json(claim.firing_receipt) if claim.firing_receipt is not None else None
            call = partial(channel.edit, told, message) if told is not None else partial(channel.send, message)
            return _Outcome(claim, about, receipt=self._attempts.make(channel.name, call))
        except DeliveryError as fault:
            error = fault
        except Exception as fault:  # noqa: BLE001 - whatever a channel raises must not stop the others
            # Only the type and the place: the text of a foreign exception may hold a token
            error = DeliveryError(Fault.TEMPORARY, f"unexpected {type(fault).__name__} {place_of(fault)}")
        if error.fault is not Fault.TEMPORARY:
            return _Outcome(claim, about, error=error)
        now = self._clock.now()
        if claim.event is NotificationEvent.RESOLVED and now - claim.created_at > RESOLVED_LIFETIME:
            return _Outcome(claim, about, error=DeliveryError(Fault.REJECTED, f"given up: {error.reason}"))
        wait = max(backoff(claim.attempts), min(error.retry_after or timedelta(0), LONGEST_RETRY_AFTER))
        return _Outcome(claim, about, error=error, again_at=now + wait)

    def _message(self, claim: Claim, alerts: Sequence[Alert]) -> Message:
        now = self._clock.now()
        if len(alerts) > 1:
            return render_digest(
                alerts, claim.event, self.language, now, self.zone, level=claim.level, audience=claim.audience
            )
        return render(alerts[0], claim.event, self.language, now, self.zone, level=claim.level, audience=claim.audience)

    def _record(self, connection: Connection, outcome: _Outcome) -> Delivered:
        claim, now = outcome.claim, self._clock.now()
        if outcome.error is None:
            assert outcome.receipt is not None
            kept = self._claims.sent(connection, claim, outcome.receipt.to_json(), now)
            delivered = Delivered.SENT
        elif outcome.error.fault is Fault.REJECTED:
            kept = self._claims.failed(connection, claim, outcome.error.reason, now)
            delivered = Delivered.GIVEN_UP
        elif outcome.error.fault is Fault.CHANNEL:
            kept = self._claims.retry(connection, claim, now, outcome.error.reason)
            self._channels.switch_off(connection, claim.channel, outcome.error.reason, now)
            delivered = Delivered.CHANNEL_OFF
        else:
            kept = self._claims.retry(connection, claim, outcome.again_at or now, outcome.error.reason)
            delivered = Delivered.RETRY_LATER
        if not kept:
            log.warning("Another process took over notification %d before its end was recorded", claim.id)
        return delivered

    def _tell(self, outcome: _Outcome, delivered: Delivered) -> None:
        claim, name = outcome.claim, outcome.about
        extra = fields(ALERT=name, CHANNEL=claim.channel, NOTIFICATION=str(claim.id))
        if outcome.error is None:
            log.debug("Told %s of %s (%s)", claim.channel, name, outcome.receipt, extra=extra)
            return
        reason = outcome.error.reason
        if delivered is Delivered.CHANNEL_OFF:
            log.critical(
                "Channel %s is switched off: %s. Its notifications wait; mend its settings, or try "
                "`roundsman alerts test %s`.",
                claim.channel, reason, claim.channel, extra=extra,
            )  # fmt: skip
        elif delivered is Delivered.GIVEN_UP:
            log.error("%s will never take the message about %s: %s", claim.channel, name, reason, extra=extra)
        else:
            wait = (outcome.again_at or self._clock.now()) - self._clock.now()
            log.warning(
                "%s did not take the message about %s (attempt %d): %s; next try in %.0f s",
                claim.channel, name, claim.attempts, reason, wait.total_seconds(), extra=extra,
            )  # fmt: skip
