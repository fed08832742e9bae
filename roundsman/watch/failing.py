"""Jobs whose runs fail: told once until each is done again, and together if it is the same failure. Pure.

An alert belongs to the job that opened it and names all that fail alike. A job that one names is told by no other one,
whatever its error says next. One that joins later is only added: that many jobs fail when the database is away is one
piece of news.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from roundsman.alerts.condition import Condition
from roundsman.clock import iso
from roundsman.repositories.alerts import Alert, Resolution, Severity
from roundsman.scheduling.registry import JobFacts
from roundsman.watch.changes import FAILING, Changes, named_jobs
from roundsman.watch.endings import Streak
from roundsman.watch.likeness import fingerprint

_MOST_ERROR_CHARACTERS = 300
_DONE = Resolution("the next run was done")
_OFF = Resolution.let_alone("nobody is told of its failures any more")


@dataclass(frozen=True)
class Failing:
    """A job that is failing, by the ledger."""

    facts: JobFacts
    streak: Streak

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def is_told(self) -> bool:
        return self.facts.alert_after is not None and self.streak.is_told(self.facts.alert_after)

    @property
    def cause(self) -> str:
        """The same for failures that are alike. Only an error says what went wrong: a timeout is each job's own."""
        error = self.streak.last.error
        return fingerprint(error) if error is not None else f"{self.name}: {self.streak.last.outcome}"


def judge_failing(
    failing: Mapping[str, Failing],
    watched: Collection[str],
    unsure: Collection[str],
    open_alerts: Sequence[Alert],
    now: datetime,
) -> Changes:
    """`failing` are all jobs with a streak, short or long; `watched` those whose failures are told at all.

    Of the `unsure` it cannot be said whether they fail: they are paused, or have done nothing for long.
    """
    changes = Changes()
    told: set[str] = set()
    joinable: dict[str, tuple[Alert, list[str]]] = {}
    still = {name for name in (*failing, *unsure) if name in watched}
    for alert in open_alerts:
        named = named_jobs(alert)
        told |= set(named)
        if still & set(named):
            joinable[str(alert.annotations.get("cause"))] = (alert, named)
        else:
            is_off = not set(named) & set(watched)
            changes.endings[alert.fingerprint] = _OFF if is_off else _DONE
    fresh = [each for name, each in sorted(failing.items()) if name not in told and name in watched]
    for first in (each for each in fresh if each.is_told):
        if first.name in told:
            continue
        # Whoever has begun to fail in the same way is named at once, before it is its turn
        alike = [each for each in fresh if each.name not in told and each.cause == first.cause]
        told |= {each.name for each in alike}
        if first.cause in joinable:
            alert, named = joinable[first.cause]
            named += [each.name for each in alike]
            changes.notes[alert.fingerprint] = {"jobs": named}
        else:
            changes.conditions.append(_condition(first, alike, now))
    return changes


def _condition(first: Failing, alike: Sequence[Failing], now: datetime) -> Condition:
    streak, coming = first.streak, first.facts.trigger.next_after(now)
    return Condition(
        kind=FAILING,
        subject=first.name,
        severity=Severity.HIGH,
        since=min(each.streak.since for each in alike),
        labels={"watched_job": first.name},
        annotations={
            "jobs": [each.name for each in alike],
            "cause": first.cause,
            "outcome": streak.last.outcome.value if streak.last.outcome is not None else None,
            "times": streak.times,
            "is_whole": streak.is_whole,
            "last_error": (streak.error or "")[:_MOST_ERROR_CHARACTERS] or None,
            "next_at": iso(coming) if coming is not None else None,
        },
    )
