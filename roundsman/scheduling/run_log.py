"""The line that a run leaves in the log."""

import logging

from roundsman.logs import fields
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.ledger import RunReport

_LEVELS = {
    OutcomeKind.FAILED: logging.ERROR,
    OutcomeKind.TIMED_OUT: logging.ERROR,
    # A run that ended as it should is in the ledger; a line for each would bury what an administrator looks for.
    OutcomeKind.DONE: logging.DEBUG,
}

log = logging.getLogger(__name__)


def log_end(job: str, report: RunReport) -> None:
    """Tell how a run ended, with JOB=, RUN_ID= and OUTCOME= in the journal."""
    level = _LEVELS.get(report.outcome, logging.INFO)
    if not log.isEnabledFor(level):
        return
    journal = fields(JOB=job, RUN_ID=report.tick_id, OUTCOME=report.outcome.value)
    counters = " ".join(f"{name}={value}" for name, value in report.counters.items())
    took = (report.finished_at - (report.started_at or report.finished_at)).total_seconds()
    text = f"{job} {report.outcome.value.replace('_', ' ')} in {took:.3f} s"
    details = "; ".join(filter(None, (counters, report.reason, report.error)))
    log.log(level, "%s%s", text, f": {details}" if details else "", extra=journal)
    if report.traceback:
        log.error("%s", report.traceback.rstrip(), extra=journal)
