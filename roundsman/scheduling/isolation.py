"""A job in a process of its own: for code that may hang for ever, eat memory or bring the interpreter down.

The child is a fresh interpreter running this program's own `jobs isolated NAME` (forking a process with threads is
not safe). It builds its own parts, runs the job once and answers with one line of JSON on a pipe. Its standard
input is the other direction: a line `stop REASON` sets its stop token, and its end means that the parent is gone.

So that a killed daemon leaves nothing behind that works on beside its successor, the child has a guard: a process
that only waits for that end and then kills the family. A thread of the child could not do it while the job hangs in
C code, and the kernel's own signal for a dead parent would reach the child but not the processes it has started.
"""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from roundsman.errors import RoundsmanError
from roundsman.scheduling.family import kill_family
from roundsman.scheduling.job import JobContext, Outcome, OutcomeKind, StoppedError, StopReason, StopToken

KILL_AFTER = timedelta(seconds=2)
"""Between the polite request to stop and SIGKILL."""
_MOST_ANSWER_BYTES = 1 << 20
_MOST_TRACEBACK_CHARACTERS = 16_000
_POLL_SECONDS = 0.05
_STDIN = 0


class IsolatedJobError(Exception):
    """The child failed; the text is its own account, beginning with the kind of its error, or how it died."""

    def __init__(self, text: str, child_traceback: str | None = None) -> None:
        super().__init__(text)
        self.child_traceback = child_traceback


@dataclass(frozen=True)
class IsolatedWork:
    """Runs a job in a child process; called like the job's own `run`."""

    job: str
    command: Sequence[str]
    """The program and the arguments before the job's name."""
    memory_limit_mib: int | None

    def __call__(self, ctx: JobContext) -> Outcome:
        """Raises IsolatedJobError, and StoppedError when the child obeyed its stop token."""
        answer, answer_write = os.pipe()
        arguments = [*self.command, self.job, "--answer-fd", str(answer_write), "--due", ctx.due_at.isoformat()]
        if self.memory_limit_mib is not None:
            arguments += ["--memory-limit-mib", str(self.memory_limit_mib)]
        try:
            try:
                child = subprocess.Popen(  # noqa: S603 - our own program
                    arguments, stdin=subprocess.PIPE, bufsize=0, pass_fds=[answer_write], start_new_session=True
                )
            finally:
                os.close(answer_write)
            with child:
                try:
                    line = _attend(child, answer, ctx.stop)
                finally:
                    kill_family(child.pid)
        finally:
            os.close(answer)
        return self._outcome(line, child.returncode)

    def _outcome(self, answer: bytes, status: int) -> Outcome:
        try:
            told: dict[str, Any] = json.loads(answer)
        except ValueError:
            raise IsolatedJobError(f"its process {_how_it_ended(status)} without an answer") from None
        if told.get("stopped"):
            raise StoppedError
        if told.get("error"):
            raise IsolatedJobError(str(told["error"]), str(told.get("traceback")))
        again_in = told.get("again_in_s")
        return Outcome(
            OutcomeKind(told["outcome"]),
            {str(name): int(value) for name, value in told["counters"].items()},
            told.get("reason"),
            None if again_in is None else timedelta(seconds=again_in),
        )


def _attend(child: "subprocess.Popen[bytes]", answer: int, stop: StopToken) -> bytes:
    """Wait for the child's line and its end. It is killed when it does not stop though it was asked to."""
    line = bytearray()
    kill_at: float | None = None
    # Neither the line nor the end of the file alone would do: a process that the job left behind may hold the pipe.
    while child.poll() is None and not line.endswith(b"\n") and (kill_at is None or time.monotonic() < kill_at):
        if stop.is_set() and kill_at is None:
            _ask_to_stop(child, stop.reason)
            kill_at = time.monotonic() + KILL_AFTER.total_seconds()
        if not _read(answer, line, _POLL_SECONDS):
            break
    try:
        child.wait(0 if kill_at and time.monotonic() >= kill_at else KILL_AFTER.total_seconds())
    except subprocess.TimeoutExpired:
        kill_family(child.pid)
        child.wait()
    while not line.endswith(b"\n") and select.select([answer], [], [], 0)[0] and _read(answer, line, 0):
        pass
    return bytes(line)


def _read(answer: int, line: bytearray, seconds: float) -> bool:
    """Take what comes in within so long; False when nothing more will."""
    if not select.select([answer], [], [], seconds)[0]:
        return True
    part = os.read(answer, 65_536)
    line += part
    return bool(part) and len(line) < _MOST_ANSWER_BYTES


def stand_guard(answer_fd: int) -> None:
    """The child's side, before it has any thread: fork the guard that ends the family when the parent is gone."""
    leader = os.getpid()
    if os.fork() != 0:
        return
    try:
        os.close(answer_fd)
        parent = select.poll()
        parent.register(_STDIN, 0)  # nothing but its end, which is always reported
        parent.poll()
        kill_family(leader)
    finally:
        os._exit(1)


def answer_parent(run: Callable[[StopToken], Outcome], answer_fd: int, memory_limit_mib: int | None) -> None:
    """The child's side: run the job once and write the answer. Never raises."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    told: dict[str, Any]
    try:
        _prefer_as_victim()
        stop = StopToken()
        threading.Thread(target=_listen, args=(stop,), daemon=True).start()
        if memory_limit_mib is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_limit_mib << 20, hard))
        told = _told(run(stop))
    except StoppedError:
        told = {"stopped": True}
    except BaseException as error:  # noqa: BLE001 - whatever it was, the parent records it
        # The frames of the error still hold what the job had taken, and its account needs memory, too.
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        told = {
            "error": _account(error, memory_limit_mib),
            "traceback": ""
            if isinstance(error, RoundsmanError)
            else traceback.format_exc()[-_MOST_TRACEBACK_CHARACTERS:],
        }
    with os.fdopen(answer_fd, "wb") as answer:
        answer.write(json.dumps(told).encode() + b"\n")


def _told(outcome: Outcome) -> dict[str, Any]:
    if not isinstance(outcome, Outcome):
        raise TypeError(f"run() returned {type(outcome).__name__}, not an Outcome")
    told: dict[str, Any] = {
        "outcome": outcome.kind.value,
        "counters": dict(outcome.counters),
        "reason": outcome.reason,
    }
    if outcome.again_in is not None:
        told["again_in_s"] = outcome.again_in.total_seconds()
    json.dumps(told)  # counters that are no numbers are the job's error, and shall be told as such
    return told


def _account(error: BaseException, memory_limit_mib: int | None) -> str:
    if isinstance(error, MemoryError) and memory_limit_mib is not None:
        return f"MemoryError: it needed more than its limit of {memory_limit_mib} MiB"
    return f"{type(error).__name__}: {error}"[:_MOST_TRACEBACK_CHARACTERS]


def _listen(stop: StopToken) -> None:
    for line in sys.stdin.buffer:
        word, _, reason = line.decode(errors="replace").strip().partition(" ")
        if word == "stop":
            stop.set(StopReason(reason))


def _prefer_as_victim() -> None:
    """If the machine runs out of memory, the kernel should take this process and not the daemon."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _ask_to_stop(child: "subprocess.Popen[bytes]", reason: StopReason | None) -> None:
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.write(f"stop {(reason or StopReason.SHUTDOWN).value}\n".encode())


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
