"""Answers in English."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from roundsman.alerts.action import Action
from roundsman.alerts.reply import Reply
from roundsman.alerts.templates import en

LABELS: Mapping[Action, str] = {
    Action.ACKNOWLEDGE: "Acknowledge",
    Action.CLAIM: "I take it",
    Action.SNOOZE_SHORT: "Snooze 30 min",
    Action.SNOOZE_LONG: "2 h",
    Action.SNOOZE_SHIFT: "Until shift",
    Action.RESOLVE: "Dealt with",
}
OVER = "This is over already; nothing was changed."
UNKNOWN = "There is no such alert any more."
NOT_OURS = "This button is not known here any more; nothing was changed."
NO_SHIFT = "No shift begins after this one, as far as the calendars say; choose a time."


def acknowledged(by: str, at: str) -> str:
    return f"Acknowledged by {by} {at}".rstrip()


def snoozed(by: str, until: str) -> str:
    return f"Snoozed by {by} until {until}"


def taken_of(taken: int, total: int, names: Sequence[str]) -> str:
    return f"{taken} of {total} in the hands of {', '.join(names)}"


def moment(at: datetime, now: datetime) -> str:
    """`10:42`, and the day if it is another one."""
    return f"{at:%H:%M}" if at.date() == now.date() else en.moment(at)


def done(reply: Reply, until: str) -> str:
    what = "" if reply.count == 1 else f", {reply.count} alerts"
    if reply.action.is_snooze:
        return f"Snoozed until {until}{what}."
    if reply.action is Action.RESOLVE:
        return f"Marked as dealt with{what}."
    return f"Yours now{what}." if reply.action is Action.CLAIM else f"Acknowledged{what}."


def somebody_has_it(holder: str) -> str:
    return f"{holder} has it already; press “{LABELS[Action.CLAIM]}” to take it over."


def so_already(action: Action) -> str:
    return "It is snoozed until then already." if action.is_snooze else "It is yours already."


def stranger(place: str) -> str:
    return f"You may not answer here; ask for {place} to be let in."
