"""The registered jobs with the facts in force: the class's own, overridden by settings.

Everything that can be wrong with a job is found here, at start and in `check-config`, as one sentence each.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from roundsman.errors import ConfigurationError
from roundsman.scheduling.job import CatchUp, Job, Overlap
from roundsman.scheduling.trigger import Trigger, parse_duration, parse_trigger

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_Choice = TypeVar("_Choice", bound=StrEnum)
_T = TypeVar("_T")


@dataclass(frozen=True)
class JobFacts:
    """A job class with every fact decided."""

    job: type[Job]
    name: str
    trigger: Trigger
    timeout: timedelta
    overlap: Overlap
    catch_up: CatchUp
    jitter: timedelta
    run_at_start: bool
    isolate: bool
    memory_limit_mib: int | None
    enabled: bool


@dataclass(frozen=True)
class Registry:
    """The jobs of this daemon, in the order of JOBS."""

    jobs: tuple[JobFacts, ...]

    @property
    def enabled(self) -> tuple[JobFacts, ...]:
        return tuple(facts for facts in self.jobs if facts.enabled)

    def __getitem__(self, name: str) -> JobFacts:
        """Raises KeyError."""
        return next_or_key_error(self.jobs, name)


def next_or_key_error(jobs: Sequence[JobFacts], name: str) -> JobFacts:
    for facts in jobs:
        if facts.name == name:
            return facts
    raise KeyError(name)


def register(jobs: Sequence[type[Job]], overrides: Mapping[str, Mapping[str, str]], default_zone: ZoneInfo) -> Registry:
    """Decide the facts of every job.

    `overrides` maps a job's name to its settings as texts, keyed by fact in lower case (`schedule`, `timeout`).
    Raises ConfigurationError with one sentence for each fault.
    """
    faults: list[str] = []
    seen: dict[str, type[Job]] = {}
    registered = []
    for job in jobs:
        name = getattr(job, "name", None)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            faults.append(f"{_where(job)}: name is {name!r}; give it lower-case letters, digits and underscores.")
        elif name in seen:
            faults.append(f"{_where(job)}: the name {name!r} is already taken by {_where(seen[name])}; rename one.")
        else:
            seen[name] = job
            reader = _FactReader(job, overrides.get(name, {}), default_zone)
            registered.append(reader.read())
            faults.extend(reader.faults)
    for unknown in sorted(set(overrides) - set(seen)):
        settings = ", ".join(f"JOB_{unknown.upper()}_{fact.upper()}" for fact in sorted(overrides[unknown]))
        faults.append(f"{settings}: there is no job {unknown!r}; the jobs are {', '.join(sorted(seen))}.")
    if faults:
        raise ConfigurationError(faults)
    return Registry(tuple(facts for facts in registered if facts is not None))


class _FactReader:
    """Reads the facts of one job, each from its setting or else from the class, collecting faults."""

    def __init__(self, job: type[Job], settings: Mapping[str, str], default_zone: ZoneInfo) -> None:
        self.faults: list[str] = []
        self._job = job
        self._settings = settings
        self._default_zone = default_zone

    def read(self) -> JobFacts | None:
        job = self._job
        unknown = sorted(set(self._settings) - _FACTS)
        for fact in unknown:
            self.faults.append(f"{self._label(fact)}: no such fact; choose from {', '.join(sorted(_FACTS))}.")
        zone = self._zone()
        trigger = self._fact("schedule", lambda text: parse_trigger(text, zone), None, getattr(job, "schedule", ""))
        facts = JobFacts(
            job=job,
            name=job.name,
            trigger=trigger or parse_trigger("every 1d", zone),
            timeout=self._fact("timeout", _positive_duration, job.timeout),
            overlap=self._fact("overlap", _chooser(Overlap), job.overlap),
            catch_up=self._fact("catch_up", _chooser(CatchUp), job.catch_up),
            jitter=self._fact("jitter", parse_duration, job.jitter),
            run_at_start=self._fact("run_at_start", _on_or_off, job.run_at_start),
            isolate=self._fact("isolate", _on_or_off, job.isolate),
            memory_limit_mib=self._fact("memory_limit_mib", _mebibytes, job.memory_limit_mib),
            enabled=self._fact("enabled", _on_or_off, True),
        )
        if facts.memory_limit_mib is not None and not facts.isolate:
            self.faults.append(
                f"{self._label('memory_limit_mib')}: only an isolated job can be limited;"
                f" set JOB_{job.name.upper()}_ISOLATE=on."
            )
        return None if self.faults else facts

    def _zone(self) -> ZoneInfo:
        name = self._settings.get("time_zone") or self._job.time_zone
        if name is None:
            return self._default_zone
        zone = _zone_or_none(name)
        if zone is None:
            self.faults.append(
                f"{self._label('time_zone')}: {name!r} is no time zone; write one such as Europe/Berlin."
            )
            return self._default_zone
        return zone

    def _fact(self, fact: str, read: Callable[[str], _T], default: _T, text: str | None = None) -> _T:
        text = self._settings.get(fact, text)
        if text is None:
            return default
        try:
            return read(text)
        except ValueError as error:
            self.faults.append(f"{self._label(fact)}: {error}.")
            return default

    def _label(self, fact: str) -> str:
        if fact in self._settings:
            return f"JOB_{self._job.name.upper()}_{fact.upper()}"
        return f"{_where(self._job)}: {fact}"


_FACTS = frozenset(
    {"schedule", "timeout", "overlap", "catch_up", "jitter", "time_zone", "run_at_start", "isolate"}
    | {"memory_limit_mib", "enabled"}
)


def _where(job: type[Job]) -> str:
    return f"{job.__module__}.{job.__qualname__}"


def _zone_or_none(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


def _positive_duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration <= timedelta(0):
        raise ValueError(f"{text!r} is not longer than nothing")
    return duration


def _chooser(choices: type[_Choice]) -> Callable[[str], _Choice]:
    def choose(text: str) -> _Choice:
        try:
            return choices(text.strip().lower())
        except ValueError:
            raise ValueError(f"{text!r} is unknown; choose from {', '.join(choices)}") from None

    return choose


def _on_or_off(text: str) -> bool:
    word = text.strip().lower()
    if word in ("on", "true", "yes", "1"):
        return True
    if word in ("off", "false", "no", "0"):
        return False
    raise ValueError(f"{text!r} is neither on nor off")


def _mebibytes(text: str) -> int | None:
    if not text.strip().isdecimal() or not 16 <= int(text) <= 1_048_576:
        raise ValueError(f"{text!r} is no number of MiB between 16 and 1048576")
    return int(text)
