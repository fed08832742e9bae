"""Fifth stage: nobody is told the same twice, or of what others see to; and each message about the same news has a
number of its own. Every decision has a name, which the alert's log keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from roundsman.alerts.news import Parcel
from roundsman.repositories.notifications import NotificationEvent

Key = tuple[int, str, NotificationEvent, int]


class Pointless(StrEnum):
    """Why something that was held is not told after all."""

    ACKNOWLEDGED = "somebody has acknowledged it"
    RISEN = "a higher level is told on this channel"
    NO_CHANNEL = "the channel is not set up any more; it goes where it would go now"
    NO_MESSAGE = "the channel is not set up any more, and the message that was to show it is there alone"


@dataclass(frozen=True)
class Standing:
    """What is known of a held message's alert when its time has come."""

    is_acknowledged: bool = False
    is_told_higher: bool = False
    """On the same channel, or will be."""


def why_pointless(standing: Standing) -> Pointless | None:
    """Why a message whose time has come need not leave any more; None: it does."""
    if standing.is_acknowledged:
        return Pointless.ACKNOWLEDGED
    return Pointless.RISEN if standing.is_told_higher else None


def number_copies(parcels: Iterable[Parcel], used: Mapping[Key, int]) -> list[Parcel]:
    """Number the messages about the same news on the same channel, after those that are used already."""
    last = dict(used)
    numbered = []
    for each in parcels:
        last[each.key] = last.get(each.key, -1) + 1
        numbered.append(replace(each, copy=last[each.key]))
    return numbered


def keys_of(parcels: Sequence[Parcel]) -> list[Key]:
    return list(dict.fromkeys(each.key for each in parcels))
