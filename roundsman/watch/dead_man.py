"""The dead man: jobs that run and bring nothing where something is usual. Told once, until something comes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from roundsman.alerts.condition import Condition
from roundsman.clock import iso
from roundsman.repositories.alerts import Alert, Resolution, Severity
from roundsman.watch.changes import SILENT, Changes
from roundsman.watch.hours import Hour
from roundsman.watch.silence import Silence, TooNew

_BACK = Resolution("there are results again")
_USUAL = Resolution.let_alone("it has brought nothing for so long that nothing else is known to be usual")
_OFF = Resolution.let_alone("the counter is watched no more")


@dataclass(frozen=True)
class Pulse:
    """What is known of one counter of one job now."""

    job: str
    counter: str
    silence: Silence | TooNew
    since: datetime | None
    """When the first of the empty runs was due; None: the last run brought something."""
    this_hour: Hour | None
    """What came in the hour that is under way; None: nothing ran in it."""
    next_at: datetime | None

    @property
    def subject(self) -> str:
        return f"{self.job}.{self.counter}"


def judge_silent(pulses: Mapping[str, Pulse], watched: Sequence[str], open_alerts: Sequence[Alert]) -> Changes:
    """`pulses` by subject, of those counters whose history is read; `watched` are the subjects of all."""
    changes = Changes()
    told = {alert.subject: alert for alert in open_alerts}
    for subject, alert in told.items():
        over = _over(pulses.get(subject), is_watched=subject in watched)
        if over is not None:
            changes.endings[alert.fingerprint] = over
    for subject, pulse in pulses.items():
        silence = pulse.silence
        if subject not in told and isinstance(silence, Silence) and silence.is_strange and pulse.since is not None:
            changes.conditions.append(_condition(pulse, silence, pulse.since))
    return changes


def _over(pulse: Pulse | None, *, is_watched: bool) -> Resolution | None:
    if not is_watched:
        return _OFF
    if pulse is None:
        return None  # it will be known in a moment
    if isinstance(pulse.silence, TooNew):
        return _USUAL
    return _BACK if pulse.silence.runs == 0 else None


def _condition(pulse: Pulse, silence: Silence, since: datetime) -> Condition:
    return Condition(
        kind=SILENT,
        subject=pulse.subject,
        severity=Severity.HIGH,
        since=since,
        labels={"watched_job": pulse.job, "counter": pulse.counter},
        annotations={
            "jobs": [pulse.job],
            "counter": pulse.counter,
            "runs": silence.runs,
            "usual": round(silence.usual),
            "weeks_known": round(silence.baseline.weeks, 1),
            "once_in_weeks": round(silence.once_in_weeks),
            "next_at": iso(pulse.next_at) if pulse.next_at is not None else None,
        },
    )
