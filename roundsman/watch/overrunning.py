"""Runs that take too long: told once for each run, until it has ended. Pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from roundsman.alerts.condition import Condition
from roundsman.repositories.alerts import Alert, Resolution, Severity
from roundsman.repositories.tick_watch import TickEnd
from roundsman.watch.changes import OVERRUNNING, Changes
from roundsman.watch.endings import Overrun

_ENDED = Resolution("the run has ended")
_MINUTE = timedelta(minutes=1)


def judge_overrunning(overrunning: Mapping[str, tuple[TickEnd, Overrun]], open_alerts: Sequence[Alert]) -> Changes:
    """By the runs under way that take too long, by job."""
    changes = Changes()
    told = {alert.subject: alert for alert in open_alerts}
    for job, alert in told.items():
        if job not in overrunning:
            changes.endings[alert.fingerprint] = _ENDED
    for job, (run, found) in overrunning.items():
        if job not in told:
            changes.conditions.append(_condition(job, run, found))
    return changes


def _condition(job: str, run: TickEnd, found: Overrun) -> Condition:
    return Condition(
        kind=OVERRUNNING,
        subject=job,
        severity=Severity.MEDIUM,
        since=run.begun_at,
        labels={"watched_job": job},
        annotations={
            "jobs": [job],
            "running_minutes": int(found.elapsed / _MINUTE),
            "allowed_minutes": int(found.allowed / _MINUTE),
            "usual_seconds": round(found.usual.total_seconds(), 1) if found.usual is not None else None,
        },
    )
