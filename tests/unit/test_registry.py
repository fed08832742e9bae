"""Jobs are registered with every fact decided, or refused with a sentence for each fault."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from roundsman.errors import ConfigurationError
from roundsman.scheduling.job import CatchUp, Job, JobContext, Outcome, Overlap
from roundsman.scheduling.registry import register

UTC_ZONE = ZoneInfo("UTC")


def _job(**facts: Any) -> type[Job]:
    def run(self: Job, ctx: JobContext) -> Outcome:
        return Outcome.done()

    return type("Sample", (Job,), {"name": "sample", "schedule": "every 1m", "run": run, **facts})


class _Plain(Job):
    name: ClassVar[str] = "plain"
    schedule: ClassVar[str] = "0 9 * * *"

    def run(self, ctx: JobContext) -> Outcome:
        return Outcome.done()


def _faults(*jobs: type[Job], settings: Mapping[str, Mapping[str, str]] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        register(jobs, settings or {}, UTC_ZONE)
    return caught.value.faults


def test_the_facts_of_the_class_hold_when_nothing_is_set() -> None:
    facts = register([_Plain], {}, ZoneInfo("Asia/Ho_Chi_Minh"))["plain"]
    assert facts.trigger.text == "0 9 * * * Asia/Ho_Chi_Minh"
    assert (facts.timeout, facts.overlap, facts.catch_up) == (timedelta(minutes=5), Overlap.SKIP, CatchUp.ONCE)
    assert facts.enabled


def test_every_fact_can_be_set() -> None:
    settings = {
        "schedule": "15 2 * * *", "time_zone": "Europe/Berlin", "timeout": "90s", "overlap": "queue",
        "catch_up": "all", "jitter": "5s", "run_at_start": "on", "isolate": "yes", "memory_limit_mib": "256",
        "enabled": "off",
    }  # fmt: skip
    registry = register([_Plain], {"plain": settings}, UTC_ZONE)
    facts = registry["plain"]
    assert facts.trigger.text == "15 2 * * * Europe/Berlin"
    assert facts.timeout == timedelta(seconds=90)
    assert (facts.overlap, facts.catch_up, facts.jitter) == (Overlap.QUEUE, CatchUp.ALL, timedelta(seconds=5))
    assert (facts.run_at_start, facts.isolate, facts.memory_limit_mib, facts.enabled) == (True, True, 256, False)
    assert registry.enabled == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule": "61 * * * *"}, ("JOB_PLAIN_SCHEDULE", "'61 * * * *'", "bad minute")),
        ({"timeout": "soon"}, ("JOB_PLAIN_TIMEOUT", "'soon'", "30s")),
        ({"timeout": "0s"}, ("JOB_PLAIN_TIMEOUT", "longer than nothing")),
        ({"overlap": "maybe"}, ("JOB_PLAIN_OVERLAP", "skip, queue")),
        ({"catch_up": "twice"}, ("JOB_PLAIN_CATCH_UP", "skip, once, all")),
        ({"time_zone": "Mars/Olympus"}, ("JOB_PLAIN_TIME_ZONE", "Mars/Olympus")),
        ({"time_zone": "../etc/passwd"}, ("JOB_PLAIN_TIME_ZONE",)),
        ({"enabled": "perhaps"}, ("JOB_PLAIN_ENABLED", "on nor off")),
        ({"memory_limit_mib": "64"}, ("JOB_PLAIN_MEMORY_LIMIT_MIB", "JOB_PLAIN_ISOLATE")),
        ({"memory_limit_mib": "lots", "isolate": "on"}, ("JOB_PLAIN_MEMORY_LIMIT_MIB", "MiB")),
        ({"alert_after": "0"}, ("JOB_PLAIN_ALERT_AFTER", "'0'", "neither off nor a number")),
        ({"alert_after": "seldom"}, ("JOB_PLAIN_ALERT_AFTER", "'seldom'")),
        ({"colour": "red"}, ("JOB_PLAIN_COLOUR", "no such fact")),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_the_fix(settings: dict[str, str], words: tuple[str, ...]) -> None:
    (fault,) = _faults(_Plain, settings={"plain": settings})
    assert all(word in fault for word in words), fault


def test_all_faults_are_told_at_once() -> None:
    faults = _faults(
        _Plain, _job(schedule="* *"), settings={"plain": {"timeout": "x", "overlap": "y"}, "plian": {"timeout": "1s"}}
    )
    assert len(faults) == 4
    assert any("JOB_PLIAN_TIMEOUT" in fault and "plain, sample" in fault for fault in faults)


def test_two_jobs_of_one_name_are_refused() -> None:
    (fault,) = _faults(_Plain, _job(name="plain"))
    assert "'plain' is already taken by" in fault


@pytest.mark.parametrize("name", ["", "With Blank", "Capital", "ünïcode", "1st", None])
def test_a_name_that_cannot_be_an_environment_name_is_refused(name: str | None) -> None:
    (fault,) = _faults(_job(name=name))
    assert "name is" in fault
