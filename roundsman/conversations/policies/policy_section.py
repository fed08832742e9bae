"""`[[policy]]` with its `[[policy.level]]`."""

from datetime import timedelta

from roundsman.conversations.exclusions import plain_letters
from roundsman.conversations.policies.names import Names
from roundsman.conversations.policies.policy import Level, Policy, Recipient, RecipientKind, Scope
from roundsman.conversations.policies.section import Section, refuse_same_names, shown, suggestion
from roundsman.conversations.policies.staff import Staff, Team
from roundsman.conversations.shifts.calendar import ALWAYS
from roundsman.repositories.watch_list import AnsweringClock

_UNKNOWN_TEAM = Team("", manager=Staff("", ""))
"""Stands for a name that is a fault already, so that no level complains of it as well."""
_SCOPE = frozenset({"pages", "types", "tags"})
_CLOCKS = {clock.value: clock for clock in AnsweringClock}


def read_policy(section: Section, names: Names) -> Policy | None:
    """One policy; None if it is not worth looking at further."""
    name = section.text("name", required=True)
    if name is not None:
        section.label = f"policy {shown(name)}"
    first = section.duration("first_response", required=True)
    following = section.duration("next_response") or first
    warn_before, stale_after = section.duration("warn_before"), section.duration("stale_after")
    if warn_before and first and following and warn_before >= min(first, following):
        section.fault("warn_before", "is not shorter than the time that is allowed; make it shorter")
    team = section.one_of("team", names.teams, "team") or (_UNKNOWN_TEAM if "team" in section.values else None)
    levels = _levels(section, team, names, max(first or timedelta(0), following or timedelta(0)))
    defaults = Policy("", timedelta(minutes=1), timedelta(minutes=1))
    excluded = _tags(section, "exclude_tags")
    policy = Policy(
        name or "",
        first or defaults.first_response,
        following or defaults.next_response,
        scope=Scope(
            tuple(sorted(set(section.texts("pages")))),
            tuple(sorted({kind.upper() for kind in section.texts("types")})),
            _tags(section, "tags"),
        ),
        clock=section.one_of("clock", _CLOCKS, "clock") or defaults.clock,
        calendar=section.one_of("calendar", names.calendars, "calendar") or ALWAYS,
        warn_before=warn_before,
        stale_after=stale_after or defaults.stale_after,
        exclude_tags=excluded if "exclude_tags" in section.values else defaults.exclude_tags,
        waiting_on_customer_tags=_tags(section, "waiting_on_customer_tags"),
        comments=section.flag("comments"),
        team=team,
        levels=levels or defaults.levels,
    )
    section.refuse_unknown()
    return policy if name and first else None


def _tags(section: Section, key: str) -> tuple[str, ...]:
    found = []
    for path, text in section.entries(key):
        plain = plain_letters(text)
        if not plain:
            section.faults.add(path, f"{section.label}: {key}: {shown(text)} holds no letter and no digit")
        found.append(plain)
    return tuple(sorted(set(filter(None, found))))


def _levels(section: Section, team: Team | None, names: Names, target: timedelta) -> tuple[Level, ...]:
    section.knows("level")
    tables = section.values.get("level", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        section.fault("level", "is no list of levels; begin each with [[policy.level]]")
        return ()
    levels: list[Level] = []
    before = target
    for place, table in enumerate(tables):
        number = place + 1
        part = Section(section.faults, (*section.path, "level", place), f"{section.label}: level {number}", table)
        after = part.duration("after")
        to = tuple(_recipients(part, team, names))
        levels.append(Level(number, after, to, names.channels_in(part, "channels")))
        part.refuse_unknown()
        if after is not None and (after < before or (after == before and number > 1)):
            earlier = "the level before it" if number > 1 and before > target else "the time that is allowed"
            part.fault("after", f"is {shown(table['after'])}, which is not later than {earlier}; make it longer")
        elif after is None and number > 1 and "after" not in table:
            part.fault(None, "after is missing; write the shift time since the wait began, such as 30m")
        before = max(after or before, before)
    return tuple(levels)


def _recipients(part: Section, team: Team | None, names: Names) -> list[Recipient]:
    found: list[Recipient] = []
    for path, word in part.entries("to"):
        reason = None
        if word in (RecipientKind.ASSIGNEE, RecipientKind.TEAM, RecipientKind.MANAGER):
            kind = RecipientKind(word)
            if kind is not RecipientKind.ASSIGNEE and team is None:
                reason = f'names the {word}, but the policy has no team; set one, such as team = "sales"'
            elif kind is RecipientKind.MANAGER and team is not None and team.manager is None:
                reason = f"names the manager, but the team {team.key} has none; set one"
            found.append(Recipient(kind))
        elif word in names.staff:
            found.append(Recipient(RecipientKind.STAFF, names.staff[word]))
        else:
            reason = f"nobody is called {shown(word)}{suggestion(word, [*names.staff, 'assignee', 'team', 'manager'])}"
        if reason:
            part.faults.add(path, f"{part.label}: to: {reason}")
    return list(dict.fromkeys(found))


def refuse_unreachable(sections: list[Section], policies: list[Policy | None]) -> None:
    """Names that come twice, and policies that no conversation can reach."""
    refuse_same_names("policy", sections)
    everything: Section | None = None
    for section, policy in zip(sections, policies, strict=True):
        if everything is not None:
            section.fault(None, f"is never in force, as {everything.label} before it is for all; move that to the end")
        restricts = _SCOPE & section.values.keys()  # also one that is a fault for itself
        if everything is None and policy is not None and policy.scope.is_everything and not restricts:
            everything = section
