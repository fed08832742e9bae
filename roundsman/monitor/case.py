"""What people are told of a customer who waits: the facts of the alert, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from roundsman.alerts.condition import Condition, Escalation
from roundsman.clock import iso
from roundsman.conversations.incident import WARNING, Step
from roundsman.conversations.platform import deep_link, platform_of
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.sender import ChatMessage, Sender
from roundsman.conversations.verdict import shares
from roundsman.conversations.waiting import first_answer
from roundsman.monitor.audience import audience_of
from roundsman.repositories.alerts import Resolution, Severity
from roundsman.repositories.conversations import WatchedConversation

KIND = "conversation_unreplied"
"""The name of the event in the original system; people have rules on it."""

_DIGITS_OF_A_PHONE_NUMBER = 7
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Case:
    """One conversation at one look of the monitor."""

    watched: WatchedConversation
    policy: Policy
    step: Step
    thread: Sequence[ChatMessage]
    incident_since: datetime | None
    """The wait that people had been told of before this look."""

    @property
    def fingerprint(self) -> str:
        return f"{KIND}:{self.watched.conversation.conversation_id}"


def condition(case: Case, book: PolicyBook, now: datetime) -> Condition:
    """The alert about a wait that goes on, as it is opened."""
    conversation, step = case.watched.conversation, case.step
    assert step.since is not None, "somebody waits when a level is told"
    return Condition(
        kind=KIND,
        subject=conversation.conversation_id,
        severity=severity_of(step.told[-1]),
        since=step.since,
        labels={
            "page_id": conversation.page_id,
            "conversation_id": conversation.conversation_id,
            "conversation_type": conversation.type,
        },
        annotations=_facts(case, book, now),
        level=step.told[-1],
        audience=audience_of(case.watched, case.policy, step.told, book, now),
        unanswered_after=unanswered_after(case.policy, step.told[-1], now),
    )


def escalation(case: Case, book: PolicyBook, now: datetime) -> Escalation:
    """The same alert as it rises."""
    told = case.step.told
    return Escalation(
        fingerprint=case.fingerprint,
        level=told[-1],
        audience=audience_of(case.watched, case.policy, told, book, now),
        annotations=_facts(case, book, now),
        severity=severity_of(told[-1]),
        unanswered_after=unanswered_after(case.policy, told[-1], now),
    )


def unanswered_after(policy: Policy, level: int, now: datetime) -> timedelta | None:
    """How long after the last level nobody is left who could be told, which the journal then says.

    It is as long, in shift time, as from the level before to the last one. A policy of one level is no chain.
    """
    if len(policy.levels) < 2 or level < policy.levels[-1].number:
        return None
    before, last = (each.after or policy.next_response for each in policy.levels[-2:])
    end = policy.calendar.after(now, max(last - before, _MINUTE))
    return None if end is None else end - now


def resolution(case: Case, book: PolicyBook, now: datetime) -> Resolution:
    """How the wait that people were told of ended."""
    since = case.incident_since
    assert since is not None, "people were told of it"
    known = end_of(case.watched, case.thread, since, book, now)
    return known or Resolution("the customer's message was removed")


def end_of(
    watched: WatchedConversation, thread: Sequence[ChatMessage], since: datetime, book: PolicyBook, now: datetime
) -> Resolution | None:
    """What ended the wait that began at `since`, if that is known: an answer, or it is nobody's business any more."""
    conversation = watched.conversation
    policy = book.policy_for(conversation.page_id, conversation.type, conversation.tags)
    exclusion = policy.exclusion(watched.page, conversation.type, conversation.tags, is_set_up=watched.is_set_up)
    if exclusion is not None:
        return Resolution(exclusion.rstrip("."))
    answer = first_answer(thread, since, policy.clock, now)
    if answer is None:
        return None
    facts: dict[str, Any] = {
        "answered_at": iso(answer.sent_at),
        "answered_by": answer.sender_name,
        "waited_minutes": int(policy.calendar.worked(since, answer.sent_at) / _MINUTE),
        "charged": _charged(watched, policy, since, answer.sent_at, book),
    }
    return Resolution("answered", facts)


def severity_of(level: int) -> Severity:
    """How bad a level is: whoever is told last is to see it first."""
    if level == WARNING:
        return Severity.LOW
    return Severity.MEDIUM if level == 1 else Severity.HIGH


def _facts(case: Case, book: PolicyBook, now: datetime) -> dict[str, Any]:
    """What the texts are made of."""
    conversation, page, policy, since = case.watched.conversation, case.watched.page, case.policy, case.step.since
    assert since is not None
    assert case.step.plan is not None
    state = case.step.row.state
    first = state.answered(policy.clock) is None
    has_two_targets = policy.target(first=True) != policy.target(first=False)
    bot_answered = state.answered_at if state.answered_at is not None and state.answered_at >= since else None
    return {
        "customer_name": _customer_name(case),
        "page_name": page.name or page.page_id,
        "conversation_type": conversation.type,
        "platform": platform_of(conversation).value,
        "waited_minutes": int(policy.calendar.worked(since, now) / _MINUTE),
        "threshold_minutes": _minutes(policy.target(first=first)),
        "target": ("first" if first else "next") if has_two_targets else None,
        "due_at": iso(case.step.plan.due_at) if case.step.plan.due_at else None,
        "waiting_since": iso(state.waiting_since) if state.waiting_since else None,
        "human_waiting_since": iso(state.human_waiting_since) if state.human_waiting_since else None,
        "bot_answered_at": iso(bot_answered) if bot_answered else None,
        "policy": policy.name,
        "charged": _charged(case.watched, policy, since, now, book),
        "link": deep_link(page, conversation),
    }


def _charged(
    watched: WatchedConversation, policy: Policy, start: datetime, end: datetime, book: PolicyBook
) -> list[dict[str, Any]]:
    found = shares(watched, start, end, policy, book)
    return [{"name": share.name, "minutes": int(share.minutes)} for share in found if share.staff_id is not None]


def _minutes(duration: timedelta) -> int | float:
    minutes = round(duration / _MINUTE, 1)
    return int(minutes) if minutes.is_integer() else minutes


def _customer_name(case: Case) -> str | None:
    """The customer's name; not one that holds a telephone number, as messages go to group chats."""
    names = [case.watched.conversation.customer_name]
    names += [each.sender_name for each in reversed(case.thread) if each.sender is Sender.CUSTOMER]
    for name in names:
        if name and sum(char.isdigit() for char in name) < _DIGITS_OF_A_PHONE_NUMBER:
            return name
    return None
