"""Third stage: what people do not want to hear of for a while is held until their silence is over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from roundsman.alerts.news import Parcel
from roundsman.alerts.rules.matcher import Matcher, cover
from roundsman.repositories.notifications import HeldBy, Hold
from roundsman.repositories.silences import Silence


@dataclass(frozen=True)
class Mute:
    """A silence that is in force, with its matchers read."""

    id: int
    matchers: tuple[Matcher, ...]
    ends_at: datetime
    words: str

    @classmethod
    def of(cls, silence: Silence) -> "Mute":
        matchers = tuple(map(Matcher.parse, silence.matchers))
        words = f"silence {silence.id} of {silence.author} ({silence.reason})"
        return cls(silence.id, matchers, silence.ends_at, words)


def silence(parcels: Sequence[Parcel], mutes: Sequence[Mute]) -> list[Parcel]:
    """Hold what one of them means, until the last of those is over. Criticals as well: somebody wanted it so."""
    return [_silenced(each, mutes) if each.hold is None else each for each in parcels]


def _silenced(parcel: Parcel, mutes: Sequence[Mute]) -> Parcel:
    meaning = [mute for mute in mutes if cover(mute.matchers, parcel.news.facts)]
    if not meaning:
        return parcel
    last = max(meaning, key=lambda mute: (mute.ends_at, mute.id))
    return replace(parcel, hold=Hold(HeldBy.SILENCE, last.ends_at, last.words, last.id))
