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
    """Hold what another alert mutes. Those that mute each other in a circle do not: all of them would be forgotten."""
    muting: dict[int, Source | None] = {}
    for each in parcels:
        if each.news.alert_id not in muting:
            muting[each.news.alert_id] = _muting(each, sources, rules.inhibitions)
    return [_held(each, muting[each.news.alert_id], now) if each.hold is None else each for each in parcels]


def _muting(parcel: Parcel, sources: Sequence[Source], inhibitions: Sequence[Inhibition]) -> Source | None:
    mine = parcel.news.facts
    others = [each for each in sources if each.alert_id != parcel.news.alert_id]
    found = [each for each in others if _mutes(each.facts, mine, inhibitions)]
    if not found:
        return None
    muted = _muted_by(mine, others, inhibitions)
    return next((each for each in found if each.alert_id not in muted), None)


def _muted_by(facts: Mapping[str, str], others: Sequence[Source], inhibitions: Sequence[Inhibition]) -> set[int]:
    """The others that an alert mutes, itself or by one that it mutes."""
    muted: set[int] = set()
    left = [facts]
    while left:
        muting = left.pop()
        found = [each for each in others if each.alert_id not in muted and _mutes(muting, each.facts, inhibitions)]
        muted |= {each.alert_id for each in found}
        left += [each.facts for each in found]
    return muted


def _mutes(source: Mapping[str, str], target: Mapping[str, str], inhibitions: Sequence[Inhibition]) -> bool:
    return any(rule.mutes(source, target) for rule in inhibitions)


def _held(parcel: Parcel, source: Source | None, now: datetime) -> Parcel:
    if source is None:
        return parcel
    words = f"alert {source.alert_id} ({source.fingerprint}) explains it"
    return replace(parcel, hold=Hold(HeldBy.INHIBITION, now + LOOK_AGAIN, words, source.alert_id))
