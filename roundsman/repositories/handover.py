"""News that its channel will not take, and the channel of its route that takes over.

The message that is given up keeps its row, and the one that takes over is a row of its own beside it: so the log of an
alert, and the end that is told later, know which of the two arrived. Both are written in one transaction. What the
next channel tells anyway is not told there twice, and where that channel has given up as well, the one after it is
asked. An end has no other channel: it is told to those who heard of the beginning.

Whoever hands on locks the alerts first, as those who raise and resolve them do, and in the same order.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, Text, cast, select
from sqlalchemy.sql.dml import ReturningUpdate

from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.audience import Audience
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.notification_claims import Claim, NotificationClaims, given_up
from roundsman.repositories.notifications import (
    UNFINISHED,
    NewNotification,
    NotificationEvent,
    NotificationRepository,
    NotificationStatus,
)
from roundsman.repositories.tables import alerts, notification_alerts, notifications

AT_ONCE = 500
"""Messages that one transaction moves: about a tenth of a second."""


@dataclass(frozen=True)
class Onward:
    """Where a message that is given up goes on."""

    to: Mapping[int, str] = field(default_factory=dict)
    """The channel that takes over, or tells it anyway, by alert."""
    nowhere: tuple[int, ...] = ()
    """Alerts for which no channel is left."""

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.to.values()))

    @property
    def is_whole(self) -> bool:
        """Whether all of it goes on."""
        return bool(self.to) and not self.nowhere


class _Told(NamedTuple):
    """Where an alert has a message already."""

    alert_id: int
    channel: str
    event: str
    level: int
    copy: int
    """What is told again, or to somebody who was off duty, is news of its own on each channel."""


_Places = Mapping[_Told, bool]
"""Whether that message may still arrive, or has."""


@dataclass(frozen=True)
class _Given:
    """A message that its channel will not take."""

    id: int
    channel: str
    event: NotificationEvent
    level: int
    rank: int
    audience: Audience
    copies: Mapping[int, int]
    """By alert, the how manieth message this is about its news on the channel."""

    def plan(self, usable: Collection[str], places: _Places) -> tuple[Onward, list[NewNotification]]:
        """Where it goes on, and the messages to be made for that."""
        left, to, drafts = list(self.copies), dict[int, str](), []
        for channel in self.audience.fallback if not self.event.is_change else ():
            if channel not in usable or channel == self.channel:
                continue
            known = {
                each: places.get(_Told(each, channel, self.event.value, self.level, copy))
                for each, copy in self.copies.items()
                if each in left
            }
            fresh = [each for each in left if known[each] is None]
            drafts += [
                self._draft(channel, [each for each in fresh if self.copies[each] == copy], copy)
                for copy in sorted({self.copies[each] for each in fresh})
            ]
            to |= {each: channel for each in left if known[each] is not False}
            left = [each for each in left if each not in to]
        return Onward(to, tuple(left)), drafts

    def _draft(self, channel: str, alert_ids: Sequence[int], copy: int) -> NewNotification:
        further = self.audience.fallback[self.audience.fallback.index(channel) + 1 :]
        return NewNotification(
            channel, self.event, self.level, self.rank, tuple(alert_ids),
            replace(self.audience, fallback=further), copy=copy,
        )  # fmt: skip


class Handover:
    """Gives messages up and hands their news on. Every method works in the caller's transaction.

    `usable` are the channels that exist and are not switched off.
    """

    def __init__(self) -> None:
        self._claims = NotificationClaims()
        self._notifications = NotificationRepository()
        self._channels = ChannelRepository()
        self._log = AlertLog()

    def give_up(
        self, connection: Connection, claim: Claim, reason: str, usable: Collection[str], now: datetime
    ) -> Onward | None:
        """Record that the channel of this claim will never take it. None: the claim was lost meanwhile."""
        return self._hand_on(connection, claim, reason, *self._planned(connection, claim, usable), now)

    def pass_on(
        self, connection: Connection, claim: Claim, reason: str, usable: Collection[str], now: datetime
    ) -> Onward | None:
        """The same, but only if all of it goes on. None: it does not, or the claim was lost; nothing has changed."""
        onward, drafts = self._planned(connection, claim, usable)
        if not onward.is_whole:
            return None
        return self._hand_on(connection, claim, reason, onward, drafts, now)

    def move_waiting(
        self,
        connection: Connection,
        channel: str,
        reason: str,
        usable: Collection[str],
        now: datetime,
        *,
        beyond: int = 0,
        like: Claim | None = None,
    ) -> tuple[int, int]:
        """Hand on what waits on a channel and can go elsewhere, with ids above `beyond`, some hundreds at most.

        `like`: only what is no more urgent than this claim and has waited as long. Returns how many went, and the id
        to go on from, which is 0 when all were looked at.
        """
        rows = connection.execute(_waiting(channel, beyond, like)).all()
        if not rows:
            return 0, 0
        members = _members(connection, [row.id for row in rows])
        given = [_given(row, members.get(row.id, {})) for row in rows]
        places = self._locked_places(connection, given)
        steady = self._steady(connection, given)
        planned = {each.id: (each, *each.plan(usable, places)) for each in steady}
        going = [number for number, (_, onward, _) in planned.items() if onward.is_whole]
        gone = [planned[number] for number in connection.execute(_give_up(going, reason, now)).scalars()]
        self._notifications.enqueue(connection, [draft for _, _, drafts in gone for draft in drafts], now)
        entries = [_entry(each, number, channel, reason, now)
                   for each, onward, _ in gone for number, channel in onward.to.items()]  # fmt: skip
        self._log.add(connection, entries)
        return len(gone), rows[-1].id if len(rows) == AT_ONCE else 0

    def stranded(self, connection: Connection, channels: Collection[str]) -> dict[str, str]:
        """Where something waits on a channel that is switched off, and can go to another one of these: why it is off,
        by channel."""
        states = self._channels.states(connection)
        off = {name: state.off_reason or "" for name, state in states.items() if state.off_since is not None}
        if not off:
            return {}
        audience = cast(notifications.c.audience, Text).label("audience")  # JSON as such has no equality
        query = select(notifications.c.channel, audience).distinct()
        found = connection.execute(query.where(*_IS_WAITING, notifications.c.channel.in_(off)))
        usable = set(channels) - off.keys()
        return {row.channel: off[row.channel] for row in found
                if usable.intersection(Audience.from_json(json.loads(row.audience)).fallback)}  # fmt: skip

    def _planned(
        self, connection: Connection, claim: Claim, usable: Collection[str]
    ) -> tuple[Onward, list[NewNotification]]:
        members = _members(connection, [claim.id]).get(claim.id, {})
        copies = {each: members.get(each, 0) for each in claim.shows}
        given = _Given(claim.id, claim.channel, claim.event, claim.level, claim.rank, claim.audience, copies)
        return given.plan(usable, self._locked_places(connection, [given]))

    def _hand_on(
        self,
        connection: Connection,
        claim: Claim,
        reason: str,
        onward: Onward,
        drafts: Sequence[NewNotification],
        now: datetime,
    ) -> Onward | None:
        if not self._claims.failed(connection, claim, reason, now, goes_on_to=onward.to):
            return None
        self._notifications.enqueue(connection, drafts, now)
        return onward

    def _steady(self, connection: Connection, given: Sequence[_Given]) -> list[_Given]:
        """Those that still tell of just these alerts, and do so until the end of the transaction. What somebody makes
        a digest of, or takes an alert out of, at this moment is left for the next look."""
        ids = notifications.c.id.in_([each.id for each in given])
        lock = select(notifications.c.id).where(ids).with_for_update(skip_locked=True)
        mine = set(connection.execute(lock).scalars())
        members = _members(connection, list(mine))
        return [each for each in given if each.id in mine and members.get(each.id, {}) == each.copies]

    def _locked_places(self, connection: Connection, given: Iterable[_Given]) -> _Places:
        """What each channel tells of these alerts; nobody else hands them on meanwhile."""
        ids = sorted({alert_id for each in given for alert_id in each.copies})
        members, found = notification_alerts, dict[_Told, bool]()
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            lock = select(alerts.c.id).where(alerts.c.id.in_(some)).order_by(alerts.c.id)
            connection.execute(lock.with_for_update(key_share=True))
            query = (
                select(*(members.c[name] for name in _Told._fields), notifications.c.status)
                .join(notifications, notifications.c.id == members.c.notification_id)
                .where(members.c.alert_id.in_(some))
            )
            for *told, status in connection.execute(query):
                found[_Told(*told)] = status != NotificationStatus.FAILED.value
        return found


_IS_WAITING = (
    UNFINISHED,
    notifications.c.status == NotificationStatus.PENDING.value,
    notifications.c.edits.is_(None),
    cast(notifications.c.audience, Text).contains('"fallback"'),
)


def _waiting(channel: str, beyond: int, like: Claim | None) -> Select[Any]:
    columns = ("id", "channel", "event", "level", "rank", "audience")
    query = (
        select(*(notifications.c[name] for name in columns))
        .where(*_IS_WAITING, notifications.c.channel == channel, notifications.c.id > beyond)
        .order_by(notifications.c.id)
        .limit(AT_ONCE)
    )
    if like is not None:
        query = query.where(notifications.c.rank >= like.rank, notifications.c.created_at <= like.created_at)
    return query


def _members(connection: Connection, ids: Sequence[int]) -> dict[int, dict[int, int]]:
    """Of each message, what it tells of, those that have lasted longest first: the alerts and their copies."""
    members, found = notification_alerts, dict[int, dict[int, int]]()
    query = (
        select(members.c.notification_id, members.c.alert_id, members.c.copy)
        .join(alerts, alerts.c.id == members.c.alert_id)
        .where(members.c.notification_id.in_(ids), ~members.c.left_out)
        .order_by(alerts.c.since_at, alerts.c.id)
    )
    for number, alert_id, copy in connection.execute(query):
        found.setdefault(number, {})[alert_id] = copy
    return found


def _given(row: Row[Any], members: Mapping[int, int]) -> _Given:
    event, audience = NotificationEvent(row.event), Audience.from_json(row.audience)
    return _Given(row.id, row.channel, event, row.level, row.rank, audience, members)


def _give_up(ids: Sequence[int], reason: str, now: datetime) -> ReturningUpdate[int]:
    """Those that nobody has begun to send meanwhile."""
    waits = notifications.c.status == NotificationStatus.PENDING.value
    return given_up(now).where(notifications.c.id.in_(ids), waits).values(error=reason).returning(notifications.c.id)


def _entry(given: _Given, alert_id: int, channel: str, reason: str, now: datetime) -> LogEntry:
    detail = {"news": given.event.value, "reason": reason, "goes_on_to": channel}
    return LogEntry(alert_id, now, LogEvent.GAVE_UP, given.level, given.channel, detail)
