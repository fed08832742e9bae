"""The workflows that ship: what they take, what their steps say, and that they stop when they are told to."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.clock import ManualClock
from roundsman.errors import BadInputError
from roundsman.fsm.machine import Final
from roundsman.fsm.registry import WorkflowDefaults, register_workflows, steps_of
from roundsman.fsm.rehearsal import Rehearsal
from roundsman.scheduling.job import StoppedError, StopReason
from roundsman.workflows import WORKFLOWS
from roundsman.workflows.noop import Noop
from roundsman.workflows.three_steps import STEPS, ThreeSteps

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_all_of_them_can_be_registered_and_every_state_has_its_step() -> None:
    defaults = WorkflowDefaults(timedelta(minutes=5), 4, timedelta(hours=24))
    registry = register_workflows(WORKFLOWS, {}, defaults)
    assert {"noop", "three_steps"} <= {facts.name for facts in registry.workflows}
    for workflow in (Noop(), ThreeSteps()):
        machine = registry[workflow.name].machine
        assert set(steps_of(workflow)) == {state for state in machine.states if not machine.is_final(state)}


@pytest.mark.parametrize("data", [{}, {"anything": [1, None, {"deep": "ờ"}]}])
def test_noop_takes_anything_and_is_done_in_one_step(data: dict[str, Any], clock: ManualClock) -> None:
    run = Rehearsal(Noop(), data, clock)
    run.go()
    assert (run.state, run.ended, run.data) == ("done", Final.COMPLETED, {})
    assert run.attempts == ["do_nothing"]


# --- three_steps ---


def test_each_step_leaves_something_to_see(clock: ManualClock) -> None:
    run = Rehearsal(ThreeSteps(), {"note": "chào buổi sáng"}, clock)
    run.go()
    assert (run.state, run.ended, run.progress) == ("done", Final.COMPLETED, 100)
    assert run.data == {"text": "chào buổi sáng", "words": 3, "summary": "The note has 3 words."}
    assert run.attempts == list(STEPS)


def test_nothing_is_required(clock: ManualClock) -> None:
    run = Rehearsal(ThreeSteps(), {}, clock)
    run.go()
    assert run.data == {"text": "", "words": 0, "summary": "The note has 0 words."}


@pytest.mark.parametrize(("step", "progress"), [("fetch", 0), ("work", 33), ("wrap_up", 66)])
@pytest.mark.parametrize(("times", "made"), [(None, 2), (0, 1), (3, 4)])
def test_a_step_fails_as_often_as_it_was_asked_to(
    step: str, progress: int, times: int | None, made: int, clock: ManualClock
) -> None:
    data = {"fail_at": step} if times is None else {"fail_at": step, "fail_times": times}
    run = Rehearsal(ThreeSteps(), data, clock)
    run.go()
    assert run.ended is Final.COMPLETED
    assert run.attempts == [each for each in STEPS for _ in range(made if each == step else 1)]
    assert run.error == (f"attempt {made - 1} was asked to fail" if made > 1 else None)
    exhausted = Rehearsal(ThreeSteps(), {"fail_at": step, "fail_times": 4}, clock, attempts=4)
    exhausted.go()
    assert (exhausted.ended, exhausted.progress) == (Final.FAILED, progress)


def test_a_step_that_waits_ends_at_once_when_it_is_told_to(clock: ManualClock) -> None:
    run = Rehearsal(ThreeSteps(), {"seconds": 60}, clock)
    ended = threading.Event()

    def go() -> None:
        with pytest.raises(StoppedError):
            run.go()
        ended.set()

    thread = threading.Thread(target=go)
    thread.start()
    run.stop.set(StopReason.SHUTDOWN)
    assert ended.wait(10)
    thread.join()
    assert (run.state, run.data) == ("fetching", {})


def test_each_step_takes_as_long_as_it_was_asked_to(clock: ManualClock) -> None:
    run = Rehearsal(ThreeSteps(), {"seconds": 0.01}, clock)
    run.go()
    assert run.ended is Final.COMPLETED


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"seconds": 61}, "seconds: is 61; give a number from 0 to 60."),
        ({"seconds": -1}, "seconds: is -1; give a number from 0 to 60."),
        ({"seconds": "5"}, 'seconds: is "5"; give a number from 0 to 60.'),
        ({"seconds": True}, "seconds: is true; give a number from 0 to 60."),
        ({"seconds": None}, "seconds: is null; give a number from 0 to 60."),
        ({"seconds": float("nan")}, "seconds: is NaN; give a number from 0 to 60."),
        ({"fail_at": "fetching"}, 'fail_at: is "fetching"; give the name of a step: fetch, work, wrap_up.'),
        ({"fail_at": []}, "fail_at: is []; give the name of a step: fetch, work, wrap_up."),
        ({"fail_at": "work", "fail_times": 1.0}, "fail_times: is 1.0; give a whole number from 0 to 1000."),
        ({"fail_at": "work", "fail_times": 1001}, "fail_times: is 1001; give a whole number from 0 to 1000."),
        ({"fail_times": 2}, "fail_times: is 2, but of no step; give fail_at as well."),
        ({"note": 7}, "note: is 7; give a text of up to 1000 characters."),
        ({"note": "n" * 1001}, f'note: is "{"n" * 59}...; give a text of up to 1000 characters.'),
        ({"nöte": ""}, '"n\\u00f6te": there is no such field; choose from seconds, fail_at, fail_times, note.'),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_the_fix(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInputError) as caught:
        ThreeSteps().check(data)
    assert str(caught.value) == sentence


def test_all_wrong_fields_are_told_at_once() -> None:
    with pytest.raises(BadInputError) as caught:
        ThreeSteps().check({"seconds": 99, "note": None, "colour": "red"})
    assert [sentence.split(":")[0] for sentence in str(caught.value).split(". ")] == ["seconds", "note", '"colour"']


@given(st.dictionaries(st.sampled_from(["seconds", "fail_at", "fail_times", "note", "other"]), _JSON, max_size=4))
def test_whatever_comes_in_is_taken_or_refused_in_one_line(data: dict[str, Any]) -> None:
    for workflow in (Noop(), ThreeSteps()):
        try:
            workflow.check(data)
        except BadInputError as error:
            told = str(error)
        else:
            told = "taken."
        assert told.endswith(".")
        assert told.isascii()
        assert told.isprintable()


def test_what_passes_the_check_never_breaks_a_step(clock: ManualClock) -> None:
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "seconds": st.sampled_from([0, 0.0, 1e-9]),
                "fail_at": st.sampled_from(STEPS),
                "note": st.text(max_size=1000),
            },
        )
    )
    def holds(data: dict[str, Any]) -> None:
        run = Rehearsal(ThreeSteps(), data, clock)
        run.go()
        assert run.ended is Final.COMPLETED
        assert json.dumps(run.data)

    holds()
