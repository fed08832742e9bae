"""Which endings of runs are worth telling, and which failures are the same."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.tick_watch import TickEnd
from roundsman.scheduling.job import Job, JobContext, Outcome, OutcomeKind
from roundsman.scheduling.ledger import Origin, TickState
from roundsman.scheduling.registry import JobFacts, register
from roundsman.watch.changes import FAILING, Changes
from roundsman.watch.endings import is_good, overrun, says_something, streak
from roundsman.watch.failing import Failing, judge_failing
from roundsman.watch.likeness import fingerprint, likeness

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DONE, FAILED, TIMED_OUT = OutcomeKind.DONE, OutcomeKind.FAILED, OutcomeKind.TIMED_OUT
INTERRUPTED, CANCELLED, SNOOZED = OutcomeKind.INTERRUPTED, OutcomeKind.CANCELLED, OutcomeKind.SNOOZED
OVERLAPPED = TickState.OVERLAPPED


def row(minutes_ago: float, outcome: OutcomeKind | None, **more: Any) -> TickEnd:
    due_at = NOW - minutes_ago * MINUTE
    facts: dict[str, Any] = {
        "id": 1, "job": "sync", "due_at": due_at, "origin": Origin.SCHEDULE, "state": TickState.RAN, "attempt": 1,
        "claimed_at": due_at, "started_at": due_at if outcome else None, "outcome": outcome, "error": None,
        "finished_at": due_at + timedelta(seconds=2) if outcome else None, "reason": None,
    }  # fmt: skip
    return TickEnd(**(facts | more))


def rows(*what: OutcomeKind | TickState | None) -> list[TickEnd]:
    """Newest first, a minute apart."""
    return [
        row(number, None, state=each) if isinstance(each, TickState) else row(number, each)
        for number, each in enumerate(what)
    ]


# --- streaks ---


@pytest.mark.parametrize(
    ("ends", "failures", "cut_off"),
    [
        ((FAILED, DONE), 1, 0),
        ((FAILED, TIMED_OUT, FAILED, DONE, FAILED), 3, 0),
        ((None, FAILED, FAILED, DONE), 2, 0),  # one is under way
        ((FAILED, CANCELLED, SNOOZED, FAILED, DONE), 2, 0),  # nothing was done, and nothing failed
        ((OVERLAPPED, OVERLAPPED, TIMED_OUT, DONE), 3, 0),  # it ignores its stop token and holds its thread
        ((OVERLAPPED, None, TIMED_OUT, DONE), 1, 0),  # the next run takes long; it has not failed yet
        ((TickState.MISSED, FAILED, TickState.PAUSED, FAILED, DONE), 2, 0),
        ((INTERRUPTED, INTERRUPTED, DONE), 0, 2),
    ],
)
def test_a_streak_counts_what_did_not_end_well_since_the_last_good_run(
    ends: Sequence[OutcomeKind | TickState | None], failures: int, cut_off: int
) -> None:
    found = streak(rows(*ends))
    assert found is not None
    assert (found.failures, found.cut_off, found.is_whole) == (failures, cut_off, True)


@pytest.mark.parametrize(
    "ends", [(), (DONE, FAILED), (CANCELLED, DONE, FAILED), (None, DONE), (OVERLAPPED, None, DONE)]
)
def test_a_good_run_ends_a_streak(ends: Sequence[OutcomeKind | TickState | None]) -> None:
    assert streak(rows(*ends)) is None
    assert is_good(rows(*ends)) == bool(ends)


def test_a_streak_without_a_good_run_before_it_may_be_longer() -> None:
    found = streak(rows(FAILED, FAILED))
    assert found is not None
    assert not found.is_whole
    assert found.since == NOW - MINUTE


def test_what_a_person_runs_by_hand_and_sees_failing_is_no_news() -> None:
    by_hand = row(0, FAILED, origin=Origin.MANUAL)
    assert streak([by_hand, row(1, DONE)]) is None
    assert not says_something([by_hand])
    assert is_good([row(0, DONE, origin=Origin.MANUAL), row(1, FAILED)])


def test_a_restart_that_cuts_a_run_off_is_no_failure_but_a_third_one_is() -> None:
    once, thrice = streak([row(0, INTERRUPTED), row(1, DONE)]), streak([row(0, INTERRUPTED, attempt=3), row(1, DONE)])
    assert once is not None
    assert not once.is_told(after=1)
    assert thrice is not None
    assert thrice.is_told(after=1)
    assert not thrice.is_told(after=5)


@given(st.lists(st.sampled_from([DONE, FAILED, TIMED_OUT, INTERRUPTED, CANCELLED, OVERLAPPED, None]), max_size=12))
def test_a_quick_look_and_a_long_one_agree(ends: list[OutcomeKind | TickState | None]) -> None:
    found = streak(rows(*ends))
    assert (found is not None) == (says_something(rows(*ends)) and not is_good(rows(*ends)))
    assert found is None or found.times > 0
    assert found is None or found.since <= found.last.due_at


# --- overruns ---


def _past(seconds: float, count: int = 5) -> list[TickEnd]:
    return [
        row(number + 60, DONE, finished_at=NOW - (number + 60) * MINUTE + timedelta(seconds=seconds))
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("minutes", "past", "allowed"),
    [
        (4.9, _past(0.1), None),  # long by its own standard, and not worth a word
        (5.1, _past(0.1), 5),
        (19, _past(120), None),
        (21, _past(120), 20),
        (59, _past(120, count=4), None),  # too few to say what is usual
        (62, [], 61),
        (62, _past(1200), 61),
    ],
)
def test_a_run_takes_too_long_past_ten_times_the_usual_or_its_timeout(
    minutes: float, past: list[TickEnd], allowed: float | None
) -> None:
    found = overrun(row(minutes, None), past, timedelta(hours=1), NOW)
    assert (found.allowed / MINUTE if found else None) == allowed


# --- likeness ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "OperationalError: connection to 10.0.0.7:5432 refused",
            "OperationalError: connection to 10.0.0.9:6432 refused",
        ),
        ("Page 10 failed at 2026-03-03T04:00:00Z", "Page 23 failed at 2026-03-04 11:12:13.5+07:00"),
        ("run 0e7c5f7e-1111-2222-3333-444455556666 is gone", "run aaaaaaaa-1111-2222-3333-444455556667 is gone"),
        ("object at 0x7f00aa", "object at 0x7f00ab12"),
        ("GET https://x.test/a?token=1b2 failed", "GET https://x.test/a?token=9zz&page=2 failed"),
        ("conversation zl_555_700 is broken", "conversation zl_556_812 is broken"),
        ("took 3.2 s", "took  41 s"),
    ],
)
def test_failures_are_alike_apart_from_numbers_ids_and_times(one: str, other: str) -> None:
    assert likeness(one) == likeness(other)
    assert fingerprint(one) == fingerprint(other)


def test_other_words_are_another_failure() -> None:
    assert fingerprint("ValueError: no sheep today") != fingerprint("ValueError: no goats today")


@given(st.text(max_size=400))
def test_likeness_is_the_same_for_itself_and_short(text: str) -> None:
    once = likeness(text)
    assert likeness(once) == once
    assert len(once) <= 300


# --- alerts ---


class Sync(Job):
    name = "sync"
    schedule = "every 30s"

    def run(self, ctx: JobContext) -> Outcome:
        raise NotImplementedError


class Nightly(Sync):
    name = "nightly"
    schedule = "30 2 * * *"


class Import(Sync):
    name = "import"
    schedule = "every 1h"


FACTS = {facts.name: facts for facts in register((Sync, Nightly, Import), {}, ZoneInfo("UTC")).jobs}


def failing(job: str, times: int, error: str = "ValueError: no sheep today") -> Failing:
    found = streak([*(row(number, FAILED, job=job, error=error) for number in range(times)), row(times, DONE)])
    assert found is not None
    return Failing(FACTS[job], found)


def judged(found: Sequence[Failing], told: Sequence[Alert] = (), **more: Any) -> Changes:
    watched = more.pop("watched", list(FACTS))
    return judge_failing({each.name: each for each in found}, watched, more.pop("unsure", ()), told, NOW)


def alert(*jobs: str, cause: str | None = None) -> Alert:
    return Alert(
        id=7, fingerprint=f"{FAILING}:{jobs[0]}", kind=FAILING, severity=Severity.HIGH, status=AlertStatus.FIRING,
        level=1, job="job_watch", labels={}, since_at=NOW, opened_at=NOW,
        annotations={"jobs": list(jobs), "cause": cause or fingerprint("ValueError: no sheep today")},
    )  # fmt: skip


def test_a_seldom_job_is_told_at_once_and_a_frequent_one_after_three() -> None:
    assert {name: facts.alert_after for name, facts in FACTS.items()} == {"sync": 3, "nightly": 1, "import": 3}
    assert not judged([failing("sync", 2)])
    (told,) = judged([failing("sync", 3)]).conditions
    assert (told.fingerprint, told.annotations["times"]) == ("job_failing:sync", 3)
    assert told.annotations["last_error"] == "ValueError: no sheep today"
    assert told.annotations["next_at"] == "2026-03-03T04:00:30Z"
    assert [each.subject for each in judged([failing("nightly", 1)]).conditions] == ["nightly"]


def test_the_same_failure_of_several_jobs_is_one_alert_that_names_them() -> None:
    changes = judged([failing("sync", 3), failing("import", 1), failing("nightly", 1, "ValueError: no goats today")])
    named = {each.subject: each.annotations["jobs"] for each in changes.conditions}
    assert named == {"nightly": ["nightly"], "sync": ["import", "sync"]}


def test_who_joins_later_is_added_and_told_by_no_alert_of_its_own() -> None:
    changes = judged([failing("sync", 9), failing("nightly", 1)], [alert("sync")])
    assert changes.conditions == []
    assert changes.notes == {"job_failing:sync": {"jobs": ["sync", "nightly"]}}


def test_who_is_named_is_told_by_no_other_alert_whatever_its_error_is_now() -> None:
    assert not judged([failing("sync", 9, "another error"), failing("nightly", 1)], [alert("sync", "nightly")])


def test_it_ends_when_the_last_of_them_is_done() -> None:
    assert not judged([failing("sync", 9)], [alert("sync", "nightly")])
    (ending,) = judged([], [alert("sync", "nightly")]).endings.items()
    assert ending[0] == "job_failing:sync"
    assert ending[1].text == "the next run was done"


def test_a_timeout_is_each_job_s_own() -> None:
    found = {job: streak([row(0, TIMED_OUT, job=job), row(1, DONE)]) for job in ("nightly", "sync")}
    one, other = (Failing(FACTS[job], each) for job, each in found.items() if each is not None)
    assert one.cause != other.cause


def test_of_a_job_whose_alerts_are_off_nothing_is_told_any_more() -> None:
    changes = judged([failing("sync", 9)], [alert("sync")], watched=["nightly"])
    assert changes.conditions == []
    assert [each.text for each in changes.endings.values()] == ["nobody is told of its failures any more"]


def test_a_paused_job_stays_as_it_was() -> None:
    assert not judged([], [alert("sync")], unsure=["sync"])


@pytest.mark.parametrize(("value", "after"), [("off", None), ("OFF", None), ("1", 1), (" 7 ", 7)])
def test_how_many_failures_are_told_can_be_set(value: str, after: int | None) -> None:
    facts: JobFacts = register((Sync,), {"sync": {"alert_after": value}}, ZoneInfo("UTC"))["sync"]
    assert facts.alert_after == after
