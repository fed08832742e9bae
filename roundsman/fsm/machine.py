"""A machine: states, events, transitions and guards, as data that is judged once, when it is declared.

    Machine(
        "draft",
        [
            Transition("draft", "written", "review"),
            Transition("review", "approve", "published", Guard("signed", lambda data: "signature" in data)),
            Transition("review", "approve", "draft"),
            Transition("review", "reject", "dropped"),
        ],
        finals={"published": Final.COMPLETED, "dropped": Final.CANCELLED},
    )

Transitions of one state and event are tried in the order in which they are written: the first whose guard holds is
taken, and only the last may do without one. A machine that a run could get stuck in is refused with a sentence for
each fault, so whoever drives it only has to ask for the next state.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from roundsman.errors import RoundsmanError

FAILED = "failed"
"""The event that a machine may lead on when a step has failed for good."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Final(StrEnum):
    """How a run has ended that stands in a final state; the words are those of its status."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class MachineError(ValueError):
    """What is declared is no machine. `faults` holds one sentence for each reason, all found at once."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class IllegalTransitionError(RoundsmanError):
    """An event that has no meaning where the run stands. Nothing has changed."""

    def __init__(self, state: str, event: str, reason: str, possible: tuple[str, ...]) -> None:
        self.state = state
        self.event = event
        self.possible = possible
        events = f"possible there: {', '.join(possible)}" if possible else "nothing is possible there"
        super().__init__(f"state {state!r}: the event {event!r} {reason}; {events}.")


@dataclass(frozen=True, slots=True)
class Guard:
    """A named condition on a run's data. What `check` raises is the step's failure, so it must bear missing keys."""

    name: str
    check: Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Transition:
    """In `source`, `event` leads to `target`, if the guard holds."""

    source: str
    event: str
    target: str
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """Raises MachineError unless every state can be reached, and a final one be reached from it, without ambiguity."""

    initial: str
    transitions: tuple[Transition, ...]
    """Given as any sequence."""
    finals: Mapping[str, Final] = field(hash=False)
    _choices: Mapping[tuple[str, str], str | tuple[Transition, ...]] = field(init=False, repr=False, compare=False)
    """The target, where there is nothing to choose: the usual case costs one look-up."""
    _events: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __init__(self, initial: str, transitions: Iterable[Transition], finals: Mapping[str, Final]) -> None:
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "transitions", tuple(transitions))
        object.__setattr__(self, "finals", MappingProxyType(dict(finals)))
        if faults := tuple(_faults(self)):
            raise MachineError(faults)
        grouped = _grouped(self.transitions)
        object.__setattr__(self, "_choices", {key: _choice(group) for key, group in grouped.items()})
        events = {state: tuple(event for source, event in grouped if source == state) for state in self.states}
        object.__setattr__(self, "_events", events)

    @property
    def states(self) -> tuple[str, ...]:
        """All of them: the initial one, then in the order in which the transitions name them."""
        named = (state for each in self.transitions for state in (each.source, each.target))
        return tuple(dict.fromkeys((self.initial, *named, *self.finals)))

    def step(self, state: str, event: str, data: Mapping[str, Any]) -> str:
        """The state that the event leads to. `data` is the run's, with the patch that came with the event.

        Raises IllegalTransitionError, and whatever a guard raises.
        """
        choice = self._choices.get((state, event), ())
        if isinstance(choice, str):
            return choice
        for transition in choice:
            if transition.guard is None or transition.guard.check(data):
                return transition.target
        raise self._illegal(state, event, choice)

    def takes(self, state: str, event: str) -> bool:
        """Whether the event has a meaning in this state; guards may still refuse it."""
        return (state, event) in self._choices

    def is_final(self, state: str) -> bool:
        """Whether a run has ended that stands there; how, `finals` tells."""
        return state in self.finals

    def events_of(self, state: str) -> tuple[str, ...]:
        """The events that have a meaning in this state, as declared; none in a final one. Raises KeyError."""
        return self._events[state]

    def _illegal(self, state: str, event: str, refused: Iterable[Transition]) -> IllegalTransitionError:
        guards = [each.guard.name for each in refused if each.guard is not None]
        if guards:
            reason = f"is refused by its guards ({', '.join(guards)})"
        elif state not in self._events:
            reason = f"cannot be taken, as there is no such state (only {', '.join(self.states)})"
        else:
            reason = "has no meaning, as the run has ended" if self.is_final(state) else "has no meaning"
        return IllegalTransitionError(state, event, reason, self._events.get(state, ()))


def _grouped(transitions: Iterable[Transition]) -> dict[tuple[str, str], list[Transition]]:
    groups: dict[tuple[str, str], list[Transition]] = {}
    for each in transitions:
        groups.setdefault((each.source, each.event), []).append(each)
    return groups


def _choice(group: list[Transition]) -> str | tuple[Transition, ...]:
    return group[0].target if group[0].guard is None else tuple(group)


# --- what can be wrong with a machine ---


def _faults(machine: Machine) -> Iterator[str]:
    misnamed = tuple(_misnamed(machine))
    yield from misnamed
    if misnamed:
        return  # a name that is no text cannot even be looked up
    yield from _wrong_ends(machine)
    for (state, event), group in _grouped(machine.transitions).items():
        yield from _ambiguities(f"state {state!r}, event {event!r}", event, group)
    yield from _lost_states(machine)


def _misnamed(machine: Machine) -> Iterator[str]:
    names = [("state", machine.initial), *(("state", state) for state in machine.finals)]
    for each in machine.transitions:
        names += [("state", each.source), ("event", each.event), ("state", each.target)]
        names += [("guard", each.guard.name)] if each.guard is not None else []
    told = []
    for kind, name in names:
        if (kind, name) not in told and not (isinstance(name, str) and _NAME.fullmatch(name)):
            told.append((kind, name))
            yield f"{kind} {name!r}: is no name; write lower-case words joined by underscores, such as in_review."


def _wrong_ends(machine: Machine) -> Iterator[str]:
    if not machine.finals:
        yield "finals: there is none, so no run could ever end; name at least one state and how it ends."
    for state, final in machine.finals.items():
        if not any(final is each for each in Final):
            yield f"state {state!r}: ends in {final!r}, which is no Final; choose from {', '.join(Final.__members__)}."
    if machine.initial in machine.finals:
        yield f"state {machine.initial!r}: is both initial and final, so no step would ever run; begin in another."
    elif machine.initial not in {each.source for each in machine.transitions}:
        yield f"state {machine.initial!r}: is initial, but no transition leaves it; add one, or begin in another."
    for state in machine.finals:
        if leaving := [each.event for each in machine.transitions if each.source == state]:
            yield f"state {state!r}: is final, yet {', '.join(leaving)} would leave it; remove these transitions."


def _ambiguities(where: str, event: str, group: list[Transition]) -> Iterator[str]:
    unguarded = [each for each in group if each.guard is None]
    guards = [each.guard.name for each in group if each.guard is not None]
    if len(unguarded) > 1:
        yield f"{where}: leads to {_targets(unguarded)} without a guard; leave one of them, or guard them."
    elif unguarded and group[-1] is not unguarded[0]:
        yield f"{where}: {unguarded[0].target!r} has no guard and hides what follows it; put it last."
    for name in dict.fromkeys(guards):
        if guards.count(name) > 1:
            yield f"{where}: the guard {name!r} stands there twice, so the second is never asked; name them apart."
    if event == FAILED and not unguarded:
        yield f"{where}: every transition is guarded, so a failure could lead nowhere; add a last one without a guard."


def _targets(transitions: Iterable[Transition]) -> str:
    return " and ".join(repr(each.target) for each in transitions)


def _lost_states(machine: Machine) -> Iterator[str]:
    ways: dict[str, set[str]] = {}
    ways_back: dict[str, set[str]] = {}
    for each in machine.transitions:
        ways.setdefault(each.source, set()).add(each.target)
        ways_back.setdefault(each.target, set()).add(each.source)
    # When all are lost for one reason, that has its own sentence already.
    reachable = _closure({machine.initial}, ways) if machine.initial in ways else set(machine.states)
    hopeful = _closure(set(machine.finals), ways_back) if machine.finals else set(ways)
    for state in machine.states:
        if state not in reachable:
            yield f"state {state!r}: cannot be reached from {machine.initial!r}; lead a transition there, or remove it."
        if state not in ways and state not in machine.finals and state != machine.initial:
            yield f"state {state!r}: no transition leaves it and it is not final; add one, or name it in finals."
        elif state not in hopeful and state in ways:
            yield f"state {state!r}: no final state can be reached from it; lead a transition towards one."


def _closure(start: set[str], ways: Mapping[str, set[str]]) -> set[str]:
    found, edge = set(start), list(start)
    while edge:
        fresh = ways.get(edge.pop(), set()) - found
        found |= fresh
        edge.extend(fresh)
    return found
