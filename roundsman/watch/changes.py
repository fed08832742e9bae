"""What a look at the jobs comes to: alerts to open, to complete and to close, which the overseer writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from roundsman.alerts.condition import Condition
from roundsman.repositories.alerts import Alert, Resolution

FAILING = "job_failing"
OVERRUNNING = "job_overrunning"
MISSED = "jobs_missed"
SILENT = "job_silent"
KINDS = (FAILING, OVERRUNNING, MISSED, SILENT)


@dataclass
class Changes:
    """Empty when all is as it was, which it nearly always is."""

    conditions: list[Condition] = field(default_factory=list)
    notes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Facts of open alerts that have changed and are no news, by fingerprint."""
    endings: dict[str, Resolution] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.conditions or self.notes or self.endings)

    def take(self, other: Self) -> None:
        self.conditions += other.conditions
        self.notes |= other.notes
        self.endings |= other.endings


def named_jobs(alert: Alert) -> list[str]:
    """The jobs that an alert of ours is about."""
    jobs = alert.annotations.get("jobs")
    return [str(each) for each in jobs] if isinstance(jobs, list) else []
