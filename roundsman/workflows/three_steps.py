"""Three steps in a row, each persisted: for trying out, and for tests that need a run which lasts or fails.

Its input, of which nothing is required:

    {"note": "good morning", "seconds": 1.5, "fail_at": "work", "fail_times": 2}

`seconds` is how long each step takes, `fail_at` the step that asks for another attempt, `fail_times` how often (once).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from roundsman.errors import BadInputError
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.workflow import Next, Retry, Step, StepResult, Workflow

STEPS = ("fetch", "work", "wrap_up")
LONGEST_SECONDS = 60
MOST_FAILURES = 1_000
LONGEST_NOTE = 1_000
"""Characters."""


class ThreeSteps(Workflow):
    """Fetches the note, counts its words, and says so."""

    name: ClassVar[str] = "three_steps"
    machine: ClassVar[Machine] = Machine(
        "fetching",
        [
            Transition("fetching", "fetched", "working"),
            Transition("working", "worked", "wrapping_up"),
            Transition("wrapping_up", "wrapped_up", "done"),
        ],
        {"done": Final.COMPLETED},
    )

    def check(self, data: Mapping[str, Any]) -> None:
        if faults := list(_faults(data)):
            raise BadInputError(" ".join(faults))

    def steps(self) -> Mapping[str, Step]:
        return {"fetching": self.fetch, "working": self.work, "wrapping_up": self.wrap_up}

    def fetch(self, ctx: RunContext) -> StepResult:
        _take_part("fetch", ctx)
        ctx.progress(33)
        return Next("fetched", {"text": ctx.input.get("note", "")})

    def work(self, ctx: RunContext) -> StepResult:
        _take_part("work", ctx)
        ctx.progress(66)
        return Next("worked", {"words": len(ctx.data["text"].split())})

    def wrap_up(self, ctx: RunContext) -> StepResult:
        _take_part("wrap_up", ctx)
        ctx.progress(100)
        return Next("wrapped_up", {"summary": f"The note has {ctx.data['words']} words."})


def _take_part(step: str, ctx: RunContext) -> None:
    """Take as long, and fail as often, as the input wants it."""
    if seconds := ctx.input.get("seconds", 0):
        ctx.stop.wait(seconds)
        ctx.stop.check()
    if ctx.input.get("fail_at") == step and ctx.attempt <= ctx.input.get("fail_times", 1):
        raise Retry(f"attempt {ctx.attempt} was asked to fail")


# --- what can be wrong with the input ---


def _faults(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        if name not in _FIELDS:
            yield f"{_shown(name)}: there is no such field; choose from {', '.join(_FIELDS)}."
        elif not _FIELDS[name][0](value):
            yield f"{name}: is {_shown(value)}; give {_FIELDS[name][1]}."
    if "fail_times" in data and "fail_at" not in data:
        yield f"fail_times: is {_shown(data['fail_times'])}, but of no step; give fail_at as well."


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST_SECONDS


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_FAILURES


def _is_note(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NOTE


_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = MappingProxyType(
    {
        "seconds": (_is_number, f"a number from 0 to {LONGEST_SECONDS}"),
        "fail_at": (STEPS.__contains__, f"the name of a step: {', '.join(STEPS)}"),
        "fail_times": (_is_count, f"a whole number from 0 to {MOST_FAILURES}"),
        "note": (_is_note, f"a text of up to {LONGEST_NOTE} characters"),
    }
)


def _shown(value: object) -> str:
    """As it stands in the input, escaped, and not all of it."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
