"""One incident: what is told at which moment, when to look again, and that neither depends on when one looks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations.incident import WARNING, Facts, Step, look, next_look
from roundsman.conversations.policies.policy import Level, Policy
from roundsman.repositories.conversations import Page
from roundsman.repositories.watch_list import AnsweringClock, WaitingState, WatchRow

NINE = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
ROW = WatchRow("100_1", "100")


def at(minute: float) -> datetime:
    return NINE + timedelta(minutes=minute)


def ladder(*minutes: float, warn_before: float | None = None, **facts: Any) -> Policy:
    """A policy whose levels are told after so many minutes; the first is the target."""
    target = timedelta(minutes=minutes[0])
    levels = (Level(1), *(Level(n, timedelta(minutes=each)) for n, each in enumerate(minutes[1:], start=2)))
    warning = None if warn_before is None else timedelta(minutes=warn_before)
    return Policy("ladder", target, target, levels=levels, warn_before=warning, **facts)


POLICY = ladder(15, 30, 60, warn_before=5)
"""Told after 10 (a warning), 15, 30 and 60 minutes."""


def known(
    since: float | None = None, answered: float | None = None, recheck: float | None = None, **facts: Any
) -> Facts:
    """A conversation whose customer waits on both clocks since that minute."""
    start, answer, future = (None if each is None else at(each) for each in (since, answered, recheck))
    return Facts(
        facts.get("page", Page("100")), facts.get("type", "INBOX"), facts.get("tags", ()),
        WaitingState(start, start, answer, answer, future),
    )  # fmt: skip


WAITS = known(0)
ANSWERED = known(answered=20)


def walked(minutes: Sequence[float], facts: Facts = WAITS, policy: Policy = POLICY, row: WatchRow = ROW) -> Step:
    """One look after the other, each at the row that the last one left; the last step."""
    step = None
    for minute in minutes:
        step = look(row, facts, policy, at(minute))
        row = step.row
    assert step is not None
    return step


# --- what is told ---


@pytest.mark.parametrize(("level", "minute"), [(WARNING, 10), (1, 15), (2, 30), (3, 60)])
def test_a_level_is_told_strictly_after_its_moment(level: int, minute: float) -> None:
    row = walked([minute]).row
    assert look(row, WAITS, POLICY, at(minute)).told == ()
    step = look(row, WAITS, POLICY, at(minute) + INSTANT)
    assert step.told == (level,)
    assert step.row.incident_since == at(0)


def test_after_an_absence_all_missed_levels_are_named_and_only_the_last_one_is_kept() -> None:
    step = walked([45])
    assert step.told == (1, 2)
    assert (step.row.level, step.row.due_at) == (2, at(60))


def test_a_warning_that_was_missed_is_not_made_up_for() -> None:
    step = walked([16, 17])
    assert (step.told, step.row.level, step.row.warned) == ((), 1, False)


def test_a_warning_opens_the_incident() -> None:
    step = walked([11])
    assert (step.told, step.row.incident_since, step.row.level, step.row.warned) == ((WARNING,), at(0), 0, True)
    assert step.row.due_at == at(15)


def test_nothing_is_told_while_the_data_is_too_old() -> None:
    step = look(ROW, WAITS, POLICY, at(45), may_tell=False)
    assert (step.told, step.row.incident_since) == ((), None)
    assert step.row.due_at == at(10)  # and it stays due


def test_only_what_was_certain_is_told() -> None:
    step = look(ROW, WAITS, POLICY, at(45), certain_until=at(29))
    assert (step.told, step.row.level, step.row.due_at) == ((1,), 1, at(30))  # and the rest stays due
    assert look(ROW, WAITS, POLICY, at(45), certain_until=at(10)).told == ()
    assert look(ROW, WAITS, POLICY, at(45), certain_until=at(15)).told == (WARNING,)
    assert look(ROW, WAITS, POLICY, at(16), certain_until=at(45)).told == (1,)


def test_the_clock_of_the_policy_counts() -> None:
    facts = Facts(Page("100"), "INBOX", (), WaitingState(None, at(0), answered_at=at(1)))  # a bot answered
    assert walked([16], facts).told == (1,)
    assert walked([16], facts, ladder(15, clock=AnsweringClock.CUSTOMER)).told == ()


def test_the_first_answer_and_the_next_have_targets_of_their_own() -> None:
    policy = Policy("two", timedelta(minutes=10), timedelta(minutes=30))
    assert walked([11], known(0), policy).told == (1,)
    assert walked([11], known(0, answered=-60), policy).told == ()
    assert walked([31], known(0, answered=-60), policy).told == (1,)


# --- when it ends ---


def test_an_answer_ends_what_was_told() -> None:
    step = look(walked([16]).row, ANSWERED, POLICY, at(21))
    assert (step.ended, step.is_over, step.row.level, step.row.incident_since) == (True, True, 0, None)
    assert step.row.due_at is None


def test_an_answer_ends_nothing_that_nobody_was_told_of() -> None:
    step = look(walked([9]).row, ANSWERED, POLICY, at(21))
    assert (step.ended, step.is_over) == (False, True)


def test_answered_and_waiting_again_is_a_new_incident() -> None:
    step = look(walked([45]).row, known(50, answered=46), POLICY, at(66))
    assert (step.ended, step.told) == (True, (1,))
    assert (step.row.incident_since, step.row.level) == (at(50), 1)


def test_an_answer_at_the_very_moment_of_the_message_ends_the_wait() -> None:
    assert look(walked([16]).row, known(5, answered=0), POLICY, at(17)).ended


def test_an_older_message_that_turns_up_moves_the_start_and_is_the_same_incident() -> None:
    step = look(walked([16]).row, known(-10), POLICY, at(17))
    assert (step.ended, step.told, step.row.incident_since) == (False, (), at(0))
    assert step.row.due_at == at(20)  # the second level, from the new start


def test_an_older_answer_that_turns_up_ends_nothing() -> None:
    step = look(walked([16]).row, known(0, answered=-1), POLICY, at(17))
    assert (step.ended, step.told) == (False, ())


def test_a_removed_message_ends_the_incident() -> None:
    step = look(walked([16]).row, known(), POLICY, at(17))
    assert (step.ended, step.is_over) == (True, True)


def test_when_only_the_first_message_was_removed_the_incident_goes_on() -> None:
    step = look(walked([16]).row, known(5), POLICY, at(34))
    assert (step.ended, step.told, step.row.level) == (False, (), 1)
    assert step.row.due_at == at(35)


def test_an_exclusion_ends_the_incident_and_says_why() -> None:
    step = look(walked([16]).row, known(0, tags=("Spam",)), POLICY, at(17))
    assert (step.ended, step.exclusion) == (True, "The tag 'Spam' excludes it.")
    assert (step.row.incident_since, step.row.due_at, step.is_over) == (None, None, False)


def test_when_the_exclusion_is_lifted_the_wait_is_told_anew() -> None:
    excluded = look(walked([16]).row, known(0, tags=("Spam",)), POLICY, at(17))
    step = look(excluded.row, WAITS, POLICY, at(18))
    assert (step.told, step.row.incident_since) == ((1,), at(0))


# --- when to look ---


def test_it_is_due_at_the_next_moment_of_its_plan() -> None:
    assert [walked([each]).row.due_at for each in (1, 11, 16, 31)] == [at(10), at(15), at(30), at(60)]


def test_what_was_told_to_the_end_is_looked_at_once_an_hour() -> None:
    assert walked([61]).row.due_at == at(120)
    assert walked([61, 120]).row.due_at == at(180)
    assert walked([61, 500]).row.due_at == at(540)


def test_a_message_from_the_future_is_looked_at_when_its_time_has_come() -> None:
    assert walked([1], known(0, recheck=3)).row.due_at == at(3)
    assert walked([1], known(recheck=3)).row.due_at == at(3)
    assert not walked([1], known(recheck=3)).is_over


def test_what_is_put_off_is_due_when_that_is_over() -> None:
    row = walked([11]).row._replace(snoozed_until=at(50), snoozed_by="Lan")
    assert next_look(row, WAITS, POLICY, at(12)).due_at == at(50)
    assert look(row, WAITS, POLICY, at(50) - INSTANT).told == ()
    assert look(row, WAITS, POLICY, at(50)).told == (1, 2)


def test_a_message_from_the_future_is_not_put_off() -> None:
    row = walked([11]).row._replace(snoozed_until=at(50), snoozed_by="Lan")
    assert next_look(row, known(0, recheck=20), POLICY, at(12)).due_at == at(20)


def test_an_answer_ends_the_putting_off() -> None:
    row = walked([11]).row._replace(snoozed_until=at(50), snoozed_by="Lan")
    step = look(row, ANSWERED, POLICY, at(21))
    assert (step.ended, step.row.snoozed_until, step.row.snoozed_by) == (True, None, None)


def test_news_that_end_an_incident_are_due_at_once_and_keep_what_was_told() -> None:
    told = walked([16]).row
    row = next_look(told, ANSWERED, POLICY, at(21))
    assert (row.due_at, row.incident_since, row.level) == (at(21), at(0), 1)
    assert row.answered_at == at(20)
    assert look(row, ANSWERED, POLICY, at(21)).ended


def test_news_tell_nothing() -> None:
    row = next_look(ROW, WAITS, POLICY, at(45))
    assert (row.level, row.incident_since, row.due_at) == (0, None, at(10))


# --- whatever the moments of the looks ---

moments = st.integers(-30, 240).map(float)
histories = st.lists(
    st.builds(
        known,
        since=st.none() | moments,
        answered=st.none() | moments,
        tags=st.sampled_from([(), (), ("Spam",)]),
    ),
    min_size=1,
    max_size=4,
)
policies = st.builds(
    ladder,
    *(st.integers(low, high).map(float) for low, high in ((1, 20), (21, 60), (61, 120))),
    warn_before=st.none() | st.integers(0, 20).map(float),
    calendar=st.just(POLICY.calendar),
)


def consistent(facts: Facts) -> bool:
    """A wait begins after the last answer."""
    state = facts.state
    return state.waiting_since is None or state.answered_at is None or state.waiting_since > state.answered_at


@given(
    policy=policies,
    facts=histories.map(lambda each: [one for one in each if consistent(one)]).filter(len),
    looks=st.lists(st.tuples(moments, st.booleans()), min_size=1, max_size=12).map(sorted),
    snoozed=st.none() | moments,
)
def test_levels_ascend_and_each_is_told_once_in_an_incident(
    policy: Policy, facts: list[Facts], looks: list[tuple[float, bool]], snoozed: float | None
) -> None:
    row = ROW._replace(snoozed_until=None if snoozed is None else at(snoozed))
    told: list[int] = []
    for number, (minute, may_tell) in enumerate(looks):
        now, present = at(minute), facts[number * len(facts) // len(looks)]
        step = look(row, present, policy, now, may_tell=may_tell)
        if step.ended:
            told = []
        assert not step.told or may_tell
        assert not step.told or not row.snoozed_until or now >= row.snoozed_until or step.since is None
        told += step.told
        assert told == sorted(set(told))
        assert step.row.level == max(told, default=0)
        assert (step.row.incident_since is not None) == bool(told)
        row = step.row


@given(
    policy=policies,
    facts=histories.map(lambda each: [one for one in each if consistent(one)]).filter(len),
    looks=st.lists(moments, min_size=1, max_size=6).map(sorted),
    ahead=st.floats(0, 1, exclude_max=True),
    snoozed=st.none() | moments,
)
def test_nothing_happens_before_the_row_is_due(
    policy: Policy, facts: list[Facts], looks: list[float], ahead: float, snoozed: float | None
) -> None:
    row = ROW._replace(snoozed_until=None if snoozed is None else at(snoozed))
    for minute in looks:
        present = facts[0]
        row = look(row, present, policy, at(minute)).row
        far = row.due_at or at(10_000)
        between = at(minute) + max(far - at(minute), timedelta(0)) * ahead
        early = look(row, present, policy, between)
        assert (early.told, early.ended) == ((), False)


@given(
    policy=policies,
    facts=histories.map(lambda each: [one for one in each if consistent(one)]).filter(len),
    looks=st.lists(moments, min_size=1, max_size=8).map(sorted),
)
def test_looking_twice_at_one_moment_is_looking_once(policy: Policy, facts: list[Facts], looks: list[float]) -> None:
    row = ROW
    for number, minute in enumerate(looks):
        present = facts[number * len(facts) // len(looks)]
        first = look(row, present, policy, at(minute))
        again = look(first.row, present, policy, at(minute))
        assert (again.told, again.ended, again.row) == ((), False, first.row)
        row = first.row


@given(
    policy=policies,
    facts=histories.map(lambda each: [one for one in each if consistent(one)]).filter(len),
    looks=st.lists(moments, min_size=1, max_size=8).map(sorted),
)
def test_what_news_leave_to_do_is_due(policy: Policy, facts: list[Facts], looks: list[float]) -> None:
    row = ROW
    for number, minute in enumerate(looks):
        now, present = at(minute), facts[number * len(facts) // len(looks)]
        kept = next_look(row, present, policy, now)
        step = look(kept, present, policy, now)
        if step.told or step.ended:
            assert kept.due_at is not None
            assert kept.due_at <= now
        row = look(row, present, policy, now).row
        assert row == step.row
