"""Fourth stage, quiet hours: what can wait is held until those who are to hear of it work again.

A route may have hours: outside of them nothing is told on its channels. People may have hours of their own, in their
own zone. Who is off duty is not called in a chat that others read as well: these are told now, without that name, and
the person is called at the start of the next shift, if it still goes on then. In a chat with that person alone the
message waits. What is bad enough passes at any hour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from roundsman.alerts.news import Parcel
from roundsman.alerts.rules.route import Hours, Rules
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention
from roundsman.repositories.notifications import HeldBy, Hold

_NEVER_OPEN = timedelta(days=1)
"""Hours that never come, of a person who has left perhaps: looked at again after this."""
_SEVERITIES = list(Severity)


def keep_quiet(parcels: Sequence[Parcel], rules: Rules, now: datetime) -> list[Parcel]:
    """Hold what can wait, as a whole or for some of those whom it calls."""
    return [part for each in parcels for part in (_parts(each, rules, now) if _can_wait(each) else [each])]


def _can_wait(parcel: Parcel) -> bool:
    if parcel.hold is not None:
        return False
    return _SEVERITIES.index(parcel.news.severity) > _SEVERITIES.index(parcel.route.passes_from)


def _parts(parcel: Parcel, rules: Rules, now: datetime) -> Iterator[Parcel]:
    hours = parcel.route.hours
    if hours is not None and not hours.is_open(now):
        yield replace(parcel, hold=_until(hours, now, f"quiet hours of {hours.name}"))
        return
    waiting: dict[datetime, list[Mention]] = {}
    holds: dict[datetime, Hold] = {}
    for mention in parcel.audience.mentions:
        own = rules.hours_of.get(mention.key or "")
        if own is not None and not own.is_open(now):
            hold = _until(own, now, f"{mention.name} is off duty")
            if parcel.channel == f"telegram:{mention.telegram_id}":
                yield replace(parcel, hold=hold)
                return
            waiting.setdefault(hold.until, []).append(mention)
            holds.setdefault(hold.until, hold)
    off = {mention for group in waiting.values() for mention in group}
    if parcel.copy and off.issuperset(parcel.audience.mentions) and off:  # the others have been told
        yield replace(parcel, hold=holds[min(waiting)])
        return
    yield _calling(parcel, [mention for mention in parcel.audience.mentions if mention not in off])
    for until, group in sorted(waiting.items()):
        yield replace(_calling(parcel, group), hold=holds[until])


def _calling(parcel: Parcel, mentions: Sequence[Mention]) -> Parcel:
    return replace(parcel, audience=replace(parcel.audience, mentions=tuple(mentions)))


def _until(hours: Hours, now: datetime, words: str) -> Hold:
    opens_at = hours.opens_at(now)
    return Hold(HeldBy.QUIET_HOURS, now + _NEVER_OPEN if opens_at is None else opens_at, words)
