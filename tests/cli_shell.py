"""The commands about runs as a person calls them: in this process, on a real store, under a clock of our own."""

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobs import JOBS
from roundsman.cli.commands import build
from roundsman.cli.session import Session
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_DONE, BadInputError
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.workflow import Fail, Next, Step, StepResult, Workflow, review
from roundsman.owner import Owner
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.run_record import LogLine, RunRecord
from roundsman.workflows import WORKFLOWS

Capture = pytest.CaptureFixture[str]


class Letter(Workflow):
    """A letter that a person reads before it goes."""

    name: ClassVar[str] = "letter"
    machine: ClassVar[Machine] = Machine(
        "writing",
        [
            Transition("writing", "written", "in_review"),
            Transition("in_review", "approve", "sending"),
            Transition("in_review", "reject", "dropped"),
            Transition("sending", "sent", "gone"),
        ],
        {"gone": Final.COMPLETED, "dropped": Final.CANCELLED},
    )

    def check(self, data: Mapping[str, Any]) -> None:
        if not isinstance(data.get("to", ""), str):
            raise BadInputError("to: is no text; give a name.")

    def steps(self) -> Mapping[str, Step]:
        return {"writing": self.write, "in_review": self.ask, "sending": self.send}

    def write(self, ctx: RunContext) -> StepResult:
        if ctx.input.get("to") == "ctrl-c":
            os.kill(os.getpid(), signal.SIGINT)  # as if it were pressed at this moment
        ctx.log.info("Dear %s,\nhow are you? \x1b[2J", ctx.input.get("to", "you"))
        return Next("written", {"text": "Dear you"})

    def ask(self, ctx: RunContext) -> StepResult:
        return review()

    def send(self, ctx: RunContext) -> StepResult:
        if ctx.input.get("to") == "nobody":
            raise Fail("nobody lives \x1b[31mthere")
        return Next("sent")


class Shell:
    """Commands on one state folder. `between` is called between two looks of a command that waits."""

    def __init__(self, folder: Path, clock: ManualClock, capture: Capture, patch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self.folder = folder
        self.between: Callable[[float], object] = lambda seconds: pytest.fail("nothing was to be waited for")
        self._capture = capture
        self._patch = patch
        self._said: list[list[str]] = []
        patch.chdir(folder)
        patch.setenv("ROUNDSMAN_STATE_DIR", str(folder / "state"))
        self.setenv = patch.setenv

    def session(self) -> Session:
        return Session(JOBS, self.clock, workflows=(*WORKFLOWS, Letter), pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self.between(seconds)

    def run(self, *arguments: str, stdin: str | bytes | None = None) -> tuple[int, str, str]:
        """Exit code, stdout, stderr. Raises the RoundsmanError that `main` would print."""
        if stdin is not None:
            data = stdin.encode() if isinstance(stdin, str) else stdin
            self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        session = self.session()
        self._said_so_far()  # by the command that this one is called from, if it waits
        self._said.append(["", ""])
        try:
            with closing(session), pytest.raises(SystemExit) as end:
                build()(args=list(arguments), prog_name="roundsman", obj=session)
        finally:
            self._said_so_far()
            out, err = self._said.pop()
        assert isinstance(end.value.code, int)
        return end.value.code, out, err

    def _said_so_far(self) -> None:
        said = self._capture.readouterr()
        if self._said:
            self._said[-1][0] += said.out
            self._said[-1][1] += said.err

    def out(self, *arguments: str, stdin: str | bytes | None = None) -> str:
        code, out, _ = self.run(*arguments, stdin=stdin)
        assert code == EXIT_DONE
        return out

    def json(self, *arguments: str, stdin: str | bytes | None = None) -> Any:
        return json.loads(self.out(*arguments, "--json", stdin=stdin))

    def store(self, work: Callable[[Session], object]) -> None:
        with closing(self.session()) as session:
            work(session)

    def daemon(self, **driving: Any) -> None:
        """A daemon has just given a sign of life; it goes by the settings of this shell, but for these."""
        owner = Owner.this_process()

        def beat(session: Session) -> None:
            now = self.clock.now()
            with session.store.write() as connection:
                job = session.app.driving_job
                drives = job is not None and job.enabled
                facts = replace(session.app.runs.driving_facts, **driving) if drives else None
                record = DaemonRecord(str(owner), "box", 17, "0.1.0", now, now, "3 jobs", facts)
                DaemonRepository().beat(connection, record)

        self.store(beat)

    def drive(self) -> None:
        """Let everything that is due run to where it can get."""
        self.clock.advance(timedelta(milliseconds=1))  # of one moment there is one tick
        self.out("jobs", "run", "queue_poller")

    def say_in_run(self, run_id: int, *messages: str) -> None:
        """Lines in a run's log."""

        def add(session: Session) -> None:
            with session.store.write() as connection:
                lines = [LogLine(run_id, self.clock.now(), "info", "work", message) for message in messages]
                RunRecord().add_lines(connection, lines)

        self.store(add)
