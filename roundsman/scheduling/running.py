"""One run of a job: the call, the one place that catches whatever it raises, and what the ledger is told of its end."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from roundsman.errors import RoundsmanError
from roundsman.logs import redact
from roundsman.scheduling.isolation import IsolatedJobError
from roundsman.scheduling.job import JobContext, Outcome, OutcomeKind, StoppedError, StopReason, StopToken
from roundsman.scheduling.ledger import Claimed, RunReport

_MOST_ERROR_CHARACTERS = 1_000
_MOST_TRACEBACK_CHARACTERS = 16_000

Work = Callable[[JobContext], Outcome]

WHY: Mapping[StopReason | None, str | None] = {
    None: None,
    StopReason.TIMEOUT: "it took longer than its timeout",
    StopReason.SHUTDOWN: "the daemon was stopping",
}
"""Words for the ledger: why a run was asked to stop."""


@dataclass(eq=False)
class Running:
    """One run under way. Guarded by the executor's lock once it is submitted."""

    claimed: Claimed
    work: Work
    timeout: timedelta
    stop: StopToken
    submitted: float
    """Monotonic seconds."""
    started_at: datetime | None = None
    reported: bool = False
    told_to_stop: float | None = None
    """Monotonic seconds when the token was set."""

    @property
    def job(self) -> str:
        return self.claimed.entry.job


def perform(run: Running, context: JobContext) -> tuple[Outcome, BaseException | None]:
    """Call the job; the one place where anything that it raises is caught."""
    try:
        outcome = run.work(context)
        if not isinstance(outcome, Outcome):
            raise TypeError(f"run() returned {type(outcome).__name__}, not an Outcome")
    except StoppedError:
        return Outcome(cut_off(run.stop.reason), reason=WHY[run.stop.reason]), None
    except BaseException as error:  # noqa: BLE001 - a SystemExit, too, must end in a recorded outcome
        # An error after the stop was asked for is most likely its effect: the work was cut off, it did not fail.
        kind = cut_off(run.stop.reason) if run.stop.is_set() else OutcomeKind.FAILED
        return Outcome(kind, reason=WHY[run.stop.reason]), error
    if run.stop.reason is StopReason.TIMEOUT:
        return Outcome(OutcomeKind.TIMED_OUT, outcome.counters, WHY[StopReason.TIMEOUT]), None
    return outcome, None


def report_of(run: Running, outcome: Outcome, error: BaseException | None, now: datetime) -> RunReport:
    """What the ledger is to say of it."""
    return RunReport(
        tick_id=run.claimed.tick_id,
        started_at=run.started_at,
        finished_at=now,
        outcome=outcome.kind,
        counters=outcome.counters,
        reason=outcome.reason,
        again_at=now + outcome.again_in if outcome.again_in else None,
        error=None if error is None else redact(_words(error))[:_MOST_ERROR_CHARACTERS],
        traceback=None if error is None else redact(_trace(error))[-_MOST_TRACEBACK_CHARACTERS:] or None,
    )


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, IsolatedJobError) else f"{type(error).__name__}: {error}"


def _trace(error: BaseException) -> str:
    """Where it happened; for an isolated job that is in its own process, and ours says nothing.

    An error that people can mend, a full disk perhaps, has said all in its sentence.
    """
    if isinstance(error, RoundsmanError):
        return ""
    if isinstance(error, IsolatedJobError):
        return error.child_traceback or ""
    return "".join(traceback.format_exception(error))


def cut_off(reason: StopReason | None) -> OutcomeKind:
    """The outcome of a run that was asked to stop."""
    return OutcomeKind.TIMED_OUT if reason is StopReason.TIMEOUT else OutcomeKind.INTERRUPTED
