"""The pipeline: news of one transaction goes through the stages and into the outbox, and every decision into the log.

What is held back comes through here a second time when its time has come: rules may have changed meanwhile, another
silence may be in force, and what leaves together is told together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.alerts import trail
from roundsman.alerts.news import News, Parcel
from roundsman.alerts.rules.facts import facts_of_alert
from roundsman.alerts.rules.route import Route, Rules
from roundsman.alerts.stages.dedup import Pointless, Standing, keys_of, number_copies, why_pointless
from roundsman.alerts.stages.group import OVERFLOW, group, message, together
from roundsman.alerts.stages.inhibit import Source, inhibit
from roundsman.alerts.stages.quiet import keep_quiet
from roundsman.alerts.stages.route import route
from roundsman.alerts.stages.silence import Mute, silence
from roundsman.repositories.alert_log import AlertLog, LogEvent
from roundsman.repositories.alerts import AlertRepository, AlertStatus
from roundsman.repositories.departing import DepartingRepository
from roundsman.repositories.held import HeldMessage, HeldRepository, Released
from roundsman.repositories.notifications import HeldBy, Hold, NotificationRepository
from roundsman.repositories.rises import RiseRepository
from roundsman.repositories.silences import SilenceRepository

HOMELESS_AFTER = timedelta(minutes=15)
"""So long a message may wait for a channel that is not set up here: another daemon may have it, or somebody is about
to set it up again."""
CHANGES_LOST_AFTER = timedelta(days=1)
"""So long a change of a message may wait for such a channel. It keeps its alert in the store, so it must end."""
DIGEST_OF_RELEASED = 2
"""Messages for one team on one channel that leave together after a time of waiting are one."""


@dataclass(frozen=True)
class _Again:
    """A held message on its second way."""

    held: HeldMessage
    parcel: Parcel


class Pipeline:
    """The stages under these rules, for these channels. Works in the caller's transaction."""

    def __init__(self, rules: Rules, channels: Sequence[str]) -> None:
        self.rules = rules
        self.channels = tuple(channels)
        self._alerts = AlertRepository()
        self._held = HeldRepository()
        self._departing = DepartingRepository()
        self._rises = RiseRepository()
        self._log = AlertLog()

    def send(self, connection: Connection, news: Sequence[tuple[News, LogEvent]], now: datetime) -> None:
        """Let news go its way: out, or into waiting."""
        parcels = route((each for each, _ in news), self.rules, self.channels)
        self._log.add(connection, [trail.routed(each, event, parcels, self.channels, now) for each, event in news])
        ready = self._keep_back(connection, parcels, now)
        ready = number_copies([*ready, *_repeats(ready, now)], {})
        NotificationRepository().enqueue(connection, group(ready), now)
        self._log.add(connection, [trail.held(each, now) for each in ready if trail.is_worth_noting(each)])
        self._plan_rises(connection, parcels, now)

    def release(self, connection: Connection, now: datetime, limit: int) -> int:
        """Look at what is held and whose time has come. Returns how many messages that were."""
        due = self._held.due(connection, now, limit)
        going: list[_Again] = []
        pointless: list[tuple[HeldMessage, Pointless]] = []
        for each in due:
            reason = why_pointless(Standing(each.alert.status is AlertStatus.ACKNOWLEDGED, each.is_told_higher))
            if reason is not None:
                pointless.append((each, reason))
            else:
                going.append(_Again(each, self._parcel(each, now)))
        self._held.cancel(connection, [each.id for each, _ in pointless], now)
        self._log.add(connection, [trail.cancelled(each, reason, now) for each, reason in pointless])
        self._send_again(connection, going, now)
        return len(due)

    def fold(self, connection: Connection, limit: int, now: datetime) -> int:
        """Make digests of what crowds a channel. Returns how many messages went into them."""
        folded = 0
        for channel in self._departing.crowded(connection, OVERFLOW):
            waiting = self._departing.untried(connection, channel, limit)
            released = self._together([(each, self._parcel(each, now)) for each in waiting])
            digests = [each for each in released if len(each.ids) > 1]
            self._held.release(connection, digests, now)
            folded += sum(len(each.ids) for each in digests)
        return folded

    def is_any_homeless(self, connection: Connection, now: datetime) -> bool:
        """Whether `rehome` has something to do."""
        return bool(self.channels) and (
            self._departing.is_any_homeless(connection, self.channels, now - HOMELESS_AFTER)
            or self._departing.is_any_change_lost(connection, self.channels, now - CHANGES_LOST_AFTER)
        )

    def rehome(self, connection: Connection, now: datetime, limit: int) -> int:
        """Let what waits for channels that are not set up any more go its way anew, by the rules of today, but for
        where it was told already; changes of messages that were sent there are given up. Returns how many that were."""
        lost = self._departing.cancel_lost_changes(connection, self.channels, now - CHANGES_LOST_AFTER, now, limit)
        self._log.add(connection, [trail.cancelled(each, Pointless.NO_MESSAGE, now) for each in lost])
        found = self._departing.homeless(connection, self.channels, now - HOMELESS_AFTER, limit)
        news: dict[tuple[int, int], News] = {}
        for each in found:
            if why_pointless(Standing(each.alert.status is AlertStatus.ACKNOWLEDGED, each.is_told_higher)) is None:
                news.setdefault((each.alert.id, each.level), News.of(each.alert, each.level, each.audience))
        parcels = route(news.values(), self.rules, self.channels)
        told = self._held.last_copies(connection, keys_of(parcels))
        ready = self._keep_back(connection, [each for each in parcels if each.key not in told], now)
        ready = number_copies([*ready, *_repeats(ready, now)], {})
        NotificationRepository().enqueue(connection, group(ready), now)
        ids = list(dict.fromkeys(each.id for each in found))
        self._held.cancel(connection, ids, now)
        self._log.add(connection, [trail.cancelled(each, Pointless.NO_CHANNEL, now) for each in found])
        self._log.add(connection, [trail.held(each, now) for each in ready if trail.is_worth_noting(each)])
        return len(ids) + len({each.id for each in lost})

    # --- the first way ---

    def _keep_back(self, connection: Connection, parcels: Sequence[Parcel], now: datetime) -> list[Parcel]:
        sources = self._sources(connection, parcels)
        mutes = [Mute.of(each) for each in SilenceRepository().active(connection, now)] if parcels else []
        return keep_quiet(silence(inhibit(parcels, sources, self.rules, now), mutes), self.rules, now)

    def _sources(self, connection: Connection, parcels: Sequence[Parcel]) -> list[Source]:
        """The open alerts that could mute one of these, and those that could mute such a one, and so on, as there may
        be circles. None are read if no rule means one of these."""
        sources: list[Source] = []
        kinds: list[str] | None = None
        targets = [each.news.facts for each in parcels]
        while targets:
            rules = [
                rule
                for rule in self.rules.inhibitions
                if any(all(matcher.covers(facts) for matcher in rule.target) for facts in targets)
            ]
            if not rules:
                break
            kinds = self._alerts.open_kinds(connection) if kinds is None else kinds
            wanted = [kind for kind in kinds if any(rule.may_come_from(kind) for rule in rules)]
            kinds = [kind for kind in kinds if kind not in wanted]
            found = [alert for kind in wanted for alert in self._alerts.open_of_kind(connection, kind)]
            new = [Source(alert.id, alert.fingerprint, facts_of_alert(alert)) for alert in found]
            targets = [each.facts for each in new]
            sources += new
        return sources

    def _plan_rises(self, connection: Connection, parcels: Sequence[Parcel], now: datetime) -> None:
        seen: dict[int, Parcel] = {}
        for each in parcels:
            seen.setdefault(each.news.alert_id, each)
        for alert_id, each in seen.items():
            rise = next_rise(each.route, each.news, now)
            if rise is not None:
                self._rises.plan(connection, alert_id, *rise)

    # --- the second way ---

    def _parcel(self, held: HeldMessage, now: datetime) -> Parcel:
        news = News.of(held.alert, held.level, held.audience)
        parcel = Parcel(news, held.channel, held.audience, self.rules.route_for(news.facts), copy=held.copy)
        if held.alert.is_taken(now) and held.alert.taken_until is not None:
            hold = Hold(HeldBy.SNOOZE, held.alert.taken_until, f"snoozed by {held.alert.taken_by}")
            return replace(parcel, hold=hold)
        return parcel

    def _send_again(self, connection: Connection, going: Sequence[_Again], now: datetime) -> None:
        first: dict[tuple[object, int], HeldMessage] = {}
        for each in going:
            first[each.parcel.key, each.parcel.copy] = each.held
        parts = self._keep_back(connection, [each.parcel for each in going], now)
        leaving: list[tuple[HeldMessage, Parcel]] = []
        new: list[Parcel] = []
        for part in parts:
            held = first.pop((part.key, part.copy), None)
            if held is None:
                new.append(part)  # somebody of it is off duty and hears later
            elif part.hold is not None:
                self._hold_on(connection, held, part, part.hold, now)
            else:
                leaving.append((held, part))
        new += _repeats([part for held, part in leaving if held.by is not HeldBy.QUIET_HOURS or not held.copy], now)
        new = number_copies(new, self._held.last_copies(connection, keys_of(new)))
        NotificationRepository().enqueue(connection, group(new), now)
        self._held.release(connection, self._together(leaving), now)

    def _hold_on(self, connection: Connection, held: HeldMessage, part: Parcel, hold: Hold, now: datetime) -> None:
        self._held.hold(connection, held.id, hold)
        if hold.by is not held.by:
            self._log.add(connection, [trail.held(part, now)])

    def _together(self, leaving: Sequence[tuple[HeldMessage, Parcel]]) -> list[Released]:
        places: dict[tuple[str | None, str], list[tuple[HeldMessage, Parcel]]] = {}
        for each in sorted(leaving, key=lambda pair: (pair[1].news.since, pair[1].news.alert_id)):
            places.setdefault((each[1].audience.team, each[1].channel), []).append(each)
        released = []
        for told in places.values():
            ids = {id(part): held.id for held, part in told}
            for parts in _apart([part for _, part in told]):
                for part in together(parts, DIGEST_OF_RELEASED):
                    draft = message(part)
                    members = tuple(ids[id(each)] for each in part)
                    released.append(Released(members, draft.alert_ids[0], draft.rank, draft.audience))
        return released


def next_rise(route: Route, news: News, now: datetime) -> tuple[datetime | None, int | None] | None:
    """When an alert that has just reached a level rises next and to which one (None: to nobody); None: not at all."""
    if news.level <= 0:
        return None
    later = [each for each in route.levels if each.number > news.level]
    if later:
        before = next((each.after for each in route.levels if each.number == news.level), timedelta(0))
        return now + max(later[0].after - before, timedelta(0)), later[0].number
    if route.levels:
        return now + (route.unanswered_after or timedelta(0)), None
    return None if news.unanswered_after is None else (now + news.unanswered_after, None)


def _repeats(parcels: Sequence[Parcel], now: datetime) -> list[Parcel]:
    """What is told now on a route that repeats, once more for the next time."""
    return [
        replace(each, hold=Hold(HeldBy.REPEAT, now + each.route.repeat, "to be told again if it still goes on"))
        for each in parcels
        if each.hold is None and each.route.repeat is not None
    ]


def _apart(parcels: Sequence[Parcel]) -> list[list[Parcel]]:
    """No alert twice in one digest: several messages about one, for different people, stay several."""
    layers: list[dict[int, Parcel]] = []
    for each in parcels:
        layer = next((layer for layer in layers if each.news.alert_id not in layer), None)
        if layer is None:
            layers.append(layer := {})
        layer[each.news.alert_id] = each
    return [list(layer.values()) for layer in layers]
