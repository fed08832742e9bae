"""Machines for tests: any declaration at all, and sound ones of every shape."""

from itertools import pairwise

from hypothesis import strategies as st

from roundsman.fsm.machine import Final, Guard, Machine, Transition

STATES = ("a", "b", "c", "d", "e")
EVENTS = ("go", "turn", "wait")
HELD = Guard("held", lambda data: bool(data["held"]))

_TRANSITIONS = st.builds(
    Transition, st.sampled_from(STATES), st.sampled_from(EVENTS), st.sampled_from(STATES), st.sampled_from((HELD, None))
)
_FINALS = st.dictionaries(st.sampled_from(STATES), st.sampled_from(Final), max_size=3)
_ANY = st.tuples(st.sampled_from(STATES), st.lists(_TRANSITIONS, max_size=8), _FINALS)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Sound by construction: a way through all states to the last one, and more ways among them."""
    states = draw(st.permutations(STATES))[: draw(st.integers(2, len(STATES)))]
    ways = {(source, "go"): [Transition(source, "go", target)] for source, target in pairwise(states)}
    for each in draw(st.lists(_TRANSITIONS, max_size=8)):
        if each.source in states[:-1] and each.target in states:
            group = ways.setdefault((each.source, each.event), [])
            guarded = Transition(each.source, each.event, each.target, HELD)
            group[:] = [guarded, *(other for other in group if other.guard is None)]
    finals = {states[-1]: draw(st.sampled_from(Final))}
    return Machine(states[0], [each for group in ways.values() for each in group], finals)


@st.composite
def _damaged(draw: st.DrawFn) -> tuple[str, list[Transition], dict[str, Final]]:
    """One transition more, less or elsewhere than in a sound machine: it may be sound all the same."""
    machine = draw(machines())
    transitions = list(machine.transitions)
    place = draw(st.integers(0, len(transitions) - 1))
    transitions[place : place + draw(st.integers(0, 1))] = draw(st.lists(_TRANSITIONS, max_size=1))
    return machine.initial, transitions, dict(machine.finals)


declarations = st.one_of(_ANY, _damaged())
"""What could be handed to `Machine`, sound or not."""
