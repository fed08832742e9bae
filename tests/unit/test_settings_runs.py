"""Settings of the runs and of single workflows: how steps are executed, and what a reload takes over."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from config import RunSettings, Settings, SettingsError, differences, load

NOWHERE = Path("/nonexistent")


def settings(**environ: str) -> Settings:
    return load(environ, NOWHERE)


def faults(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, NOWHERE)
    return list(error.value.faults)


def shown(found: Settings) -> Mapping[str, tuple[str | None, str]]:
    return {item.name: (item.shown, item.source) for item in found.in_force}


# --- runs ---


def test_runs_have_defaults_that_need_no_setting() -> None:
    assert settings().runs == RunSettings(8, 3, timedelta(minutes=5), timedelta(hours=24))


def test_runs_are_set_by_the_names_of_old() -> None:
    found = settings(WORKER_CONCURRENCY="2", MAX_RETRY="0", WORKER_TIMEOUT="1500", ROUNDSMAN_RUN_TTL_HOURS="0.5").runs
    assert found == RunSettings(2, 0, timedelta(seconds=1.5), timedelta(minutes=30))


def test_finished_runs_may_be_kept_for_ever() -> None:
    assert settings(ROUNDSMAN_RUN_TTL_HOURS="Never").runs.kept_for is None


def test_the_older_name_of_the_concurrency_counts_too() -> None:
    found = settings(MAX_CONCURRENT_WORKERS="5")
    assert found.runs.concurrency == 5
    assert shown(found)["WORKER_CONCURRENCY"] == ("5", "MAX_CONCURRENT_WORKERS")
    assert settings(MAX_CONCURRENT_WORKERS="5", WORKER_CONCURRENCY="5").runs.concurrency == 5


@pytest.mark.parametrize("newer", ["8", "6"])
def test_two_names_that_say_different_things_are_a_fault(newer: str) -> None:
    assert faults(MAX_CONCURRENT_WORKERS="5", WORKER_CONCURRENCY=newer) == [
        "MAX_CONCURRENT_WORKERS: '5' contradicts WORKER_CONCURRENCY; remove one of the two."
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WORKER_CONCURRENCY", "0", "is not a whole number from 1 to 256"),
        ("MAX_CONCURRENT_WORKERS", "257", "is not a whole number from 1 to 256"),
        ("MAX_RETRY", "-1", "is not a whole number from 0 to 100"),
        ("WORKER_TIMEOUT", "300", "'300' is not a whole number of milliseconds from 1000 to 604800000"),
        ("WORKER_TIMEOUT", "5m", "is not a whole number of milliseconds"),
        ("ROUNDSMAN_RUN_TTL_HOURS", "0", "is not a number of hours above 0 and up to 87600; write `never`"),
        ("ROUNDSMAN_RUN_TTL_HOURS", "1d", "is not a number of hours"),
        ("WORKFLOW_X_RATE", "1\n/s", "holds a control character"),
    ],
)
def test_a_bad_value_of_the_runs_is_one_sentence(name: str, value: str, words: str) -> None:
    (found,) = faults(**{name: value})
    assert found.startswith(f"{name}: ")
    assert words in found


# --- workflows ---


def test_the_facts_of_workflows_are_kept_as_written(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WORKFLOW_TEST_PLAN_TIMEOUT=5m\nWORKFLOW_TEST_PLAN_ATTEMPTS=4\n")
    environ = {"WORKFLOW_TEST_PLAN_RATE": "30/min", "WORKFLOW_X_CONCURRENCY": "no", "JOB_X_TIMEOUT": "1m"}
    found = load(environ, tmp_path)
    assert {name: dict(facts) for name, facts in found.workflows.items()} == {
        "test_plan": {"timeout": "5m", "attempts": "4", "rate": "30/min"},
        "x": {"concurrency": "no"},
    }
    assert {name: dict(facts) for name, facts in found.jobs.items()} == {"x": {"timeout": "1m"}}
    assert shown(found)["WORKFLOW_TEST_PLAN_TIMEOUT"] == ("5m", ".env line 1")


def test_an_unknown_fact_of_a_workflow_is_told_with_what_was_meant(tmp_path: Path) -> None:
    advice = "did you mean WORKFLOW_TEST_PLAN_TIMEOUT?"
    assert settings(WORKFLOW_TEST_PLAN_TIMEOT="5m").notes == (
        f"WORKFLOW_TEST_PLAN_TIMEOT is no setting of ours and is ignored; {advice}",
    )
    (tmp_path / ".env").write_text("WORKFLOW_TEST_PLAN_TIMEOT=5m\n")
    with pytest.raises(SettingsError, match=r"^WORKFLOW_TEST_PLAN_TIMEOT \(\.env line 1\): no such setting; did you"):
        load({}, tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"), [("QUEUE_TYP", "QUEUE_TYPE"), ("REDIS_URI", "REDIS_URL"), ("MAX_RETRIES", "MAX_RETRY")]
)
def test_a_slip_in_the_name_of_a_queue_s_setting_is_noted(name: str, meant: str) -> None:
    assert settings(**{name: "x"}).notes == (f"{name} is no setting of ours and is ignored; did you mean {meant}?",)


# --- reading again ---


def test_a_reload_says_what_waits_for_a_restart() -> None:
    old = settings(WORKFLOW_X_RATE="1/s")
    new = settings(QUEUE_TYPE="redis", REDIS_URL="redis://:secret@h", MAX_RETRY="5", ROUNDSMAN_RUN_TTL_HOURS="48")
    waits = " (takes effect after a restart)"
    assert [str(change) for change in differences(old, new)] == [
        f"QUEUE_TYPE: local -> redis{waits}",
        f"REDIS_URL: not set -> redis://:***@h{waits}",
        f"MAX_RETRY: 3 -> 5{waits}",
        "ROUNDSMAN_RUN_TTL_HOURS: 24 -> 48",
        f"WORKFLOW_X_RATE: 1/s -> not set{waits}",
    ]
