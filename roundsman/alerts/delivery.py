"""One delivery, from the claim to the recorded outcome. Knows nothing of threads and of waiting.

Claim, send and record are three steps with a transaction each at most, and no transaction is open while a service
is being talked to. A process that dies between sending and recording leaves a claim behind; whoever releases it lets
the channel look for what was sent, and sends the message again where it cannot be found. With at most one delivery in
flight per channel, that is one repeat per kill and channel.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from roundsman.alerts.attempt import Attempts
from roundsman.alerts.channels.base import Channel, DeliveryError, Fault, Receipt
from roundsman.alerts.delivery_log import tell
from roundsman.alerts.message import Known, Message, message_id
from roundsman.alerts.outcome import Delivered as Delivered  # where the sender looks for it
from roundsman.alerts.outcome import Delivery, Outcome
from roundsman.alerts.recording import LONGEST_RETRY_AFTER, Recorder
from roundsman.alerts.templates import Language, OwnTexts, render, render_digest
from roundsman.alerts.templates.answers import with_answers
from roundsman.alerts.verification import Verifier, over_by_now
from roundsman.clock import Clock
from roundsman.errors import place_of
from roundsman.logs import fields
from roundsman.owner import dead_owners
from roundsman.repositories.alert_ends import AlertEnds
from roundsman.repositories.alerts import Alert, AlertRepository, Resolution
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.claim import Claim, Doubt
from roundsman.repositories.engine import Store
from roundsman.repositories.handover import Handover
from roundsman.repositories.notification_claims import NotificationClaims
from roundsman.repositories.notifications import NotificationEvent, NotificationRepository

LEASE = timedelta(seconds=60)
"""Of a claim. An attempt is given up after 40 s, so a living sender is done well before."""
log = logging.getLogger(__name__)


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
        own_texts: OwnTexts | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self.language = language
        self.zone = zone
        self.own_texts = own_texts
        self._attempts = attempts or Attempts()
        self._verifiers = verifiers or {}
        self._ends = AlertEnds()
        self._alerts = AlertRepository()
        self._notifications = NotificationRepository()
        self._claims = NotificationClaims()
        self._channels = ChannelRepository()
        self._held: dict[str, int] = {}
        self._unrecorded: dict[str, Outcome] = {}
        self._handover = Handover()
        self._recorder = Recorder(clock)
        self._names: frozenset[str] = frozenset()
        """The channels that there are here."""
        self._took: dict[str, datetime] = {}
        """When a channel took something last."""

    def register(self, identities: Mapping[str, str]) -> None:
        """Make the channels known to the store; switched-off ones whose settings changed are on again."""
        with self._store.write() as connection:
            switched_on = self._channels.register(connection, identities)
        self._names = frozenset(identities)
        for name in sorted(switched_on):
            log.warning("Channel %s has new settings and is switched on again", name, extra=fields(CHANNEL=name))

    def outlook(self) -> dict[str, datetime]:
        """When the first notification of each channel is due. Frees the claims of dead and silent senders."""
        now = self._clock.now()
        with self._store.read() as connection:
            waiting = self._notifications.outlook(connection, now)
            stranded = self._handover.stranded(connection, self._names)
        others = {entry.owner for entry in waiting if entry.owner is not None and entry.owner != self._owner}
        dead = dead_owners(others)
        if dead or any(entry.owner is not None and entry.earliest <= now for entry in waiting):
            with self._store.write() as connection:
                freed = self._claims.release(connection, dead, list(self._held.values()), now)
                waiting = self._notifications.outlook(connection, now)
            if freed:
                log.warning("Took over from another process, unfinished: notifications %d", freed)
        for name, why in stranded.items():
            self._move(name, f"it is switched off: {why}")
        if stranded:
            with self._store.read() as connection:
                waiting = self._notifications.outlook(connection, now)
        return {entry.channel: entry.earliest for entry in waiting if entry.owner is None}

    def deliver_next(self, channel: Channel) -> Delivery:
        """Deliver at most one notification.

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
                return Delivery(Delivered.NOTHING)
            outcome = self._unrecorded[channel.name] = self._send(channel, claim, alerts)
        with self._store.write() as connection:
            recorded = self._recorder.record(connection, outcome, self._names)
        self._unrecorded.pop(channel.name, None)
        self._held.pop(channel.name, None)
        tell(outcome, recorded, self._clock.now())
        if recorded.delivered is Delivered.SENT:
            self._took[channel.name] = self._clock.now()
        elif recorded.delivered is Delivered.PASSED_ON and not outcome.channel_works:
            self._move(channel.name, "what waited no longer has gone the same way", like=outcome.claim)
        asked = outcome.error.retry_after if outcome.error is not None else None
        extra = outcome.receipt.extra if outcome.receipt is not None else 0
        return Delivery(recorded.delivered, min(asked, LONGEST_RETRY_AFTER) if asked is not None else None, extra)

    def _move(self, name: str, reason: str, like: Claim | None = None) -> None:
        """Hand on what waits on a channel, some hundreds in a transaction: a kill between two of them loses nothing, as
        those that have not gone yet wait where they were."""
        moved, beyond = 0, 0
        while True:
            with self._store.write() as connection:
                usable = self._channels.usable(connection, self._names)
                count, beyond = self._handover.move_waiting(
                    connection, name, reason, usable, self._clock.now(), beyond=beyond, like=like
                )
            moved += count
            if not beyond:
                break
        if moved:
            log.warning("What waited on %s goes on to other channels: messages %d", name, moved,
                        extra=fields(CHANNEL=name))  # fmt: skip

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
        is_alarm = not claim.event.is_change
        return over_by_now(self._verifiers, open_ones) if is_alarm and open_ones else {}

    def _send(self, channel: Channel, claim: Claim, alerts: Sequence[Alert]) -> Outcome:
        took = self._took.get(channel.name)
        works = took is not None and took >= claim.created_at
        try:
            message = self._message(claim, alerts)
            told = Receipt.from_json(claim.firing_receipt) if claim.firing_receipt is not None else None
            receipt = self._attempts.make(channel.name, partial(_deliver, channel, claim, message, told))
            return Outcome(claim, alerts, self._clock.now(), receipt=receipt)
        except DeliveryError as fault:
            error = fault
        except Exception as fault:  # noqa: BLE001 - whatever a channel raises must not stop the others
            # Only the type and the place: the text of a foreign exception may hold a token
            error = DeliveryError(Fault.TEMPORARY, f"unexpected {type(fault).__name__} {place_of(fault)}")
        return Outcome(claim, alerts, self._clock.now(), error=error, channel_works=works)

    def _message(self, claim: Claim, alerts: Sequence[Alert]) -> Message:
        now, event = self._clock.now(), claim.event
        language = claim.audience.language or self.language
        # A digest tells all that has become of it as an end
        if event is NotificationEvent.CHANGED and len(alerts) == 1:
            event = _news_of(claim)
        if len(alerts) > 1:
            message = render_digest(
                alerts, event, language, now, self.zone,
                level=claim.level, audience=claim.audience, own=self.own_texts,
            )  # fmt: skip
        else:
            message = render(
                alerts[0], event, language, now, self.zone,
                level=claim.level, audience=claim.audience, own=self.own_texts,
            )  # fmt: skip
        if claim.event is NotificationEvent.CHANGED:
            message = replace(message, mentions=())  # they were called when it was news
        if claim.copy:  # a message of its own, which nobody must take for the first one sent again
            message = replace(message, id=message_id(message.incident, event, claim.level, claim.copy))
        if claim.thread is not None:
            message = replace(message, thread=Receipt.from_json(claim.thread).keys)
        if claim.doubt is not None:
            message = _in_doubt(message, claim, claim.doubt)
        return with_answers(message, alerts, claim.edits or claim.id, language, now, self.zone)


def _news_of(claim: Claim) -> NotificationEvent:
    """What was told of by the message that it changes."""
    return NotificationEvent.WARNING if claim.level <= 0 else NotificationEvent.FIRING


def _in_doubt(message: Message, claim: Claim, doubt: Doubt) -> Message:
    """The message, with what there is to know of what may stand there already."""
    known = tuple(Known(Receipt.from_json(each.receipt).keys, each.is_earlier) for each in doubt.known)
    if doubt.is_of_told:
        told = message_id(message.incident, _news_of(claim), claim.level, claim.copy)
        message = replace(message, in_place_of=told)
    return replace(message, sent_since=doubt.since, tries_before=doubt.tries, known=known)


def _deliver(channel: Channel, claim: Claim, message: Message, told: Receipt | None) -> Receipt:
    if told is None:
        return channel.send(message)
    receipt = channel.edit(told, message)
    if claim.told_twice and message.event is NotificationEvent.RESOLVED and channel.can_edit:
        # Perhaps another copy stands there, sent by a process that died and not found since, so it cannot be edited
        channel.send(message)
    return receipt
