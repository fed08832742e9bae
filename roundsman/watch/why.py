"""How a job fares and why people were told of it, or not: sentences for whoever is on call. Pure.

The first sentence says how it stands; then what is usual and what came, then what would change it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from roundsman.clock import wall_time
from roundsman.repositories.alerts import Alert
from roundsman.repositories.tick_watch import TickEnd
from roundsman.scheduling.registry import JobFacts
from roundsman.watch.changes import named_jobs
from roundsman.watch.dead_man import Pulse
from roundsman.watch.endings import TOO_OFTEN_CUT_OFF, Streak
from roundsman.watch.hours import hour_of, hour_of_week
from roundsman.watch.silence import LEAST_HISTORY, RATE, Silence, TooNew

_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """All that is known of a job at `now`."""

    now: datetime
    facts: JobFacts
    paused_at: datetime | None
    rows: Sequence[TickEnd]
    """The newest that ran, newest first."""
    streak: Streak | None
    pulses: Sequence[Pulse]
    alerts: Sequence[Alert]
    """The open ones that name it."""


def why(found: Standing, zone: ZoneInfo) -> list[str]:
    """The sentences; times are told in this zone."""
    return [
        _standing(found, zone),
        *_policy(found),
        *_told(found, zone),
        *(sentence for pulse in found.pulses for sentence in _pulse(pulse, found, zone)),
        *_changes(found),
    ]


def facts(found: Standing) -> dict[str, Any]:
    """The same for programs."""
    streak = found.streak
    return {
        "alert_after": found.facts.alert_after,
        "failures": streak.failures if streak is not None else 0,
        "interruptions": streak.cut_off if streak is not None else 0,
        "failing_since": streak.since if streak is not None else None,
        "error": streak.error if streak is not None else None,
        "alerts": [alert.fingerprint for alert in found.alerts],
        "counters": [_pulse_facts(pulse) for pulse in found.pulses],
    }


def _standing(found: Standing, zone: ZoneInfo) -> str:
    name, streak = found.facts.name, found.streak
    if not found.facts.enabled:
        return f"{name} is disabled: nothing of it is watched."
    paused = f" It is paused since {wall_time(found.paused_at, zone)}." if found.paused_at is not None else ""
    if streak is not None:
        times = f"{streak.times}{'' if streak.is_whole else ' or more'}"
        error = f": {streak.error}" if streak.error else ""
        outcome = streak.last.outcome.value.replace("_", " ") if streak.last.outcome is not None else "failed"
        ended = f"{name} has not ended well {times} time{'' if times == '1' else 's'} in a row"
        return f"{ended} since {wall_time(streak.since, zone)}, last {outcome}{error}.{paused}"
    last = next((row for row in found.rows if row.outcome is not None), None)
    if last is None or last.outcome is None:
        return f"{name} has never ended a run that the ledger knows of.{paused}"
    return f"{name} fares well: its last run, due at {wall_time(last.due_at, zone)}, was {last.outcome.value}.{paused}"


def _policy(found: Standing) -> Iterator[str]:
    after = found.facts.alert_after
    setting = f"JOB_{found.facts.name.upper()}_ALERT_AFTER"
    if after is None:
        yield f"People are told nothing of it, as {setting} is off."
        return
    failures = "one failure" if after == 1 else f"{after} failures in a row"
    cut_off = max(after, TOO_OFTEN_CUT_OFF)
    yield f"People are told after {failures} or {cut_off} interruptions ({setting}), once until a run is done."


def _told(found: Standing, zone: ZoneInfo) -> Iterator[str]:
    for alert in found.alerts:
        others = [job for job in named_jobs(alert) if job != found.facts.name]
        beside = f" together with {', '.join(others)}" if others else ""
        yield (
            f"Alert {alert.id} ({alert.kind}) tells of it{beside} since {wall_time(alert.opened_at, zone)}; "
            f"roundsman alerts why {alert.id} shows who was told."
        )
    if not found.alerts:
        yield "No alert about it is open."


def _pulse(pulse: Pulse, found: Standing, zone: ZoneInfo) -> Iterator[str]:
    silence, counter = pulse.silence, pulse.counter
    if isinstance(silence, TooNew):
        yield (
            f"What is usual for {counter} is not known yet: there are {silence.known / _A_DAY:.1f} days of history and "
            f"{LEAST_HISTORY / _A_DAY:.0f} are needed, counted from the last change of schedule to the last run that "
            "brought something."
        )
        return
    baseline, cell = silence.baseline, hour_of_week(hour_of(found.now), zone)
    yield (
        f"At this hour of the week a run usually brings {counter}={baseline.per_run[cell]:.1f}, by "
        f"{baseline.weeks:.1f} weeks of history; {_came(pulse)}."
    )
    if silence.runs == 0:
        yield f"The last run that was done brought {counter}; its silence would be told after {_left(silence, cell)}."
        return
    strange = "which is told" if silence.is_strange else f"told after {_left(silence, cell)}"
    yield (
        f"The last {silence.runs} runs brought none where {silence.usual:.0f} are usual. By chance that happens once "
        f"in {_weeks(silence.once_in_weeks)}; {strange}. The threshold is once in {_weeks(1 / RATE)}."
    )


def _came(pulse: Pulse) -> str:
    hour = pulse.this_hour
    if hour is None:
        return "none is done yet in this hour"
    return f"in this hour {len(hour.marks)} {'run has' if len(hour.marks) == 1 else 'runs have'} brought {hour.total}"


def _changes(found: Standing) -> Iterator[str]:
    after, streak = found.facts.alert_after, found.streak
    if after is None or not found.facts.enabled:
        return
    if found.alerts:
        yield "What would change that: the next run that is done and brings something closes the alerts."
    elif streak is not None and not streak.is_told(after):
        left = after - streak.failures
        yield f"What would change that: {left} more failure{'' if left == 1 else 's'} and people are told."
    elif streak is not None:
        yield "People are told of it at the next look of job_watch."


def _pulse_facts(pulse: Pulse) -> dict[str, Any]:
    silence = pulse.silence
    if isinstance(silence, TooNew):
        return {"counter": pulse.counter, "known_days": silence.known.days, "silence": None}
    return {
        "counter": pulse.counter,
        "weeks_known": round(silence.baseline.weeks, 1),
        "silence": {
            "runs": silence.runs,
            "since": pulse.since,
            "usual": round(silence.usual, 1),
            "nats": round(silence.nats, 2),
            "threshold": round(silence.threshold, 2),
            "is_told": silence.is_strange,
        },
    }


def _left(silence: Silence, cell: int) -> str:
    left = silence.runs_left(cell)
    if left is None:
        return "other hours, as at this one silence is usual"
    runs = max(left + (silence.runs == 0), 1)
    return "one more empty run at this hour" if runs == 1 else f"{runs} more empty runs at this hour"


def _weeks(count: float) -> str:
    return f"{count:,.0f} weeks" if count >= 2 else f"{count * 7:.1f} days"
