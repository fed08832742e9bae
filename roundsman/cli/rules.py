"""The rules of alerts in short, as `check-config` shows them."""

from collections.abc import Iterable
from typing import Any

from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import Inhibition, Route, RouteLevel, Rules
from roundsman.cli.output import print_table, say
from roundsman.clock import short_duration


def rules_row(rules: Rules) -> dict[str, Any]:
    """For programs."""
    return {
        "version": rules.version,
        "routes": [route_row(route) for route in rules.routes],
        "inhibitions": [
            {
                "name": each.name,
                "source": [str(matcher) for matcher in each.source],
                "target": [str(matcher) for matcher in each.target],
                "equal": list(each.equal),
            }
            for each in rules.inhibitions
        ],
    }


def route_row(route: Route) -> dict[str, Any]:
    """For programs."""
    return {
        "name": route.name,
        "match": [str(matcher) for matcher in route.matchers],
        "channels": list(route.channels),
        "fallback": list(route.fallback),
        "mention": [each.name for each in route.mentions],
        "calendar": route.hours.name if route.hours is not None else None,
        "passes_from": route.passes_from,
        "group_by": list(route.group_by),
        "digest_from": route.digest_from,
        "repeat": route.repeat,
        "levels": [
            {
                "number": each.number,
                "after": each.after,
                "to": [mention.name for mention in each.mentions],
                "channels": list(each.channels),
            }
            for each in route.levels
        ],
        "gives_up_after": route.gives_up_after,
        "language": route.language,
        "template": route.template,
    }


def print_rules(rules: Rules) -> None:
    """For people."""
    if rules.routes:
        print_table(
            ["ROUTE", "MATCHES", "CHANNELS", "FALLBACK", "HELD OUTSIDE", "REPEAT", "LEVELS"],
            [
                (
                    route.name,
                    matcher_words(route.matchers) or "all",
                    ", ".join(route.channels) or "as the alert says",
                    ", ".join(route.fallback),
                    _held(route),
                    short_duration(route.repeat) if route.repeat is not None else "",
                    "; ".join(level_words(level) for level in route.levels),
                )
                for route in rules.routes
            ],
        )
    print_table(
        ["INHIBITION", "WHILE OPEN", "MUTES", "WITH THE SAME"],
        [_inhibition(each) for each in rules.inhibitions],
    )
    say(f"Rules of alerts: version {rules.version}.")


def matcher_words(matchers: Iterable[Matcher]) -> str:
    """`kind=job_failing, severity=high`."""
    return ", ".join(str(each) for each in matchers)


def level_words(level: RouteLevel) -> str:
    """`30 min 00 s: Hoa on slack`."""
    where = f" on {', '.join(level.channels)}" if level.channels else ""
    return (
        f"{short_duration(level.after)}: {', '.join(each.name for each in level.mentions) or 'nobody by name'}{where}"
    )


def _held(route: Route) -> str:
    return f"{route.hours.name}, below {route.passes_from}" if route.hours is not None else ""


def _inhibition(each: Inhibition) -> tuple[str, str, str, str]:
    return each.name, matcher_words(each.source), matcher_words(each.target), ", ".join(each.equal)
