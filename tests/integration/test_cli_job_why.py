"""`roundsman jobs why`: how a job fares, in sentences and as JSON."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ledger_rows import expect, tick, write

from roundsman.cli.commands import build
from roundsman.cli.session import Session
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_DONE, BadInputError
from roundsman.scheduling.job import Job, JobContext, Outcome, OutcomeKind

Capture = pytest.CaptureFixture[str]
MINUTE = timedelta(minutes=1)


class Sync(Job):
    name: ClassVar[str] = "sync"
    schedule: ClassVar[str] = "every 10m"
    expects: ClassVar[tuple[str, ...]] = ("messages",)

    def run(self, ctx: JobContext) -> Outcome:
        return Outcome.done()


class Nightly(Sync):
    name = "nightly"
    schedule = "30 2 * * *"
    expects = ()


class Desk:
    """Commands on one state folder, over a past that was written into its ledger."""

    def __init__(self, folder: Path, clock: ManualClock, capture: Capture, patch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self._capture = capture
        patch.chdir(folder)
        patch.setenv("ROUNDSMAN_STATE_DIR", str(folder / "state"))
        self.setenv = patch.setenv

    def session(self) -> Session:
        return Session((Sync, Nightly), self.clock)

    def out(self, *arguments: str) -> str:
        self._capture.readouterr()
        with closing(self.session()) as session, pytest.raises(SystemExit) as end:
            build()(args=list(arguments), prog_name="roundsman", obj=session)
        assert end.value.code == EXIT_DONE
        return self._capture.readouterr().out

    def why(self, job: str) -> Any:
        return json.loads(self.out("jobs", "why", job, "--json"))

    def past(self, *rows: dict[str, Any]) -> None:
        with closing(self.session()) as session:
            write(session.store, rows)

    def month(self, empty: int) -> None:
        """A sync that always brings four messages, but for the last runs."""
        start = self.clock.now() - timedelta(days=29)
        count = 29 * 144
        with closing(self.session()) as session:
            expect(session.store, ["sync"], start)
            write(
                session.store,
                (
                    tick(
                        "sync", start + number * 10 * MINUTE, counters={"messages": 0 if number >= count - empty else 4}
                    )
                    for number in range(count)
                ),
            )


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, clock, capsys, monkeypatch)


def test_a_job_that_never_ran(desk: Desk) -> None:
    assert desk.out("jobs", "why", "nightly").splitlines() == [
        "nightly has never ended a run that the ledger knows of.",
        "- People are told after one failure or 3 interruptions (JOB_NIGHTLY_ALERT_AFTER), once until a run is done.",
        "- No alert about it is open.",
    ]


def test_a_job_that_fails_says_since_when_and_what_would_be_told(desk: Desk) -> None:
    now = desk.clock.now()
    desk.past(
        tick("sync", now - 30 * MINUTE),
        *(tick("sync", now - each * MINUTE, OutcomeKind.FAILED, error="ValueError: no sheep") for each in (20, 10)),
    )
    out = desk.out("jobs", "why", "sync")
    assert out.startswith(
        "sync has not ended well 2 times in a row since 2026-03-03 03:40:00 UTC, last failed: ValueError: no sheep.\n"
    )
    assert "- What would change that: 1 more failure and people are told.\n" in out
    assert "  2026-03-03 03:50:00 UTC  failed: ValueError: no sheep\n" in out
    assert desk.why("sync")["facts"]["failures"] == 2


def test_what_is_usual_is_said_with_what_came(desk: Desk) -> None:
    desk.month(empty=0)
    out = desk.out("jobs", "why", "sync")
    assert "At this hour of the week a run usually brings messages=4.0, by 4.1 weeks of history; " in out
    assert "The last run that was done brought messages; its silence would be told after" in out
    facts = desk.why("sync")["facts"]
    assert facts["counters"][0]["silence"]["runs"] == 0


def test_a_silence_is_said_with_its_chance(desk: Desk) -> None:
    desk.month(empty=3)
    assert "The last 3 runs brought none where 12 are usual. By chance that happens once in" in desk.out(
        "jobs", "why", "sync"
    )
    assert not desk.why("sync")["facts"]["counters"][0]["silence"]["is_told"]


def test_a_long_silence_is_told(desk: Desk) -> None:
    desk.month(empty=40)
    assert "which is told." in desk.out("jobs", "why", "sync")
    silence = desk.why("sync")["facts"]["counters"][0]["silence"]
    assert silence["is_told"]
    assert silence["since"] == "2026-03-02T21:20:00Z"


def test_without_two_weeks_it_says_what_is_missing(desk: Desk) -> None:
    with closing(desk.session()) as session:
        expect(session.store, ["sync"], desk.clock.now() - timedelta(days=3))
    desk.past(
        *(tick("sync", desk.clock.now() - each * 10 * MINUTE, counters={"messages": 1}) for each in range(1, 400))
    )
    assert "What is usual for messages is not known yet" in desk.out("jobs", "why", "sync")


def test_a_job_whose_alerts_are_off_says_so(desk: Desk) -> None:
    desk.setenv("JOB_NIGHTLY_ALERT_AFTER", "off")
    assert "- People are told nothing of it, as JOB_NIGHTLY_ALERT_AFTER is off.\n" in desk.out("jobs", "why", "nightly")


def test_a_job_that_does_not_exist_is_told(desk: Desk) -> None:
    with closing(desk.session()) as session, pytest.raises(BadInputError, match="There is no job 'nigthly'"):
        build()(args=["jobs", "why", "nigthly"], prog_name="roundsman", obj=session)
