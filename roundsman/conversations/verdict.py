"""The verdict on one conversation at one moment: excluded, answered, unknown, fine or late, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from roundsman.conversations.charges import charges
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Plan, Policy
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.page_syncs import PageSync
from roundsman.repositories.watch_list import AnsweringClock, WaitingState

_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


class Judgement(StrEnum):
    """How a conversation stands. The earlier ones here take precedence."""

    EXCLUDED = "excluded"
    ANSWERED = "answered"
    UNKNOWN = "unknown"
    """It may have been answered: what we know of its page is too old, or was never complete."""
    FINE = "fine"
    LATE = "late"


@dataclass(frozen=True)
class Share:
    """A part of a wait, and who had the conversation then. Part of the JSON form of a verdict."""

    staff_id: str | None
    name: str | None
    minutes: float


@dataclass(frozen=True)
class Verdict:
    """One line of `conversations list`; the fields are its JSON form."""

    conversation_id: str
    page_id: str
    verdict: Judgement
    waiting_since: datetime | None
    human_waiting_since: datetime | None
    waited_minutes: float
    """Shift time on the clock in force, to a tenth; 0 when nobody waits."""
    due_at: datetime | None
    """When the wait becomes too long; None when nobody waits."""
    level: int
    """0 unless late; 1 is the first level of escalation."""
    reason: str
    policy: str
    response: str | None
    """`first` or `next`: which answer is waited for; None when nobody waits."""
    charged: tuple[Share, ...]
    """Whose time it is, the largest share first."""


def judge(
    watched: WatchedConversation,
    state: WaitingState,
    book: PolicyBook,
    at: datetime,
    *,
    sync: PageSync | None = None,
) -> Verdict:
    """Judge one conversation whose messages gave this state at this moment.

    `sync` is how far our knowledge of its page reaches, None where nothing promises to be fresh. A wait of exactly the
    target is still fine.
    """
    conversation = watched.conversation
    policy = book.policy_for(conversation.page_id, conversation.type, conversation.tags)
    since = state.since(policy.clock)
    first = state.answered(policy.clock) is None
    plan = policy.plan(since, first=first) if since is not None else None
    waited = policy.calendar.worked(since, at) if since is not None else timedelta(0)
    exclusion = policy.exclusion(watched.page, conversation.type, conversation.tags, is_set_up=watched.is_set_up)
    judgement, reason = _judgement(exclusion, state, policy, plan, waited, at, sync)
    return Verdict(
        conversation_id=conversation.conversation_id,
        page_id=conversation.page_id,
        verdict=judgement,
        waiting_since=state.waiting_since,
        human_waiting_since=state.human_waiting_since,
        waited_minutes=_minutes(waited),
        due_at=plan.due_at if plan else None,
        level=level_at(plan, at) if plan and judgement is Judgement.LATE else 0,
        reason=reason,
        policy=policy.name,
        response=("first" if first else "next") if plan else None,
        charged=shares(watched, since, at, policy, book) if since is not None else (),
    )


def shares(
    watched: WatchedConversation, start: datetime, end: datetime, policy: Policy, book: PolicyBook
) -> tuple[Share, ...]:
    """Whose shift time lies between two moments, with the names that we know."""
    found = charges(watched.conversation, start, end, policy, book.staff_by_pancake)
    return tuple(
        Share(None, None, _minutes(worked))
        if person is None
        else Share(person.id, _name(person.id, person.name, book), _minutes(worked))
        for person, worked in found
    )


def level_at(plan: Plan, at: datetime) -> int:
    """The highest level that is reached at a moment."""
    return max((level for level, moment in plan.levels if moment < at), default=0)


def is_stale(policy: Policy, fresh_at: datetime, at: datetime) -> bool:
    """Whether what we know is too old to accuse anybody by."""
    return at - fresh_at > policy.stale_after


def _name(staff_id: str, name: str | None, book: PolicyBook) -> str | None:
    known: Mapping[str, object] = book.staff_by_pancake
    return book.staff_by_pancake[staff_id].name if staff_id in known else name


def _judgement(
    exclusion: str | None,
    state: WaitingState,
    policy: Policy,
    plan: Plan | None,
    waited: timedelta,
    at: datetime,
    sync: PageSync | None,
) -> tuple[Judgement, str]:
    if exclusion is not None:
        return Judgement.EXCLUDED, exclusion
    if plan is None:
        return Judgement.ANSWERED, "Nobody waits: there is no customer message after the last answer."
    human = policy.clock is AnsweringClock.HUMAN
    whom = "a person's answer" if human else "an answer"
    if human and state.waiting_since is None:
        whom += " (only a bot has answered)"
    wait = f"The customer has waited {duration_in_words(waited)} for {whom}"
    if sync is not None and sync.fresh_at is None:
        return Judgement.UNKNOWN, f"{wait} as far as we know, but the page is not read completely yet."
    if sync is not None and sync.fresh_at is not None and is_stale(policy, sync.fresh_at, at):
        age = duration_in_words(at - sync.fresh_at)
        return Judgement.UNKNOWN, f"{wait} as far as we know, but our knowledge of the page is {age} old."
    limit = duration_in_words(policy.target(first=state.answered(policy.clock) is None))
    if plan.due_at is not None and plan.due_at < at:
        return Judgement.LATE, f"{wait}; {limit} are allowed."
    return Judgement.FINE, f"{wait}, of {limit} allowed."


def _minutes(duration: timedelta) -> float:
    return round(duration / _MINUTE, 1)


def duration_in_words(duration: timedelta) -> str:
    """`10 min 1 s`, `1 h`: to the second, as one second makes a wait late."""
    minutes, seconds = divmod(int(duration / _SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if number]
    return " ".join(parts) or "0 min"
