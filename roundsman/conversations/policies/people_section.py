"""`[staff.NAME]` and `[team.NAME]`."""

import re
from collections.abc import Mapping

from roundsman.conversations.policies.section import Section, shown, suggestion
from roundsman.conversations.policies.staff import Staff, Team
from roundsman.conversations.shifts.calendar import ShiftCalendar

_SLACK_MEMBER = re.compile(r"[UW][A-Z0-9]{2,20}")
_SLACK_GROUP = re.compile(r"S[A-Z0-9]{2,20}|<!subteam\^(S[A-Z0-9]{2,20})(\|[^>]*)?>")
_TELEGRAM = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,}")


def read_staff(section: Section, key: str, calendars: Mapping[str, ShiftCalendar]) -> Staff:
    """One person, as far as can be read."""
    staff = Staff(
        key,
        section.text("name") or key,
        tuple(sorted(set(section.texts("pancake")))),
        _matching(section, "slack", _SLACK_MEMBER, "is no member of Slack; copy the member ID, which begins with U"),
        _telegram(section),
        section.one_of("calendar", calendars, "calendar"),
    )
    section.refuse_unknown()
    return staff


def read_team(section: Section, key: str, staff: Mapping[str, Staff]) -> Team:
    """One team, as far as can be read."""
    members = []
    for path, name in section.entries("members"):
        if name in staff:
            members.append(staff[name])
        else:
            advice = suggestion(name, staff)
            section.faults.add(path, f"{section.label}: members: nobody is called {shown(name)}{advice}")
    team = Team(
        key,
        tuple(dict.fromkeys(members)),
        section.one_of("manager", staff, "staff"),
        _matching(section, "slack", _SLACK_GROUP, "is no user group of Slack; write its id, which begins with S"),
        _telegram(section),
        section.whole_number("digest_from", at_least=2, up_to=1000),
    )
    section.refuse_unknown()
    return team


def refuse_shared_accounts(sections: Mapping[str, Section], staff: Mapping[str, Staff]) -> None:
    """One account in Pancake is one person's."""
    owners: dict[str, str] = {}
    for key, person in staff.items():
        for account in person.pancake:
            if account in owners:
                other = sections[owners[account]]
                sections[key].fault(
                    "pancake",
                    f"{shown(account)} belongs to {other.label} in line {other.faults.line(other.path)} already;"
                    " keep one of the two",
                )
            owners.setdefault(account, key)


def _telegram(section: Section) -> str | None:
    return _matching(section, "telegram", _TELEGRAM, "is no id of Telegram; write digits or @name")


def _matching(section: Section, key: str, pattern: re.Pattern[str], reason: str) -> str | None:
    text = section.text(key)
    if text is not None and not pattern.fullmatch(text):
        section.fault(key, f"is {shown(text)}, which {reason}")
        return None
    return text
