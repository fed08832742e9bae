"""A machine is judged when it is declared; after that every walk through it stays in its table and can end."""

from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import EVENTS, HELD, STATES, declarations, machines

from roundsman.fsm.machine import FAILED, Final, Guard, IllegalTransitionError, Machine, MachineError, Transition

SIGNED = Guard("signed", lambda data: "signature" in data)
LARGE = Guard("large", lambda data: data.get("size", 0) > 9)
DONE = {"done": Final.COMPLETED}

REVIEW = Machine(
    "draft",
    [
        Transition("draft", "written", "review"),
        Transition("draft", FAILED, "dropped"),
        Transition("review", "approve", "archive", LARGE),
        Transition("review", "approve", "published", SIGNED),
        Transition("review", "approve", "draft"),
        Transition("review", "amend", "review", SIGNED),
        Transition("review", "reject", "dropped"),
        Transition("archive", "stored", "published"),
    ],
    finals={"published": Final.COMPLETED, "dropped": Final.CANCELLED},
)


def _faults(initial: Any, transitions: Sequence[Transition], finals: Mapping[Any, Any]) -> tuple[str, ...]:
    with pytest.raises(MachineError) as caught:
        Machine(initial, transitions, finals)
    assert str(caught.value).splitlines() == list(caught.value.faults)
    return caught.value.faults


# --- walking ---


@pytest.mark.parametrize(
    ("state", "event", "data", "target"),
    [
        ("draft", "written", {}, "review"),
        ("draft", "failed", {}, "dropped"),
        ("review", "approve", {}, "draft"),
        ("review", "approve", {"signature": "Mai"}, "published"),
        ("review", "approve", {"signature": "Mai", "size": 10}, "archive"),
        ("review", "amend", {"signature": "Mai"}, "review"),
    ],
)
def test_the_first_transition_whose_guard_holds_is_taken(
    state: str, event: str, data: Mapping[str, Any], target: str
) -> None:
    assert REVIEW.step(state, event, data) == target


@pytest.mark.parametrize(
    ("state", "event", "sentence"),
    [
        (
            "draft", "approve",
            "state 'draft': the event 'approve' has no meaning; possible there: written, failed.",
        ),
        (
            "review", "amend",
            "state 'review': the event 'amend' is refused by its guards (signed);"
            " possible there: approve, amend, reject.",
        ),
        (
            "published", "approve",
            "state 'published': the event 'approve' has no meaning, as the run has ended; nothing is possible there.",
        ),
        (
            "revue", "approve",
            "state 'revue': the event 'approve' cannot be taken, as there is no such state (only draft, review,"
            " dropped, archive, published); nothing is possible there.",
        ),
    ],
)  # fmt: skip
def test_an_illegal_event_is_told_with_the_possible_ones(state: str, event: str, sentence: str) -> None:
    with pytest.raises(IllegalTransitionError) as caught:
        REVIEW.step(state, event, {})
    assert str(caught.value) == sentence
    assert (caught.value.state, caught.value.event) == (state, event)


def test_what_a_guard_raises_is_not_hidden() -> None:
    machine = Machine("new", [Transition("new", "go", "done", Guard("known", lambda data: data["who"] == "Mai"))], DONE)
    with pytest.raises(KeyError, match="who"):
        machine.step("new", "go", {})


def test_it_tells_its_states_events_and_ends() -> None:
    assert REVIEW.states == ("draft", "review", "dropped", "archive", "published")
    assert REVIEW.events_of("review") == ("approve", "amend", "reject")
    assert REVIEW.events_of("published") == ()
    assert [state for state in REVIEW.states if REVIEW.is_final(state)] == ["dropped", "published"]
    assert REVIEW.takes("draft", FAILED)
    assert not REVIEW.takes("review", FAILED)
    assert not REVIEW.takes("revue", "approve")
    with pytest.raises(KeyError):
        REVIEW.events_of("revue")


def test_nobody_changes_it_afterwards() -> None:
    transitions, finals = [Transition("new", "go", "done")], {"done": Final.COMPLETED}
    machine = Machine("new", transitions, finals)
    transitions.append(Transition("new", "leave", "gone"))
    finals["new"] = Final.FAILED
    assert machine.events_of("new") == ("go",)
    assert not machine.is_final("new")
    assert machine == Machine("new", machine.transitions, machine.finals)
    assert len({machine, Machine("new", machine.transitions, machine.finals)}) == 1
    with pytest.raises(FrozenInstanceError):
        machine.initial = "gone"  # type: ignore[misc]  # what this test is about
    with pytest.raises(TypeError):
        machine.finals["new"] = Final.FAILED  # type: ignore[index]  # as above


# --- faults ---


@pytest.mark.parametrize(
    ("initial", "transitions", "finals", "fault"),
    [
        ("old", [("new", "go", "done")], DONE, "state 'old': is initial, but no transition leaves it"),
        ("done", [("new", "go", "done")], DONE, "state 'done': is both initial and final"),
        ("new", [("new", "go", "done"), ("old", "go", "done")], DONE, "state 'old': cannot be reached from 'new'"),
        ("new", [("new", "go", "done")], {**DONE, "gone": Final.FAILED}, "state 'gone': cannot be reached from 'new'"),
        ("new", [("new", "go", "done"), ("new", "stay", "there")], DONE, "state 'there': no transition leaves it"),
        (
            "new", [("new", "go", "done"), ("new", "spin", "round"), ("round", "spin", "round")], DONE,
            "state 'round': no final state can be reached from it",
        ),
        ("new", [("new", "go", "done"), ("done", "again", "new")], DONE, "state 'done': is final, yet again would"),
        ("new", [("new", "go", "new")], {}, "finals: there is none"),
        (
            "new", [("new", "go", "done"), ("new", "go", "new")], DONE,
            "state 'new', event 'go': leads to 'done' and 'new' without a guard",
        ),
        (
            "new", [("new", "go", "done"), ("new", "go", "new", SIGNED)], DONE,
            "state 'new', event 'go': 'done' has no guard and hides what follows it",
        ),
        (
            "new", [("new", "go", "done", SIGNED), ("new", "go", "new", SIGNED)], DONE,
            "state 'new', event 'go': the guard 'signed' stands there twice",
        ),
        (
            "new", [("new", "go", "done"), ("new", FAILED, "done", SIGNED)], DONE,
            "state 'new', event 'failed': every transition is guarded",
        ),
        ("new", [("new", "go", "done")], {"done": "completed"}, "state 'done': ends in 'completed', which is no Final"),
        ("new", [("new", "go", "all done")], {"all done": Final.COMPLETED}, "state 'all done': is no name"),
        ("new", [("new", "Go", "done")], DONE, "event 'Go': is no name; write lower-case words"),
        ("new", [("new", "go", "done", Guard("ok?", bool))], DONE, "guard 'ok?': is no name"),
        (None, [("new", "go", "done")], DONE, "state None: is no name"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_the_fix(
    initial: Any, transitions: Sequence[tuple[Any, ...]], finals: Mapping[Any, Any], fault: str
) -> None:
    (told,) = _faults(initial, [Transition(*each) for each in transitions], finals)
    assert told.startswith(fault)
    assert told.endswith(".")


@pytest.mark.parametrize("name", ["", "_new", "new_", "a__b", "1st", "In_review", "in-review", "ê", "new\n", 7, None])
def test_a_name_is_lower_case_words(name: Any) -> None:
    assert _faults("new", [Transition("new", "go", name), Transition(name, "go", "done")], DONE) == (
        f"state {name!r}: is no name; write lower-case words joined by underscores, such as in_review.",
    )


def test_all_faults_are_told_at_once() -> None:
    transitions = [("new", "go", "there"), ("new", "go", "round"), ("round", "on", "round"), ("done", "back", "new")]
    faults = _faults("new", [Transition(*each) for each in transitions], {"done": Final.COMPLETED})
    assert [fault.split(":")[0] for fault in faults] == [
        "state 'done'", "state 'new', event 'go'", "state 'new'", "state 'there'", "state 'round'", "state 'done'",
    ]  # fmt: skip


# --- any machine at all ---


def _connected(transitions: Sequence[Transition]) -> set[tuple[str, str]]:
    """Which state can be reached from which: every pair, joined until nothing is added."""
    pairs = {(each.source, each.target) for each in transitions} | {(state, state) for state in STATES}
    for middle, source, target in product(STATES, repeat=3):
        if (source, middle) in pairs and (middle, target) in pairs:
            pairs.add((source, target))
    return pairs


def _is_sound(initial: str, transitions: Sequence[Transition], finals: Mapping[str, Final]) -> bool:
    """The rules once more, each in its plainest form."""
    pairs = _connected(transitions)
    states = {initial, *finals} | {state for each in transitions for state in (each.source, each.target)}
    groups = [
        [each.guard for each in transitions if (each.source, each.event) == key]
        for key in {(each.source, each.event) for each in transitions}
    ]
    return (
        initial not in finals
        and not any(each.source in finals for each in transitions)
        and all((initial, state) in pairs for state in states)
        and all(any((state, end) in pairs for end in finals) for state in states)
        and all(group in ([None], [HELD], [HELD, None]) for group in groups)
    )


@given(declarations)
def test_a_machine_is_refused_exactly_when_a_search_finds_a_fault(
    declared: tuple[str, list[Transition], dict[str, Final]],
) -> None:
    if _is_sound(*declared):
        Machine(*declared)
    else:
        faults = _faults(*declared)
        assert len(set(faults)) == len(faults) > 0


@given(machines())
def test_from_every_state_of_an_accepted_machine_a_final_one_can_be_reached(machine: Machine) -> None:
    pairs = _connected(machine.transitions)
    for state in machine.states:
        assert any((state, end) in pairs for end in machine.finals)
        assert machine.is_final(state) == (machine.events_of(state) == ())


@given(machines(), st.data())
def test_a_walk_never_leaves_the_table(machine: Machine, data: st.DataObject) -> None:
    state = machine.initial
    while not machine.is_final(state):
        event = data.draw(st.sampled_from((*EVENTS, "sleep")))
        held = data.draw(st.booleans())
        fitting = [
            each.target
            for each in machine.transitions
            if (each.source, each.event) == (state, event) and (held or each.guard is None)
        ]
        if fitting:
            state = machine.step(state, event, {"held": held})
            assert state == fitting[0]
        else:
            with pytest.raises(IllegalTransitionError):
                machine.step(state, event, {"held": held})
        if not data.draw(st.booleans(), label="go on"):
            break
