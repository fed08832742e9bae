"""One incident, from the first unanswered message to its end: what is to be told now, and when to look again.

Pure and small, as everything else stands on it: the monitor makes it happen, the keeper asks it when a row is due, and
a simulation replays the past through it. An incident is one wait. People are told of it at most once a level, also when
the daemon was away while several levels fell due: then only the highest is told.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from roundsman.conversations.policies.policy import Plan, Policy
from roundsman.repositories.conversations import Page
from roundsman.repositories.watch_list import WaitingState, WatchRow

WARNING = 0
"""The level of a warning before the first target."""

CHECK_EVERY = timedelta(hours=1)
"""An open incident is looked at so often although nothing is due: its conversation may have been removed."""


class Facts(NamedTuple):
    """What is known of a conversation at a moment, as far as judgements go."""

    page: Page
    type: str
    tags: Sequence[str]
    state: WaitingState
    is_set_up: bool = True
    """False once the page was taken out of the settings."""


class Step(NamedTuple):
    """What one look leads to."""

    row: WatchRow
    """As it is from now on."""
    ended: bool
    """The wait that people were told of is over, or no longer anybody's business."""
    exclusion: str | None
    """Why it is nobody's business (a sentence), if so."""
    since: datetime | None
    """The start of the wait on the policy's clock."""
    plan: Plan | None
    """The moments of the present wait; None when nobody waits or it is excluded."""
    told: tuple[int, ...]
    """Levels that are told now, ascending; the message is of the last one. `WARNING` stands alone."""

    @property
    def is_over(self) -> bool:
        """Nothing is left to watch."""
        return self.row.state.is_idle and self.row.incident_since is None


def look(
    row: WatchRow,
    facts: Facts,
    policy: Policy,
    now: datetime,
    *,
    may_tell: bool = True,
    certain_until: datetime | None = None,
) -> Step:
    """Look at one conversation. `may_tell` is false while its data is too old to accuse anybody by.

    A wait of exactly the target is still fine: a level is told strictly after its moment. What lies behind
    `certain_until` may have been answered, as far as we know, so that levels of that time are not told yet.
    """
    row = _with_state(row, facts)
    exclusion = policy.exclusion(facts.page, facts.type, facts.tags, is_set_up=facts.is_set_up)
    since = None if exclusion else facts.state.since(policy.clock)
    ended = _is_ended(row, facts.state, policy, since)
    if ended:
        row = row._replace(incident_since=None, level=0, warned=False)
    if since is None:
        return Step(
            _due(row._replace(snoozed_until=None, snoozed_by=None), None, now), ended, exclusion, None, None, ()
        )
    plan = policy.plan(since, first=facts.state.answered(policy.clock) is None)
    reached = now if certain_until is None else min(now, certain_until)
    told = _told(row, plan, reached) if may_tell and not is_snoozed(row, now) else ()
    if told:
        row = row._replace(incident_since=row.incident_since or since)
        row = row._replace(warned=True) if told == (WARNING,) else row._replace(level=told[-1])
    return Step(_due(row, plan, now), ended, None, since, plan, told)


def next_look(row: WatchRow, facts: Facts, policy: Policy, now: datetime) -> WatchRow:
    """The row with the facts that have just become known, due when the monitor has something to do about it.

    Nothing is told or ended here: whatever that would take is due at once.
    """
    step = look(row, facts, policy, now, may_tell=False)
    if step.ended:
        return _with_state(row, facts)._replace(due_at=now)
    return step.row


def is_snoozed(row: WatchRow, now: datetime) -> bool:
    """Whether somebody has put it off."""
    return row.snoozed_until is not None and now < row.snoozed_until


def _with_state(row: WatchRow, facts: Facts) -> WatchRow:
    state = facts.state
    return row._replace(
        page_id=facts.page.page_id,
        waiting_since=state.waiting_since,
        human_waiting_since=state.human_waiting_since,
        answered_at=state.answered_at,
        human_answered_at=state.human_answered_at,
        recheck_at=state.recheck_at,
    )


def _is_ended(row: WatchRow, state: WaitingState, policy: Policy, since: datetime | None) -> bool:
    """An older message that turns up late moves the start of a wait and does not end it; an answer does."""
    if row.incident_since is None:
        return False
    answered = state.answered(policy.clock)
    return since is None or (answered is not None and answered >= row.incident_since)


def _told(row: WatchRow, plan: Plan, reached: datetime) -> tuple[int, ...]:
    levels = tuple(level for level, at in plan.levels if level > row.level and at < reached)
    if levels:
        return levels
    warns = plan.warn_at is not None and plan.warn_at < reached and row.level == 0 and not row.warned
    return (WARNING,) if warns else ()


def _next_check(since: datetime, now: datetime) -> datetime:
    """When to look whether a conversation of which everything was told still exists; regular, from its beginning on."""
    return since + CHECK_EVERY * (max(now - since, timedelta(0)) // CHECK_EVERY + 1)


def _due(row: WatchRow, plan: Plan | None, now: datetime) -> WatchRow:
    moments = [at for level, at in plan.levels if level > row.level] if plan is not None else []
    if plan is not None and plan.warn_at is not None and row.level == 0 and not row.warned:
        moments.append(plan.warn_at)
    due = min(moments, default=None)
    if due is None and row.incident_since is not None:
        due = _next_check(row.incident_since, now)
    if due is not None and row.snoozed_until is not None:
        due = max(due, row.snoozed_until)
    if row.recheck_at is not None:
        due = row.recheck_at if due is None else min(due, row.recheck_at)
    return row._replace(due_at=due)
