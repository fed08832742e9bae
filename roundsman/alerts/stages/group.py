"""Last stage: what is told together, from parcels to messages. Pure.

One rule makes a storm impossible. Of a team's news on one channel, up to `digest_from` - 1 in a transaction are told
one by one; from then on each level is one digest. So a transaction costs a channel, for each team, at most as many
messages as there are levels, or `digest_from` - 1 if that is more. Kinds are never mixed: a digest of customers is
read by other eyes than one of pages, so where a team hears of several kinds, read "kinds times levels"; and so it is
with critical and other ones, with routes of another language or other channels to fall back on, and with the labels
that a route groups by. Where no number is stated, more than `OVERFLOW` become digests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from roundsman.alerts.news import Parcel
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention
from roundsman.repositories.notifications import NewNotification

OVERFLOW = 20
"""More than so many messages on one channel are read by nobody, and take longer than that many seconds to leave."""


def group(parcels: Iterable[Parcel]) -> list[NewNotification]:
    """The messages of one transaction. Who has waited longest is told of first; what is held waits by itself."""
    places: dict[tuple[str | None, str, int], list[Parcel]] = {}
    messages = []
    for each in sorted(parcels, key=_age):
        if each.hold is not None:
            messages.append(message([each]))
        else:
            places.setdefault((each.audience.team, each.channel, each.copy), []).append(each)
    parts = [part for told in places.values() for part in together(told)]
    parts.sort(key=lambda part: _age(part[0]))
    return [*map(message, parts), *messages]


def together(told: Sequence[Parcel], digest_from: int | None = None) -> list[list[Parcel]]:
    """What one team hears on one channel, message by message. `digest_from`: instead of the audiences' own."""
    own = min((each.audience.digest_from for each in told if each.audience.digest_from), default=None)
    digest_from = digest_from or own or OVERFLOW + 1
    if len(told) < max(digest_from, 2):
        return [[each] for each in told]
    parts: dict[tuple[object, ...], list[Parcel]] = {}
    for each in told:
        labels = (each.news.labels.get(name) for name in each.route.group_by)
        is_critical = each.news.severity is Severity.CRITICAL  # not to be looked for among a thousand others
        goes_on = (each.audience.language, each.audience.fallback)
        parts.setdefault((is_critical, each.news.level, each.news.kind, *goes_on, *labels), []).append(each)
    return list(parts.values())


def message(part: Sequence[Parcel]) -> NewNotification:
    """One message about all of them; several are not held."""
    first = part[0]
    return NewNotification(
        channel=first.channel,
        event=first.news.event,
        level=first.news.level,
        rank=min(each.news.rank for each in part),
        alert_ids=tuple(each.news.alert_id for each in part),
        audience=replace(first.audience, mentions=_mentions(part)),
        hold=first.hold,
        copy=first.copy,
    )


def _age(parcel: Parcel) -> tuple[object, int]:
    return parcel.news.since, parcel.news.alert_id


def _mentions(part: Sequence[Parcel]) -> tuple[Mention, ...]:
    """Everybody who is called by one of them, once."""
    called: Mapping[Mention, None] = dict.fromkeys(mention for each in part for mention in each.audience.mentions)
    return tuple(called)
