"""Why a run stands where it stands: the first sentence answers, the others help."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.registry import WorkflowFacts
from roundsman.fsm.workflow import Next, Step, StepResult, Workflow
from roundsman.message import KindLimits, Rate
from roundsman.repositories.daemons import DaemonRecord
from roundsman.repositories.driving import DrivingFacts
from roundsman.repositories.queue_places import MessagePlace
from roundsman.repositories.runs import Run, RunStatus
from roundsman.runs.drivers import Drivers, DrivingJob
from roundsman.runs.findings import Findings, Holder, InQueue
from roundsman.runs.why import why

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
POLLER = DrivingJob("queue_poller", enabled=True)
NO_DAEMON = "No daemon is running on this store: start one with `roundsman run`."


class Parcel(Workflow):
    name: ClassVar[str] = "parcel"
    machine: ClassVar[Machine] = Machine(
        "packing",
        [Transition("packing", "packed", "gone"), Transition("packing", "returned", "back")],
        {"gone": Final.COMPLETED, "back": Final.CANCELLED},
    )

    def steps(self) -> Mapping[str, Step]:
        return {"packing": self.pack}

    def pack(self, ctx: RunContext) -> StepResult:
        return Next("packed")


FACTS = WorkflowFacts("parcel", Parcel, timedelta(minutes=5), 4, None, None, timedelta(seconds=2), None)
QUEUED = Run(
    id=42, workflow="parcel", status=RunStatus.QUEUED, state="packing", input={}, data={}, priority=5, group_key=None,
    dedup_key=None, correlation_id="c", sequence=0, attempt=0, crashes=0, progress=0, not_before=None, awaits=None,
    on_time=None, asked=None, owner=None, token=0, lease_until=None, message_id="7",
    created_at=NOW - timedelta(minutes=2), started_at=None, finished_at=None, keep_s=None, expires_at=None, error=None,
    retry_of=None, retry_from=None,
)  # fmt: skip


HERE = DrivingFacts("local", 8)


def daemon(*, silent_for: timedelta = timedelta(0), driving: DrivingFacts | None = HERE) -> DaemonRecord:
    began, heard = NOW - timedelta(hours=1), NOW - silent_for
    return DaemonRecord("box/x/17/1", "box", 17, "0.1.0", began, heard, "3 jobs", driving)


UP = Drivers(POLLER, [daemon()], [])


def told(run: Run, **facts: Any) -> list[str]:
    chosen: dict[str, Any] = {
        "drivers": UP, "facts": FACTS, "step": "pack",
        "message": InQueue("local", place=MessagePlace("ready", 0, None)),
    }  # fmt: skip
    return why(Findings(run=run, now=NOW, since=NOW - timedelta(minutes=1), **(chosen | facts)), ZONE)


# --- queued ---


def test_a_run_that_is_next_is_told_so() -> None:
    assert told(QUEUED) == ["Nothing holds it back: it is taken as soon as a worker is free."]


@pytest.mark.parametrize(
    ("drivers", "sentence"),
    [
        (Drivers(POLLER, [], []), NO_DAEMON),
        (
            Drivers(POLLER, [], [daemon(silent_for=timedelta(minutes=5))]),
            "The daemon on box (process 17) has given no sign of life for 5 min 00 s, and there is no other: start one "
            "with `roundsman run`.",
        ),
        (
            Drivers(POLLER, [daemon(driving=None)], []),
            "The daemon on box (process 17) drives no runs, as the job queue_poller was disabled when it started: see "
            "that JOB_QUEUE_POLLER_ENABLED is not off there, and restart it.",
        ),
        (Drivers(None, [daemon(driving=None)], []), "No job of this program drives runs."),
    ],
)
def test_when_nobody_drives_runs_that_is_all_there_is_to_say(drivers: Drivers, sentence: str) -> None:
    assert told(QUEUED, drivers=drivers) == [sentence]


def test_daemons_with_other_settings_are_named_as_the_limits_told_are_those_of_the_shell() -> None:
    theirs = DrivingFacts("redis 127.0.0.1:6379/0", 4, {"parcel": KindLimits(2, Rate(30, timedelta(minutes=1)))})
    drivers = Drivers(POLLER, [daemon(), daemon(driving=theirs), daemon(driving=None)], [])
    (sentence,) = drivers.others(HERE)
    assert sentence == (
        "The daemon on box (process 17) goes by other settings than this command: the queue is redis 127.0.0.1:6379/0 "
        "(here local); WORKER_CONCURRENCY is 4 (here 8); the concurrency of parcel is 2 (here no limit); the rate of "
        "parcel is 30 in 1 min 00 s (here no limit). Restart it if these are newer."
    )
    assert drivers.capacity() == 12
    assert told(QUEUED, others=(sentence,))[-1] == sentence
    assert next(drivers.others(theirs)).endswith(
        "WORKER_CONCURRENCY is 8 (here 4); the concurrency of parcel is no limit (here 2); "
        "the rate of parcel is no limit (here 30 in 1 min 00 s). Restart it if these are newer."
    )


def test_the_settings_of_a_daemon_survive_their_way_through_the_store() -> None:
    facts = DrivingFacts("local", 3, {"a": KindLimits(2), "b": KindLimits(rate=Rate(5, timedelta(seconds=1)))})
    assert DrivingFacts.parse(json.loads(json.dumps(facts.as_json()))) == facts
    assert DrivingFacts.parse(None) is None
    assert DrivingFacts.parse({"queue": "of another version"}) is None


def test_a_run_for_later_tells_when() -> None:
    later = replace(QUEUED, not_before=NOW + timedelta(seconds=90))
    assert told(later) == ["It is queued for later: it is due at 2026-03-03 11:01:30 +07 (in 1 min 30 s)."]


def test_a_failed_attempt_tells_its_reason_and_the_next_one() -> None:
    failed = replace(QUEUED, attempt=2, error="pack: no boxes", not_before=NOW + timedelta(seconds=4))
    assert told(failed) == [
        "Attempt 2 of 4 of its step has failed, and the next one is due at 2026-03-03 11:00:04 +07 (in 4.0 s): "
        "pack: no boxes."
    ]
    assert told(replace(failed, not_before=None))[0].startswith(
        "Attempt 2 of 4 of its step has failed, and the next one is due now"
    )


def test_processes_that_died_with_it_are_counted() -> None:
    assert told(replace(QUEUED, crashes=2))[0].startswith("2 processes died while its present step was under way")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {"message": InQueue("redis here", is_there=False)},
            "Its message is not in the queue (redis here): a daemon sends it in one of its next rounds, "
            "every half a minute.",
        ),
        ({"message": InQueue("redis", fault="Nobody is at home.")}, "The queue does not answer: Nobody is at home."),
        (
            {"message": InQueue("local", place=MessagePlace("ready", 1, None))},
            "1 message is before it in the queue.",
        ),
        (
            {"message": InQueue("local", place=MessagePlace("ready", 31_200, None))},
            "31,200 messages are before it in the queue.",
        ),
        (
            {"facts": replace(FACTS, concurrency=2), "under_way": 2},
            "2 runs of parcel are under way, and no more may be at a time (concurrency 2).",
        ),
        (
            {
                "facts": replace(FACTS, rate=Rate(30, timedelta(minutes=1))),
                "message": InQueue("local", next_token_at=NOW + timedelta(seconds=2)),
            },
            "The rate of parcel, 30 in 1 min 00 s, is used up: the next one may begin at 2026-03-03 11:00:02 +07 "
            "(in 2.0 s).",
        ),
        (
            {"facts": replace(FACTS, rate=Rate(5, timedelta(seconds=1))), "message": InQueue("sqs there")},
            "The rate of parcel, 5 in 1.0 s, may hold it back.",
        ),
        (
            {"all_under_way": 8},
            "8 runs are under way, and 1 daemon with 8 workers (WORKER_CONCURRENCY) in all can do no more at a "
            "time.",
        ),
    ],
)  # fmt: skip
def test_what_holds_a_due_run_back_is_the_answer(facts: dict[str, Any], sentence: str) -> None:
    assert told(QUEUED, **facts) == [sentence]


def test_a_group_names_the_run_that_it_is_at() -> None:
    grouped = replace(QUEUED, group_key="shop-1")
    held = InQueue("local", place=MessagePlace("held", 0, None), head=41)
    sentence = "It waits for its group 'shop-1', which goes one run at a time: run 41 is first."
    assert told(grouped, message=held) == [sentence]
    assert told(grouped, message=replace(held, head=42)) == told(QUEUED)
    waiting = replace(held, head_awaits=("approve", "reject"))
    assert told(grouped, message=waiting) == [f"{sentence[:-1]}, and waits for approve or reject."]


def test_a_workflow_that_is_gone_is_told() -> None:
    assert told(QUEUED, facts=None) == ["This program knows no workflow 'parcel': a daemon that does must take it."]


# --- under way ---

RUNNING = replace(
    QUEUED, status=RunStatus.RUNNING, started_at=NOW - timedelta(minutes=2), lease_until=NOW + timedelta(seconds=20)
)
HOLDER = Holder("box", 17, dead=False)


def test_a_run_under_way_tells_by_whom_since_when_and_how_long_it_may() -> None:
    assert told(RUNNING, holder=HOLDER) == [
        "It is under way: process 17 on box holds it, at the step pack, in the state 'packing' for 1 min 00 s.",
        "Its lease ends at 2026-03-03 11:00:20 +07 (in 20.0 s), and is renewed as long as that process lives.",
        "One attempt may take 5 min 00 s: its time is over at 2026-03-03 11:04:00 +07 (in 4 min 00 s).",
    ]


def test_a_dead_holder_is_told_and_who_will_free_the_run() -> None:
    sentences = told(RUNNING, holder=replace(HOLDER, dead=True), drivers=Drivers(POLLER, [], []))
    assert (
        sentences[1] == "That process is dead: a daemon on this machine frees the run within seconds, or at its start."
    )
    assert sentences[-1] == NO_DAEMON


def test_a_lease_that_ended_and_earlier_attempts_are_told() -> None:
    stale = replace(RUNNING, lease_until=NOW - timedelta(seconds=5), attempt=1, asked="pause")
    assert told(stale, holder=HOLDER)[1:] == [
        "Its lease ended at 2026-03-03 10:59:55 +07 (5.0 s ago) unrenewed: a daemon frees it within half a minute.",
        "Before, 1 of 4 attempts have failed; each attempt may take 5 min 00 s.",
        "It pauses at the end of this step; `roundsman runs resume 42` takes that back.",
    ]  # fmt: skip


# --- waiting, paused ---


def test_a_wait_for_events_tells_the_commands_that_end_it() -> None:
    waiting = replace(QUEUED, status=RunStatus.WAITING, awaits=["approve", "reject"])
    assert told(waiting, drivers=Drivers(POLLER, [], [])) == [
        "It waits for approve or reject, for 1 min 00 s: `roundsman runs signal 42 approve` or "
        "`roundsman runs signal 42 reject`."
    ]
    limited = replace(waiting, not_before=NOW + timedelta(hours=1), on_time="expired")
    assert told(limited)[1] == "If nothing comes, it takes expired at 2026-03-03 12:00:00 +07 (in 1 h 00 min)."


def test_a_wait_for_a_time_needs_somebody_who_drives() -> None:
    waiting = replace(QUEUED, status=RunStatus.WAITING, not_before=NOW + timedelta(hours=1), on_time="morning")
    sentence = "It waits for a time, and takes morning at 2026-03-03 12:00:00 +07 (in 1 h 00 min)."
    assert told(waiting) == [sentence]
    assert told(waiting, drivers=Drivers(POLLER, [], [])) == [sentence, NO_DAEMON]


def test_a_paused_run_tells_how_to_resume_it_and_what_then() -> None:
    paused = replace(QUEUED, status=RunStatus.PAUSED)
    first = "It was paused by hand, in the state 'packing': `roundsman runs resume 42` lets it go on."
    assert told(paused) == [first]
    assert told(replace(paused, awaits=["packed"])) == [first, "Then it waits for packed again."]
    assert told(replace(paused, not_before=NOW + timedelta(seconds=3), error="pack: no tape")) == [
        first, "Then it goes on at 2026-03-03 11:00:03 +07 (in 3.0 s).", "Its last attempt failed: pack: no tape.",
    ]  # fmt: skip


# --- finished ---


def ended(status: RunStatus, state: str, **facts: Any) -> Run:
    return replace(QUEUED, status=status, state=state, finished_at=NOW - timedelta(seconds=30), **facts)


def test_a_completed_run_tells_when_it_goes() -> None:
    kept = ended(RunStatus.COMPLETED, "gone", expires_at=NOW + timedelta(hours=3))
    assert told(kept) == [
        "It completed at 2026-03-03 10:59:30 +07 (30.0 s ago), in the state 'gone'.",
        "It is removed at 2026-03-03 14:00:00 +07 (in 3 h 00 min).",
    ]
    assert told(replace(kept, expires_at=NOW))[-1] == "The next round of cleanup removes it."
    assert told(replace(kept, expires_at=None))[-1] == "It is kept for ever."


def test_a_failed_run_tells_the_reason_and_how_to_repeat_it() -> None:
    failed = ended(RunStatus.FAILED, "packing", error="pack: no boxes (attempt 4 of 4)")
    assert told(failed)[:2] == [
        "It failed at 2026-03-03 10:59:30 +07 (30.0 s ago), in the state 'packing': pack: no boxes (attempt 4 of 4).",
        "`roundsman runs retry 42` repeats it as a new run, without what it has done already.",
    ]
    assert told(failed, retried_as=(43, 44))[1] == "It was retried as run 43 and run 44."


def test_a_cancellation_tells_whether_a_person_or_the_workflow_did_it() -> None:
    assert "(30.0 s ago): by hand, in the state 'packing'." in told(ended(RunStatus.CANCELLED, "packing"))[0]
    assert "(30.0 s ago): its workflow led it to 'back'." in told(ended(RunStatus.CANCELLED, "back"))[0]
