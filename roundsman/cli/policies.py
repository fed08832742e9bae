"""The book of policies in short, as `check-config` and `conversations calendar` show it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from roundsman.cli.output import print_table, say
from roundsman.clock import short_duration
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Level, Policy
from roundsman.conversations.shifts.calendar import ShiftCalendar

_NEXT_HOLIDAYS = 3
_LOOK_AHEAD = timedelta(days=400)


def book_row(book: PolicyBook, now: datetime) -> dict[str, Any]:
    """For programs."""
    return {
        "version": book.version,
        "calendars": calendar_rows(book.calendars, now),
        "policies": [_policy_row(policy) for policy in book.all_policies],
        "staff": [
            {"key": each.key, "name": each.name, "pancake": list(each.pancake), "teams": _teams(book, each.key)}
            for each in book.staff.values()
        ],
    }


def print_book(book: PolicyBook, now: datetime) -> None:
    """For people."""
    print_calendars(book.calendars, now)
    print_table(
        ["POLICY", "FOR", "CALENDAR", "FIRST", "NEXT", "LEVELS"],
        [
            (
                policy.name,
                _scope(policy) or ("all" if policy is not book.otherwise else "all others"),
                policy.calendar.name,
                short_duration(policy.first_response),
                short_duration(policy.next_response),
                "; ".join(_level(level) for level in policy.levels),
            )
            for policy in book.all_policies
        ],
    )
    if book.staff:
        print_table(
            ["STAFF", "NAME", "TEAMS", "IDS IN PANCAKE", "CALENDAR"],
            [
                (
                    each.key,
                    each.name,
                    ", ".join(_teams(book, each.key)),
                    len(each.pancake),
                    each.calendar.name if each.calendar else "",
                )
                for each in book.staff.values()
            ],
        )
    say(f"Policies: version {book.version}.")


def calendar_rows(calendars: Mapping[str, ShiftCalendar], now: datetime) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "name": name,
            "zone": calendar.zone.key,
            "hours_a_week": calendar.rules.week.duration / timedelta(hours=1),
            "open_now": calendar.is_open(now),
            "next_holidays": [{"date": day, "why": why} for day, why in _next_holidays(calendar, now)],
        }
        for name, calendar in calendars.items()
    ]


def print_calendars(calendars: Mapping[str, ShiftCalendar], now: datetime) -> None:
    """For people."""
    if not calendars:
        say("There is no calendar; they stand in the file that POLICIES_FILE names.")
        return
    print_table(
        ["CALENDAR", "ZONE", "HOURS A WEEK", "NEXT HOLIDAYS"],
        [
            (
                row["name"],
                row["zone"],
                f"{row['hours_a_week']:g}",
                ", ".join(f"{each['date']} {each['why']}" for each in row["next_holidays"]) or "none",
            )
            for row in calendar_rows(calendars, now)
        ],
    )


def _next_holidays(calendar: ShiftCalendar, now: datetime) -> Sequence[tuple[str, str]]:
    found = [
        (f"{closure.start.astimezone(calendar.zone):%Y-%m-%d}", closure.why)
        for closure in calendar.closures(now, now + _LOOK_AHEAD)
    ]
    return list(dict.fromkeys(found))[:_NEXT_HOLIDAYS]


def _policy_row(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "pages": list(policy.scope.pages),
        "types": list(policy.scope.types),
        "tags": list(policy.scope.tags),
        "calendar": policy.calendar.name,
        "clock": policy.clock,
        "first_response": policy.first_response,
        "next_response": policy.next_response,
        "warn_before": policy.warn_before,
        "stale_after": policy.stale_after,
        "comments": policy.comments,
        "team": policy.team.key if policy.team else None,
        "levels": [
            {"number": each.number, "after": each.after, "to": _recipients(each), "channels": list(each.channels)}
            for each in policy.levels
        ],
    }


def _scope(policy: Policy) -> str:
    parts = {"page": policy.scope.pages, "type": policy.scope.types, "tag": policy.scope.tags}
    return "; ".join(f"{kind} {', '.join(words)}" for kind, words in parts.items() if words)


def _level(level: Level) -> str:
    when = f"{short_duration(level.after)}: " if level.after else ""
    return f"{when}{', '.join(_recipients(level)) or 'all'}"


def _recipients(level: Level) -> list[str]:
    return [each.staff.key if each.staff else each.kind.value for each in level.to]


def _teams(book: PolicyBook, staff: str) -> list[str]:
    found = []
    for team in book.teams.values():
        if team.manager is not None and team.manager.key == staff:
            found.append(f"{team.key} (manager)")
        elif any(member.key == staff for member in team.members):
            found.append(team.key)
    return found
