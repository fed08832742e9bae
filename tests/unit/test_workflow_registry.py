"""Workflows are registered with every fact decided, or refused with a sentence for each fault."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import pytest

from roundsman.errors import BadInputError, ConfigurationError
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.registry import WorkflowDefaults, register_workflows, steps_of
from roundsman.fsm.workflow import FOR_EVER, Next, Step, StepResult, Workflow
from roundsman.message import Rate

DEFAULTS = WorkflowDefaults(step_timeout=timedelta(minutes=5), attempts=4, kept_for=timedelta(hours=24))
MACHINE = Machine(
    "new", [Transition("new", "go", "under_way"), Transition("under_way", "go", "done")], {"done": Final.COMPLETED}
)


def _go(ctx: RunContext) -> StepResult:
    return Next("go")


class _Plain(Workflow):
    name: ClassVar[str] = "plain"
    machine: ClassVar[Machine] = MACHINE

    def steps(self) -> Mapping[str, Step]:
        return {"new": _go, "under_way": _go}


def _workflow(**facts: Any) -> type[Workflow]:
    return type("Sample", (_Plain,), {"__module__": __name__, "name": "sample", **facts})


def _faults(*workflows: type[Workflow], settings: Mapping[str, Mapping[str, str]] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        register_workflows(workflows, settings or {}, DEFAULTS)
    return caught.value.faults


def test_the_daemons_defaults_hold_when_a_workflow_says_nothing() -> None:
    facts = register_workflows([_Plain], {}, DEFAULTS)["plain"]
    assert (facts.name, facts.workflow, facts.machine) == ("plain", _Plain, MACHINE)
    assert (facts.timeout, facts.attempts, facts.kept_for) == (timedelta(minutes=5), 4, timedelta(hours=24))
    assert (facts.concurrency, facts.rate, facts.backoff) == (None, None, timedelta(seconds=2))


def test_the_facts_of_the_class_win_over_the_daemons() -> None:
    declared = _workflow(
        timeout=timedelta(seconds=7), attempts=1, concurrency=3, rate=Rate(2, timedelta(seconds=5)),
        backoff=timedelta(0), kept_for=FOR_EVER,
    )  # fmt: skip
    facts = register_workflows([declared], {}, DEFAULTS)["sample"]
    assert (facts.timeout, facts.attempts, facts.kept_for) == (timedelta(seconds=7), 1, None)
    assert (facts.concurrency, facts.rate, facts.backoff) == (3, Rate(2, timedelta(seconds=5)), timedelta(0))
    short = _workflow(kept_for=timedelta(minutes=1))
    assert register_workflows([short], {}, DEFAULTS)["sample"].kept_for == timedelta(minutes=1)


def test_settings_win_over_the_class() -> None:
    declared = _workflow(timeout=timedelta(seconds=7), attempts=1, concurrency=3, rate=Rate(2, timedelta(seconds=5)))
    settings = {"timeout": "1m30s", "attempts": "9", "concurrency": "12", "rate": "30/min"}
    facts = register_workflows([declared], {"sample": settings}, DEFAULTS)["sample"]
    assert (facts.timeout, facts.attempts, facts.concurrency) == (timedelta(seconds=90), 9, 12)
    assert facts.rate == Rate(30, timedelta(minutes=1))
    unlimited = {"concurrency": "none", "rate": "None"}
    facts = register_workflows([declared], {"sample": unlimited}, DEFAULTS)["sample"]
    assert (facts.concurrency, facts.rate) == (None, None)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5/s", Rate(5, timedelta(seconds=1))),
        ("30/min", Rate(30, timedelta(minutes=1))),
        (" 100 / H ", Rate(100, timedelta(hours=1))),
        ("1000000/d", Rate(1_000_000, timedelta(days=1))),
        ("007/s", Rate(7, timedelta(seconds=1))),
    ],
)
def test_a_rate_is_so_many_in_a_unit(text: str, rate: Rate) -> None:
    assert register_workflows([_Plain], {"plain": {"rate": text}}, DEFAULTS)["plain"].rate == rate


@pytest.mark.parametrize("text", ["", "30", "30/", "/min", "0/s", "-1/s", "1.5/s", "1000001/s", "5/m", "5/week", "٣/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    assert _faults(_Plain, settings={"plain": {"rate": text}}) == (
        f"WORKFLOW_PLAIN_RATE: {text!r} is no rate; write for example 5/s, 30/min or 100/h, up to 1000000;"
        " or write none.",
    )


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"timeout": "soon"}, "WORKFLOW_PLAIN_TIMEOUT: 'soon' is no duration; write for example 30s, 5m or 1h30m."),
        ({"timeout": "300"}, "WORKFLOW_PLAIN_TIMEOUT: '300' is no duration; write for example 30s, 5m or 1h30m."),
        ({"timeout": "0s"}, "WORKFLOW_PLAIN_TIMEOUT: '0s' is not longer than nothing."),
        ({"timeout": "8d"}, "WORKFLOW_PLAIN_TIMEOUT: '8d' is longer than 7d."),
        ({"attempts": "0"}, "WORKFLOW_PLAIN_ATTEMPTS: '0' is no whole number from 1 to 101."),
        ({"attempts": "none"}, "WORKFLOW_PLAIN_ATTEMPTS: 'none' is no whole number from 1 to 101."),
        ({"attempts": "102"}, "WORKFLOW_PLAIN_ATTEMPTS: '102' is no whole number from 1 to 101."),
        ({"attempts": "²"}, "WORKFLOW_PLAIN_ATTEMPTS: '²' is no whole number from 1 to 101."),
        (
            {"concurrency": "many"},
            "WORKFLOW_PLAIN_CONCURRENCY: 'many' is no whole number from 1 to 100000; or write none.",
        ),
        ({"colour": "red"}, "WORKFLOW_PLAIN_COLOUR: no such fact; choose from attempts, concurrency, rate, timeout."),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_the_fix(settings: dict[str, str], fault: str) -> None:
    assert _faults(_Plain, settings={"plain": settings}) == (fault,)


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"timeout": 300}, "timeout: 300 is no span of time; declare a timedelta."),
        ({"timeout": timedelta(0)}, "timeout: '0:00:00' is not longer than nothing."),
        ({"attempts": 0}, "attempts: 0 is no whole number from 1 to 101."),
        ({"attempts": True}, "attempts: True is no whole number from 1 to 101."),
        ({"concurrency": 0}, "concurrency: 0 is no whole number from 1 to 100000; or write none."),
        (
            {"rate": Rate(0, timedelta(seconds=1))},
            "rate: Rate(count=0, per=",
        ),
        ({"backoff": timedelta(seconds=-1)}, "backoff: datetime.timedelta(days=-1, seconds=86399) is no span of time"),
        ({"kept_for": 24}, "kept_for: 24 is no span of time; declare a timedelta."),
        ({"machine": None}, "machine is missing; declare its states with Machine(...)."),
    ],
)
def test_a_wrong_fact_of_a_class_is_told_with_the_class(facts: dict[str, Any], fault: str) -> None:
    (told,) = _faults(_workflow(**facts))
    assert told.startswith(f"{__name__}.Sample: {fault}")


def test_a_workflow_without_steps_is_told_at_once() -> None:
    stepless = type("Stepless", (Workflow,), {"__module__": __name__, "name": "stepless", "machine": MACHINE})
    (told,) = _faults(stepless)
    assert told == f"{__name__}.Stepless: steps is missing; give it a method that returns the step of each state."


@pytest.mark.parametrize("name", ["", "With Blank", "Capital", "ünïcode", "1st", None])
def test_a_name_that_cannot_be_an_environment_name_is_refused(name: str | None) -> None:
    (fault,) = _faults(_workflow(name=name))
    assert fault.startswith(f"{__name__}.Sample: name is {name!r};")


def test_two_workflows_of_one_name_are_refused() -> None:
    (fault,) = _faults(_Plain, _workflow(name="plain"))
    assert "'plain' is already taken by" in fault


def test_all_faults_are_told_at_once() -> None:
    settings = {"plain": {"timeout": "x", "attempts": "y"}, "plian": {"rate": "1/s", "timeout": "1s"}}
    faults = _faults(_Plain, _workflow(attempts=0), settings=settings)
    assert len(faults) == 4
    assert faults[-1] == (
        "WORKFLOW_PLIAN_RATE, WORKFLOW_PLIAN_TIMEOUT: there is no workflow 'plian' (did you mean 'plain'?);"
        " the workflows are plain, sample."
    )


def test_a_person_who_mistypes_a_name_is_told_the_names() -> None:
    registry = register_workflows([_Plain, _workflow()], {}, DEFAULTS)
    assert registry.find("plain") is registry["plain"]
    assert [facts.name for facts in registry.workflows] == ["plain", "sample"]
    assert "plain" in registry
    assert "plian" not in registry
    with pytest.raises(BadInputError) as caught:
        registry.find("plian")
    assert str(caught.value) == (
        "workflow: there is no workflow 'plian' (did you mean 'plain'?); the workflows are plain, sample."
    )


# --- steps ---


def _with_steps(**steps: Any) -> Workflow:
    return _workflow(steps=lambda self: steps)()


def test_every_state_that_is_not_final_has_a_step() -> None:
    assert steps_of(_Plain()) == {"new": _go, "under_way": _go}
    with pytest.raises(ConfigurationError) as caught:
        steps_of(_with_steps(new=_go, done=_go, gone=_go))
    assert caught.value.faults == (
        f"{__name__}.Sample: state 'under_way' has no step; add one, or name the state in the machine's finals.",
        f"{__name__}.Sample: there is a step for 'done', which is final; remove it, as nothing is done there.",
        f"{__name__}.Sample: there is a step for 'gone', which is no state; those are new, under_way, done.",
    )


@pytest.mark.parametrize("nameless", [lambda ctx: Next("go"), partial(_go), "go", None])
def test_a_step_without_a_name_to_be_recorded_under_is_refused(nameless: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        steps_of(_with_steps(new=_go, under_way=nameless))
    assert caught.value.faults == (
        f"{__name__}.Sample: the step of 'under_way' has no name to be recorded under; write a method or a function.",
    )
