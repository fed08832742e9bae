"""First stage: which channels hear of it, who is called there, and what its route asks for."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from roundsman.alerts.news import News, Parcel
from roundsman.alerts.rules.route import Route, Rules
from roundsman.repositories.audience import Audience


def route(news: Iterable[News], rules: Rules, channels: Sequence[str]) -> list[Parcel]:
    """A parcel for each channel of each piece of news, the channels in the order in which they are set up or named."""
    parcels = []
    for each in news:
        chosen = rules.route_for(each.facts)
        audience = directed(each.audience, chosen, each.level)
        parcels += [Parcel(each, channel, audience, chosen) for channel in reach(audience, channels)]
    return parcels


def directed(audience: Audience, route: Route, level: int) -> Audience:
    """An alert's own audience, as its route has it at this level."""
    step = next((each for each in route.levels if each.number == level), None)
    if step is not None and step.channels:
        channels = step.channels
    else:
        both = tuple(name for name in audience.channels if name in route.channels)
        channels = both or route.channels or audience.channels
    return replace(
        audience,
        channels=channels,
        mentions=tuple(dict.fromkeys((*audience.mentions, *route.mentions))),
        digest_from=route.digest_from or audience.digest_from,
        fallback=route.fallback or audience.fallback,
        language=route.language or audience.language,
        template=route.template or audience.template,
    )


def reach(audience: Audience, channels: Sequence[str]) -> tuple[str, ...]:
    """The channels on which an audience is told: those that it names, as far as they exist.

    If none of them does, all others: told in the wrong place is better than told to nobody.
    """
    return tuple(name for name in dict.fromkeys(audience.channels) if name in channels) or tuple(channels)
