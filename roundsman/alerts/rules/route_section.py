"""`[[route]]` with its `[[route.level]]`."""

import re
from collections.abc import Sequence
from datetime import timedelta

from roundsman.alerts.rules.matcher_section import read_labels, read_matchers
from roundsman.alerts.rules.route import Route, RouteLevel, Wording
from roundsman.conversations.policies.names import Names
from roundsman.conversations.policies.section import Section, refuse_same_names, shown, suggestion
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention

_FOLDER = re.compile("[a-z0-9][a-z0-9_-]{0,59}")
SHORTEST_REPEAT = timedelta(minutes=1)
_SEVERITIES = {severity.value: severity for severity in Severity}
_WORDINGS = {wording.value: wording for wording in Wording}


def read_routes(sections: Sequence[Section], names: Names) -> tuple[Route, ...]:
    """All routes, as far as they can be read."""
    routes = [_route(section, names) for section in sections]
    refuse_same_names("route", sections)
    _refuse_unreachable(sections, routes)
    return tuple(route for route in routes if route is not None)


def _route(section: Section, names: Names) -> Route | None:
    """One route; None if nobody can say which alerts it is for."""
    name = section.text("name", required=True)
    if name is not None:
        section.label = f"route {shown(name)}"
    matchers = read_matchers(section, "match")
    channels, fallback = names.channels_in(section, "channels"), names.channels_in(section, "fallback")
    for channel in fallback:
        if channel in channels:
            section.fault("fallback", f"names {channel}, which is one of its channels; name another one")
    route = Route(
        name or "",
        matchers or (),
        channels,
        fallback,
        _mentions(section, "mention", names),
        section.one_of("calendar", names.calendars, "calendar"),
        section.one_of("passes_from", _SEVERITIES, "severity") or Severity.CRITICAL,
        read_labels(section, "group_by"),
        section.whole_number("digest_from", at_least=2, up_to=1000),
        _repeat(section),
        _levels(section, names),
        section.duration("gives_up_after"),
        _template(section),
        section.one_of("language", _WORDINGS, "language"),
    )
    section.refuse_unknown()
    return None if name is None or matchers is None else route


def _template(section: Section) -> str | None:
    name = section.text("template")
    if name is not None and not _FOLDER.fullmatch(name):
        section.fault(
            "template", f"is {shown(name)}, which names no folder of texts; use small letters, digits, - and _"
        )
        return None
    return name


def _repeat(section: Section) -> timedelta | None:
    repeat = section.duration("repeat")
    if repeat is not None and repeat < SHORTEST_REPEAT:
        section.fault("repeat", f"is {shown(section.values['repeat'])}; 1m or more is expected")
    return repeat


def _levels(section: Section, names: Names) -> tuple[RouteLevel, ...]:
    section.knows("level")
    tables = section.values.get("level", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        section.fault("level", "is no list of levels; begin each with [[route.level]]")
        return ()
    levels: list[RouteLevel] = []
    before = timedelta(0)
    for place, table in enumerate(tables):
        number = place + 2  # the alert's opening is level 1
        part = Section(section.faults, (*section.path, "level", place), f"{section.label}: level {number}", table)
        after = part.duration("after", required=True)
        if after is not None and after <= before:
            part.fault(
                "after", f"is {shown(table['after'])}, which is not later than the level before it; make it longer"
            )
        before = max(after or before, before)
        levels.append(RouteLevel(number, before, _mentions(part, "to", names), names.channels_in(part, "channels")))
        part.refuse_unknown()
    return tuple(levels)


def _mentions(section: Section, key: str, names: Names) -> tuple[Mention, ...]:
    """The people that a key lists by the names of staff and teams, each once."""
    found: list[Mention] = []
    for path, word in section.entries(key):
        person, team = names.staff.get(word), names.teams.get(word)
        called = (person.mention,) if person is not None else team.mentions if team is not None else ()
        reason = None
        if person is not None and team is not None:
            reason = f"both somebody and a team are called {shown(word)}; name one of the two anew"
        elif person is None and team is None:
            reason = f"nobody is called {shown(word)}{suggestion(word, [*names.staff, *names.teams])}"
        elif not called:
            reason = f"the team {word} has neither members nor a group that Slack or Telegram knows; add some"
        if reason is not None:
            section.faults.add(path, f"{section.label}: {key}: {reason}")
        found += called
    return tuple(dict.fromkeys(found))


def _refuse_unreachable(sections: Sequence[Section], routes: Sequence[Route | None]) -> None:
    """A route whose every alert meets the fewer demands of one before it."""
    earlier: list[tuple[Section, Route]] = []
    for section, route in zip(sections, routes, strict=True):
        if route is None:
            continue
        first = next((each for each in earlier if set(each[1].matchers) <= set(route.matchers)), None)
        if first is None:
            earlier.append((section, route))
            continue
        covers = "means all that it means" if first[1].matchers else "is for all"
        section.fault(None, f"is never in force, as {first[0].label} before it {covers}; move that behind it")
