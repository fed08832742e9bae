"""The verdict on one conversation at one moment: excluded, answered, fine or late, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from roundsman.conversations.policy import WaitingPolicy
from roundsman.repositories.conversations import AnsweringClock, WaitingState, WatchedConversation


class Judgement(StrEnum):
    """How a conversation stands. The earlier ones here take precedence."""

    EXCLUDED = "excluded"
    ANSWERED = "answered"
    FINE = "fine"
    LATE = "late"


@dataclass(frozen=True)
class Verdict:
    """One line of `conversations list`; the fields are its JSON form."""

    conversation_id: str
    page_id: str
    verdict: Judgement
    waiting_since: datetime | None
    human_waiting_since: datetime | None
    waited_minutes: float
    """On the clock in force, to a tenth; 0 when nobody waits."""
    due_at: datetime | None
    """When the wait becomes too long; None when nobody waits."""
    level: int
    """0 unless late; 1 is the first level of escalation."""
    reason: str


def judge(watched: WatchedConversation, state: WaitingState, policy: WaitingPolicy, at: datetime) -> Verdict:
    """Judge one conversation whose messages gave this state at this moment.

    A wait of exactly the threshold is still fine.
    """
    since = state.since(policy.clock)
    waited = max(at - since, timedelta(0)) if since else timedelta(0)
    judgement, reason = _judgement(policy.exclusion(watched), state, policy, waited)
    return Verdict(
        conversation_id=watched.conversation.conversation_id,
        page_id=watched.conversation.page_id,
        verdict=judgement,
        waiting_since=state.waiting_since,
        human_waiting_since=state.human_waiting_since,
        waited_minutes=round(waited / timedelta(minutes=1), 1),
        due_at=since + policy.threshold if since else None,
        level=int(judgement is Judgement.LATE),
        reason=reason,
    )


def _judgement(
    exclusion: str | None, state: WaitingState, policy: WaitingPolicy, waited: timedelta
) -> tuple[Judgement, str]:
    if exclusion is not None:
        return Judgement.EXCLUDED, exclusion
    if state.since(policy.clock) is None:
        return Judgement.ANSWERED, "Nobody waits: there is no customer message after the last answer."
    whom = "a person's answer" if policy.clock is AnsweringClock.HUMAN else "an answer"
    if policy.clock is AnsweringClock.HUMAN and state.waiting_since is None:
        whom += " (only a bot has answered)"
    wait = f"The customer has waited {_minutes(waited)} for {whom}"
    limit = _minutes(policy.threshold)
    if waited > policy.threshold:
        return Judgement.LATE, f"{wait}; {limit} are allowed."
    return Judgement.FINE, f"{wait}, of {limit} allowed."


def _minutes(duration: timedelta) -> str:
    return f"{round(duration / timedelta(minutes=1), 1):g} min"
