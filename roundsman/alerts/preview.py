"""Where an alert would go by the rules, and why: for people who write them. Pure.

It goes through the very stages that news goes through, so this never says what the pipeline would not do. What an alert
asks for itself, such as the channels of a policy's level, is not known here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from roundsman.alerts.news import News, Parcel
from roundsman.alerts.rules.facts import NAMES
from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import Hours, Inhibition, Route, Rules
from roundsman.alerts.stages.quiet import keep_quiet
from roundsman.alerts.stages.route import route
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Audience, Mention


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
    news = _news(rules, facts, now)
    parcels = route([news], rules, channels)
    parts = keep_quiet(parcels, rules, now)
    chosen, mentions = parcels[0].route, parcels[0].audience.mentions
    at_once = [each for each in parts if each.hold is None]
    called = {mention for each in at_once for mention in each.audience.mentions}
    return Preview(
        chosen,
        tuple(_passed(rules.routes, chosen, facts)),
        tuple(dict.fromkeys(each.channel for each in parcels)),
        mentions,
        None if at_once else _wait(rules, parts[0], now),
        {each: _own_wait(rules, each, now) for each in mentions if each not in called} if at_once else {},
        tuple(each for each in rules.inhibitions if all(matcher.covers(news.facts) for matcher in each.target)),
    )


def _news(rules: Rules, facts: Mapping[str, str], now: datetime) -> News:
    """Such an alert as it is opened, or as it rises to a level of its route."""
    team, level = facts.get("team"), int(facts["level"])
    step = next((each for each in rules.route_for(facts).levels if each.number == level), None)
    return News(
        alert_id=0,
        kind=facts["kind"],
        severity=Severity(facts["severity"]),
        level=level,
        since=now,
        audience=Audience(team, step.channels, step.mentions) if step is not None else Audience(team),
        subject=facts.get("subject", ""),
        job=facts.get("job"),
        labels={name: value for name, value in facts.items() if name not in NAMES},
    )


def _wait(rules: Rules, held: Parcel, now: datetime) -> Wait:
    """Of a message that is held as a whole."""
    hours = held.route.hours
    if hours is not None and not hours.is_open(now):
        return Wait(hours, hours.opens_at(now))
    waits = [_own_wait(rules, each, now) for each in held.audience.mentions if _is_off(rules, each, now)]
    return waits[0]  # of a chat with somebody who is off duty


def _own_wait(rules: Rules, mention: Mention, now: datetime) -> Wait:
    hours = rules.hours_of[mention.key or ""]
    return Wait(hours, hours.opens_at(now))


def _is_off(rules: Rules, mention: Mention, now: datetime) -> bool:
    hours = rules.hours_of.get(mention.key or "")
    return hours is not None and not hours.is_open(now)


def _passed(routes: Sequence[Route], chosen: Route, facts: Mapping[str, str]) -> Iterator[tuple[Route, Matcher]]:
    for each in routes:
        if each is chosen:
            return
        yield each, next(matcher for matcher in each.matchers if not matcher.covers(facts))
