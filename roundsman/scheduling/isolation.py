"""A job in a process of its own: for code that may hang for ever, eat memory or bring the interpreter down.

The child is a fresh interpreter running this program's own `jobs isolated NAME` (forking a process with threads is
not safe). It builds its own parts, runs the job once and answers with one line of JSON on a pipe. Its standard
input is the other direction: a line `stop` sets its stop token, and the end of the file means that the parent is
gone, so a killed daemon leaves no orphan that works on beside its successor.
"""

import contextlib
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from roundsman.logs import fields
from roundsman.scheduling.job import JobContext, Outcome, OutcomeKind, StopReason, StopToken

KILL_AFTER = timedelta(seconds=2)
"""Between the polite request to stop and SIGKILL."""
_MOST_ANSWER_BYTES = 1 << 20
_POLL_SECONDS = 0.05

log = logging.getLogger(__name__)


class IsolatedJobError(Exception):
    """The child failed; the text is its own account, or how it died."""


@dataclass(frozen=True)
class IsolatedWork:
    """Runs a job in a child process; called like the job's own `run`."""

    job: str
    command: Sequence[str]
    """The program and the arguments before the job's name."""
    memory_limit_mib: int | None

    def __call__(self, ctx: JobContext) -> Outcome:
        """Raises IsolatedJobError."""
        answer_read, answer_write = os.pipe()
        arguments = [*self.command, self.job, "--answer-fd", str(answer_write), "--due", ctx.due_at.isoformat()]
        if self.memory_limit_mib is not None:
            arguments += ["--memory-limit-mib", str(self.memory_limit_mib)]
        with os.fdopen(answer_read, "rb") as answer:
            try:
                child = subprocess.Popen(  # noqa: S603 - our own program
                    arguments, stdin=subprocess.PIPE, pass_fds=[answer_write], start_new_session=True
                )
            finally:
                os.close(answer_write)
            with child:
                try:
                    return self._attend(child, answer, ctx.stop)
                finally:
                    _kill_group(child)

    def _attend(self, child: "subprocess.Popen[bytes]", answer: IO[bytes], stop: StopToken) -> Outcome:
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append(answer.read(_MOST_ANSWER_BYTES)), daemon=True)
        reader.start()
        while reader.is_alive() and not stop.wait(_POLL_SECONDS):
            reader.join(_POLL_SECONDS)
        if stop.is_set():
            _ask_to_stop(child)
            reader.join(KILL_AFTER.total_seconds())
            if reader.is_alive():
                _kill_group(child)
        reader.join(KILL_AFTER.total_seconds())
        try:
            child.wait(KILL_AFTER.total_seconds())
        except subprocess.TimeoutExpired:
            _kill_group(child)
            child.wait()
        return self._outcome(read[0] if read else b"", child.returncode)

    def _outcome(self, answer: bytes, status: int) -> Outcome:
        try:
            told: dict[str, Any] = json.loads(answer)
        except ValueError:
            raise IsolatedJobError(f"its process {_how_it_ended(status)} without an answer") from None
        if told.get("error"):
            log.error("%s", told.get("traceback"), extra=fields(JOB=self.job))
            raise IsolatedJobError(str(told["error"]))
        again_in = told.get("again_in_s")
        return Outcome(
            OutcomeKind(told["outcome"]),
            {str(name): int(value) for name, value in told["counters"].items()},
            told.get("reason"),
            None if again_in is None else timedelta(seconds=again_in),
        )


def answer_parent(run: Callable[[StopToken], Outcome], answer_fd: int, memory_limit_mib: int | None) -> None:
    """The child's side: run the job once and write the answer. Never raises."""
    import traceback

    if memory_limit_mib is not None:
        limit = memory_limit_mib << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    _prefer_as_victim()
    stop = StopToken()
    threading.Thread(target=_listen, args=(stop,), daemon=True).start()
    told: dict[str, Any]
    try:
        outcome = run(stop)
        told = {"outcome": outcome.kind.value, "counters": dict(outcome.counters), "reason": outcome.reason}
        if outcome.again_in is not None:
            told["again_in_s"] = outcome.again_in.total_seconds()
    except BaseException as error:  # noqa: BLE001 - whatever it was, the parent records it
        told = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    with os.fdopen(answer_fd, "wb") as answer:
        answer.write(json.dumps(told).encode())


def _listen(stop: StopToken) -> None:
    for line in sys.stdin.buffer:
        if line.strip() == b"stop":
            stop.set(StopReason.SHUTDOWN)
    os._exit(1)  # the parent is gone; its successor may already be running this job again


def _prefer_as_victim() -> None:
    """If the machine runs out of memory, the kernel should take this process and not the daemon."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _ask_to_stop(child: "subprocess.Popen[bytes]") -> None:
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.write(b"stop\n")
            child.stdin.flush()


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    """The child and whatever it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
