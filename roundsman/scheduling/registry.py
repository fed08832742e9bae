"""The registered jobs with the facts in force: the class's own, overridden by settings.

Everything that can be wrong with a job is found here, at start and in `check-config`, as one sentence each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar
from zoneinfo import ZoneInfo

from roundsman.errors import ConfigurationError
from roundsman.scheduling.facts import FactReader, by_name, of_nobody, positive_duration
from roundsman.scheduling.job import CatchUp, Job, Overlap
from roundsman.scheduling.trigger import Trigger, parse_duration, parse_trigger

_Choice = TypeVar("_Choice", bound=StrEnum)


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
    alert_after: int | None
    """Failures in a row after which people are told; None: never."""
    expects: tuple[str, ...]
    """Counters that are not 0 for long when all is well."""


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


def register(
    jobs: Sequence[type[Job]],
    overrides: Mapping[str, Mapping[str, str]],
    default_zone: ZoneInfo,
    missing: Mapping[str, str] = MappingProxyType({}),
) -> Registry:
    """Decide the facts of every job.

    `overrides` maps a job's name to its settings as texts, keyed by fact in lower case (`schedule`, `timeout`).
    `missing` names what is not set up, and which setting would do so: a job that needs it is off.
    Raises ConfigurationError with one sentence for each fault.
    """
    faults: list[str] = []
    named = by_name(jobs, faults)
    registered = []
    for name, job in named.items():
        reader = FactReader(job, "job", overrides.get(name, {}), _FACTS)
        registered.append(_read(job, reader, default_zone, missing))
        faults.extend(reader.faults)
    faults.extend(of_nobody("job", overrides, named))
    if faults:
        raise ConfigurationError(faults)
    return Registry(tuple(registered))


def _read(job: type[Job], reader: FactReader, default_zone: ZoneInfo, missing: Mapping[str, str]) -> JobFacts:
    """Each fact from its setting or else from the class; not worth anything if the reader has found faults."""
    zone = reader.read("time_zone", _zone, default_zone, job.time_zone)
    schedule = getattr(job, "schedule", "")
    trigger = reader.read("schedule", lambda text: parse_trigger(text, zone), None, schedule)
    usual_failures: int | None = job.alert_after or _alert_after(trigger)
    alert_after = reader.read("alert_after", _failures, usual_failures)
    facts = JobFacts(
        job=job,
        name=job.name,
        trigger=trigger or parse_trigger("every 1d", zone),
        timeout=reader.read("timeout", positive_duration, job.timeout),
        overlap=reader.read("overlap", _chooser(Overlap), job.overlap),
        catch_up=reader.read("catch_up", _chooser(CatchUp), job.catch_up),
        jitter=reader.read("jitter", parse_duration, job.jitter),
        run_at_start=reader.read("run_at_start", _on_or_off, job.run_at_start),
        isolate=reader.read("isolate", _on_or_off, job.isolate),
        memory_limit_mib=reader.read("memory_limit_mib", _mebibytes, job.memory_limit_mib),
        enabled=reader.read("enabled", _on_or_off, job.needs not in missing),
        alert_after=alert_after,
        expects=job.expects,
    )
    if facts.memory_limit_mib is not None and not facts.isolate:
        reader.faults.append(
            f"{reader.label('memory_limit_mib')}: only an isolated job can be limited;"
            f" set JOB_{job.name.upper()}_ISOLATE=on."
        )
    if facts.enabled and job.needs is not None and job.needs in missing:
        reader.faults.append(
            f"{reader.label('enabled')}: it cannot be on without {missing[job.needs]}; set that, or take this away."
        )
    return facts


_FACTS = frozenset(
    {"schedule", "timeout", "overlap", "catch_up", "jitter", "time_zone", "run_at_start", "isolate"}
    | {"memory_limit_mib", "enabled", "alert_after"}
)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin") from None


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


def _alert_after(trigger: Trigger | None) -> int:
    """What runs often has another chance in a moment; what runs seldom is not to fail unheard for a day."""
    first = trigger.next_after(_ANY_TIME) if trigger is not None else None
    second = trigger.next_after(first) if trigger is not None and first is not None else None
    is_frequent = first is not None and second is not None and second - first <= timedelta(hours=1)
    return 3 if is_frequent else 1


_ANY_TIME = datetime(2026, 1, 5, tzinfo=UTC)


def _failures(text: str) -> int | None:
    if text.strip().lower() == "off":
        return None
    if not text.strip().isdecimal() or not 1 <= int(text) <= 100:
        raise ValueError(f"{text!r} is neither off nor a number of failures in a row between 1 and 100")
    return int(text)


def _mebibytes(text: str) -> int | None:
    if not text.strip().isdecimal() or not 16 <= int(text) <= 1_048_576:
        raise ValueError(f"{text!r} is no number of MiB between 16 and 1048576")
    return int(text)
