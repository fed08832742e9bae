"""Second stage: what another open alert explains is held until that one is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from roundsman.alerts.news import Parcel
from roundsman.alerts.rules.route import Inhibition, Rules
from roundsman.repositories.notifications import HeldBy, Hold

LOOK_AGAIN = timedelta(hours=1)
"""The end of the other alert makes it be looked at again at once. This is for what nobody has thought of: rules that
have changed since, an alert that was removed from the store."""


@dataclass(frozen=True)
class Source:
    """An open alert that may mute others."""

    alert_id: int
    fingerprint: str
    facts: Mapping[str, str]


def inhibit(parcels: Sequence[Parcel], sources: Sequence[Source], rules: Rules, now: datetime) -> list[Parcel]:
    """Hold what another alert mutes. Two that mute each other, by different rules, do not: both would be forgotten."""
    muting: dict[int, Source | None] = {}
    for each in parcels:
        if each.news.alert_id not in muting:
            muting[each.news.alert_id] = _muting(each, sources, rules.inhibitions)
    return [_held(each, muting[each.news.alert_id], now) if each.hold is None else each for each in parcels]


def _muting(parcel: Parcel, sources: Sequence[Source], inhibitions: Sequence[Inhibition]) -> Source | None:
    mine = parcel.news.facts
    for source in sources:
        if source.alert_id == parcel.news.alert_id or any(rule.mutes(mine, source.facts) for rule in inhibitions):
            continue
        if any(rule.mutes(source.facts, mine) for rule in inhibitions):
            return source
    return None


def _held(parcel: Parcel, source: Source | None, now: datetime) -> Parcel:
    if source is None:
        return parcel
    words = f"alert {source.alert_id} ({source.fingerprint}) explains it"
    return replace(parcel, hold=Hold(HeldBy.INHIBITION, now + LOOK_AGAIN, words, source.alert_id))
