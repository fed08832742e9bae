"""The daemon with jobs that try it: quick, slow, deaf, hanging, greedy, fleeing ones.

Started as `python trial_daemon.py run`, like `python daemon.py run`. TRIAL_JOBS names the jobs of a test, separated by
commas; TRIAL_FILE is where jobs leave a line of what they did, in one write at the end of the file.
"""

import os
import re
import subprocess
import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from roundsman.cli import main
from roundsman.clock import iso
from roundsman.scheduling.job import CatchUp, Job, JobContext, Outcome, Overlap

FAR_OFF = "every 366d"
"""For jobs that run at the start alone."""
FOREVER_S = 600.0
LEFT_BEHIND_S = 60.0
TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
"""Looks like a bot's token; must not be seen anywhere."""


def note(*words: object) -> None:
    """One line, whole whoever else writes."""
    line = " ".join(map(str, words)) + "\n"
    file = os.open(os.environ["TRIAL_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


class Quick(Job):
    """Leaves a line for each tick."""

    name = "quick"
    schedule = "every 200ms"

    def run(self, ctx: JobContext) -> Outcome:
        note("ran", self.name, iso(ctx.due_at), os.getpid())
        return Outcome.done(runs=1)


class Skipping(Quick):
    name = "skipping"
    catch_up = CatchUp.SKIP


class CatchingUpOnce(Quick):
    name = "catching_up_once"
    catch_up = CatchUp.ONCE


class CatchingUpAll(Quick):
    name = "catching_up_all"
    catch_up = CatchUp.ALL


class Second(Quick):
    name = "second"
    schedule = "every 1s"
    catch_up = CatchUp.ONCE


class Slow(Job):
    """Takes TRIAL_SECONDS and obeys its stop token."""

    name = "slow"
    schedule = FAR_OFF
    run_at_start = True

    def run(self, ctx: JobContext) -> Outcome:
        ctx.log.info("slow work begins")
        note("began", self.name, os.getpid())
        ctx.stop.wait(float(os.environ.get("TRIAL_SECONDS", FOREVER_S)))
        ctx.stop.check()
        note("ended", self.name, os.getpid())
        return Outcome.done(steps=1)


class Long(Slow):
    """Overlaps its own next ticks."""

    name = "long"
    schedule = "every 500ms"
    run_at_start = False
    overlap: ClassVar[Overlap] = Overlap.SKIP


class Deaf(Job):
    """Does not listen to its stop token."""

    name = "deaf"
    schedule = FAR_OFF
    run_at_start = True

    def run(self, ctx: JobContext) -> Outcome:
        ctx.log.info("deaf work begins")
        note("began", self.name, os.getpid())
        threading.Event().wait(FOREVER_S)
        return Outcome.done()


class Exiting(Job):
    """Calls sys.exit in its thread."""

    name = "exiting"
    schedule = "every 500ms"

    def run(self, ctx: JobContext) -> Outcome:
        raise SystemExit(3)


class Vanishing(Job):
    """Its process is gone without a word."""

    name = "vanishing"
    schedule = FAR_OFF
    run_at_start = True
    isolate = True

    def run(self, ctx: JobContext) -> Outcome:
        os._exit(7)


class Hungry(Job):
    """Takes all the memory there is."""

    name = "hungry"
    schedule = FAR_OFF
    run_at_start = True
    isolate = True
    memory_limit_mib: ClassVar[int | None] = 512

    def run(self, ctx: JobContext) -> Outcome:
        hoard: list[bytearray] = []
        while True:
            hoard.append(bytearray(1 << 20))


class Hanging(Job):
    """Hangs with a family: a child, a grandchild, and one in a session of its own."""

    name = "hanging"
    schedule = FAR_OFF
    run_at_start = True
    isolate = True

    def run(self, ctx: JobContext) -> Outcome:
        ctx.log.info("hanging work begins")
        note("pid", os.getpid())
        family = subprocess.Popen(
            ["sh", "-c", "sleep 600 & echo $!; sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True
        )
        stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
        assert family.stdout is not None
        grandchildren = [family.stdout.readline().strip() for _ in range(2)]
        for pid in (family.pid, *grandchildren, stranger.pid):
            note("pid", pid)
        note("complete")
        threading.Event().wait(FOREVER_S)
        return Outcome.done()


class Spinning(Job):
    """Hangs inside C code, where no other thread of its process gets a turn."""

    name = "spinning"
    schedule = FAR_OFF
    run_at_start = True
    isolate = True

    def run(self, ctx: JobContext) -> Outcome:
        note("pid", os.getpid())
        note("complete")
        re.match(r"(a+)+$", "a" * 64 + "b")
        return Outcome.done()


class Leaving(Job):
    """Answers, and leaves behind a process that holds on to everything it inherited."""

    name = "leaving"
    schedule = FAR_OFF
    run_at_start = True
    isolate = True

    def run(self, ctx: JobContext) -> Outcome:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            note("pid", os.getpid())
            threading.Event().wait(LEFT_BEHIND_S)
            os._exit(0)
        return Outcome.done(left=1)


class Answering(Job):
    """Answers what TRIAL_ANSWER says, from a process of its own."""

    name = "answering"
    schedule = FAR_OFF
    run_at_start = True
    isolate = True

    def run(self, ctx: JobContext) -> Outcome:
        ctx.log.info("a line from the child, about %s", TOKEN)
        match os.environ["TRIAL_ANSWER"]:
            case "done":
                return Outcome.done(checked=40, late=2)
            case "snoozed":
                return Outcome.snoozed(timedelta(hours=2), "the page is busy", checked=1)
            case "cancelled":
                return Outcome.cancelled("nothing to do", checked=0)
            case "obeys":
                ctx.stop.wait(FOREVER_S)
                ctx.stop.check()
                return Outcome.done()
            case _:
                raise ValueError(f"the service said no to {TOKEN}")


class Snoozing(Job):
    """The first run of a process asks for another one soon."""

    name = "snoozing"
    schedule = FAR_OFF
    run_at_start = True
    _asked = False

    def run(self, ctx: JobContext) -> Outcome:
        if not self._asked:
            self._asked = True
            return Outcome.snoozed(timedelta(milliseconds=300), "not yet")
        return Outcome.done(runs=2)


class Failing(Job):
    name = "failing"
    schedule = FAR_OFF

    def run(self, ctx: JobContext) -> Outcome:
        raise ValueError("as it was asked to")


ALL: tuple[type[Job], ...] = (
    Quick, Skipping, CatchingUpOnce, CatchingUpAll, Second, Slow, Long, Deaf, Exiting, Vanishing, Hungry, Hanging,
    Spinning, Leaving, Answering, Snoozing, Failing,
)  # fmt: skip


def chosen(names: str) -> Iterable[type[Job]]:
    """The jobs of this test."""
    return [job for job in ALL if job.name in names.split(",")]


if __name__ == "__main__":
    main(tuple(chosen(os.environ["TRIAL_JOBS"])))
