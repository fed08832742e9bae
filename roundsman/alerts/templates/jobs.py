"""What is said about jobs: the facts, and which text of which language tells them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, Self

from roundsman.alerts.message import one_line
from roundsman.alerts.templates import en, jobs_en, jobs_vi, vi
from roundsman.alerts.templates.facts import Scene, text_of
from roundsman.repositories.notifications import NotificationEvent

_MOST_NAMED = 8


@dataclass(frozen=True)
class JobsFacts:
    """One or several jobs with which something is wrong."""

    jobs: tuple[str, ...]
    more: int
    """Others, which are not named."""
    since: datetime
    """In local time."""
    lasted: timedelta
    times: int
    """Failures in a row, as told first."""
    is_whole: bool
    """Whether these are all of them."""
    outcome: str
    error: str | None
    next_at: datetime | None
    """In local time."""
    running: timedelta
    allowed: timedelta
    usual_seconds: float | None
    """What a run usually takes."""
    down: timedelta
    ticks: int
    """That were missed."""
    missed: tuple[tuple[str, int], ...]
    """By job, fewest first."""
    counter: str
    runs: int
    """That brought nothing."""
    usual: int
    """What as many runs bring."""

    @classmethod
    def of(cls, scene: Scene) -> Self:
        alert, notes = scene.alert, scene.alert.annotations
        jobs = _names(notes.get("jobs")) or (one_line(alert.subject, 100),)
        usual = notes.get("usual_seconds")
        return cls(
            jobs=jobs[:_MOST_NAMED],
            more=max(len(jobs) - _MOST_NAMED, 0),
            since=alert.since_at.astimezone(scene.zone),
            lasted=scene.lasted,
            times=_count(notes.get("times")),
            is_whole=notes.get("is_whole") is not False,
            outcome=text_of(notes, "outcome") or "",
            error=text_of(notes, "last_error"),
            next_at=scene.local(notes.get("next_at")),
            running=timedelta(minutes=_count(notes.get("running_minutes"))) + scene.since_facts,
            allowed=timedelta(minutes=_count(notes.get("allowed_minutes"))),
            usual_seconds=usual if isinstance(usual, int | float) else None,
            down=timedelta(minutes=_count(notes.get("down_minutes"))),
            ticks=_count(notes.get("ticks")),
            missed=_missed(notes.get("missed")),
            counter=text_of(notes, "counter") or "",
            runs=_count(notes.get("runs")),
            usual=_count(notes.get("usual")),
        )


class JobTexts(Protocol):
    """What a language says about jobs. Each function returns the title, then further lines."""

    def job_failing(self, facts: JobsFacts) -> tuple[str, ...]: ...
    def job_recovered(self, facts: JobsFacts) -> tuple[str, ...]: ...
    def job_overrunning(self, facts: JobsFacts) -> tuple[str, ...]: ...
    def job_ended(self, facts: JobsFacts) -> tuple[str, ...]: ...
    def jobs_missed(self, facts: JobsFacts) -> tuple[str, ...]: ...
    def jobs_caught_up(self, facts: JobsFacts) -> tuple[str, ...]: ...
    def job_silent(self, facts: JobsFacts) -> tuple[str, ...]: ...
    def job_speaks(self, facts: JobsFacts) -> tuple[str, ...]: ...


_OF: Mapping[object, JobTexts] = {en: jobs_en, vi: jobs_vi}
"""By the module of the language's other texts."""

_Teller = Callable[[JobTexts], Callable[[JobsFacts], tuple[str, ...]]]


def _told(firing: _Teller, resolved: _Teller) -> Callable[[object, Scene], tuple[str, ...]]:
    def tell(texts: object, scene: Scene) -> tuple[str, ...]:
        chosen = resolved if scene.event is NotificationEvent.RESOLVED else firing
        return chosen(_OF[texts])(JobsFacts.of(scene))

    return tell


JOB_KINDS: Mapping[str, Callable[[object, Scene], tuple[str, ...]]] = {
    "job_failing": _told(lambda texts: texts.job_failing, lambda texts: texts.job_recovered),
    "job_overrunning": _told(lambda texts: texts.job_overrunning, lambda texts: texts.job_ended),
    "jobs_missed": _told(lambda texts: texts.jobs_missed, lambda texts: texts.jobs_caught_up),
    "job_silent": _told(lambda texts: texts.job_silent, lambda texts: texts.job_speaks),
}


def _names(value: object) -> tuple[str, ...]:
    return tuple(one_line(each, 100) for each in value) if isinstance(value, list) else ()


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e7 else 0


def _missed(value: object) -> tuple[tuple[str, int], ...]:
    entries = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return tuple((one_line(each.get("job", ""), 100), _count(each.get("ticks"))) for each in entries)[:_MOST_NAMED]
