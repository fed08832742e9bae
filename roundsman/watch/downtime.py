"""What a downtime has cost: one alert for all jobs and ticks, until each of those jobs is done again. Pure.

How long it was is told by the watch's own ticks: it is due every minute, and between its last done run and this one it
was down. Rows of ticks that were missed in between say who else was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roundsman.alerts.condition import Condition
from roundsman.clock import iso
from roundsman.repositories.alerts import Alert, Resolution, Severity
from roundsman.repositories.tick_watch import Missed
from roundsman.watch.changes import MISSED, Changes

GRACE = timedelta(minutes=10)
"""A restart, an upgrade, a reboot: nobody is to be told of these."""
_CAUGHT_UP = Resolution("every job that missed a tick was done again")
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Downtime:
    """When nobody looked after the jobs, and what did not run because of it."""

    since: datetime
    until: datetime
    missed: Mapping[str, Missed]

    @property
    def is_told(self) -> bool:
        return bool(self.missed) and self.until - self.since > GRACE

    @property
    def subject(self) -> str:
        """The same whenever it is found again."""
        return iso(self.since)


def missed_condition(downtime: Downtime) -> Condition:
    """What is told of it."""
    by_cost = sorted(downtime.missed.items(), key=lambda each: (each[1].ticks, each[0]))
    return Condition(
        kind=MISSED,
        subject=downtime.subject,
        severity=Severity.MEDIUM,
        since=downtime.since,
        labels={},
        annotations={
            # Who missed fewest comes first: of a daily job that is a day's work, of another one half a minute's
            "jobs": [job for job, _ in by_cost],
            "missed": [{"job": job, "ticks": each.ticks} for job, each in by_cost],
            "ticks": sum(each.ticks for each in downtime.missed.values()),
            "until": iso(downtime.until),
            "down_minutes": int((downtime.until - downtime.since) / _MINUTE),
        },
    )


def missed_until(alert: Alert) -> datetime:
    """When the downtime was over that an alert tells of."""
    until = alert.annotations.get("until")
    return datetime.fromisoformat(until) if isinstance(until, str) else alert.opened_at


def judge_missed(open_alerts: Sequence[Alert], waiting: Mapping[str, Sequence[str]]) -> Changes:
    """Close those of which no job is waited for any more; `waiting` names the jobs by fingerprint."""
    over = (alert.fingerprint for alert in open_alerts if not waiting.get(alert.fingerprint))
    return Changes(endings=dict.fromkeys(over, _CAUGHT_UP))
