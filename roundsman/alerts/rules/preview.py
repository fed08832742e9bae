"""Where an alert would go by the rules, and why: for people who write them. Pure.

Says what the rules ask for. What an alert asks for itself, such as the channels of a policy's level, is not known here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import Hours, Inhibition, Route, Rules
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention

_SEVERITIES = list(Severity)


@dataclass(frozen=True)
class Wait:
    """For somebody's hours to begin."""

    hours: Hours
    until: datetime | None
    """None: they never do."""


@dataclass(frozen=True)
class Preview:
    """One alert's way."""

    route: Route
    passed: tuple[tuple[Route, Matcher], ...]
    """The routes before it, each with the first of its matchers that does not mean the alert."""
    channels: tuple[str, ...]
    mentions: tuple[Mention, ...]
    """Who is called, whether at once or later."""
    wait: Wait | None
    """The whole message is held; None: it leaves at once."""
    off_duty: Mapping[Mention, Wait]
    """Who is called later than the others."""
    can_be_muted: tuple[Inhibition, ...]
    """By an open alert that their `source` means."""


def preview(rules: Rules, facts: Mapping[str, str], channels: Sequence[str], now: datetime) -> Preview:
    """The way of an alert with these facts, of which severity and level are two. `channels` are those set up."""
    route = rules.route_for(facts)
    step = next((each for each in route.levels if str(each.number) == facts["level"]), None)
    chosen = (step.channels if step is not None else ()) or route.channels
    mentions = tuple(dict.fromkeys((*(step.mentions if step is not None else ()), *route.mentions)))
    is_urgent = _SEVERITIES.index(Severity(facts["severity"])) <= _SEVERITIES.index(route.passes_from)
    wait = None if is_urgent else _wait(route.hours, now)
    waits = {} if is_urgent or wait else {each: _wait(rules.hours_of.get(each.key or ""), now) for each in mentions}
    return Preview(
        route,
        tuple(_passed(rules.routes, route, facts)),
        tuple(name for name in chosen if name in channels) or tuple(channels),
        mentions,
        wait,
        {mention: each for mention, each in waits.items() if each is not None},
        tuple(each for each in rules.inhibitions if all(matcher.covers(facts) for matcher in each.target)),
    )


def _passed(routes: Sequence[Route], chosen: Route, facts: Mapping[str, str]) -> Iterator[tuple[Route, Matcher]]:
    for route in routes:
        if route is chosen:
            return
        yield route, next(matcher for matcher in route.matchers if not matcher.covers(facts))


def _wait(hours: Hours | None, now: datetime) -> Wait | None:
    return None if hours is None or hours.is_open(now) else Wait(hours, hours.opens_at(now))
