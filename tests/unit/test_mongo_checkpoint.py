"""No change is lost between two sweeps, however late it becomes visible and wherever a sweep is cut off.

A collection is played by a list here: what a real one answers is in tests/integration/test_mongo_changes.py.
"""

import json
from dataclasses import replace
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations.mongo.changes import Change, Mark
from roundsman.conversations.mongo.checkpoint import OVERLAP, Checkpoint, Sweep
from roundsman.conversations.mongo.memory import MOST, SETTLED_MS, Memory

OVERLAP_MS = int(OVERLAP.total_seconds() * 1000)
BEGINNING = 1_772_000_000_000


class Write(NamedTuple):
    """A document that bears one time and becomes visible later."""

    at: int
    visible: int
    name: str


def changed(writes: list[Write], since: Mark, now: int, limit: int) -> list[Change]:
    """As a collection answers at that moment."""
    place = (since.at_ms, since.after or "")
    seen = sorted((each for each in writes if each.visible <= now), key=lambda each: (each.at, each.name))
    return [Change(each.name, each.name, each.at) for each in seen if (each.at, each.name) > place][:limit]


STEPS = st.lists(st.tuples(st.integers(0, 2 * OVERLAP_MS), st.integers(0, 4)), min_size=1, max_size=12)
WRITES = st.lists(st.tuples(st.integers(0, 12 * OVERLAP_MS), st.integers(0, OVERLAP_MS - 1)), max_size=25)


@given(WRITES, STEPS, st.integers(1, 5))
def test_every_change_is_read_after_it_became_visible(
    written: list[tuple[int, int]], rounds: list[tuple[int, int]], limit: int
) -> None:
    writes = [Write(BEGINNING + at, BEGINNING + at + delay, f"{place:03}") for place, (at, delay) in enumerate(written)]
    now = BEGINNING
    newest = max((each.at for each in writes if each.visible <= now), default=None)
    checkpoint = Checkpoint.first("here", now, [newest, newest])
    known = {each.name for each in writes if each.visible <= now}  # the first walk has read these
    for passed, batches in [*rounds, (0, 99), (0, 99)]:
        now += passed
        resumed = checkpoint.is_sweeping
        for _ in range(2 if resumed else 1):
            if not checkpoint.is_sweeping:
                checkpoint = replace(checkpoint, begun_ms=now)
            for _ in range(batches):
                found = changed(writes, checkpoint.sweeps[1].at, now, limit)
                if not found:
                    break
                known |= {each.document for each in found}
                moved = Sweep(checkpoint.sweeps[1].start, found[-1].mark)
                checkpoint = replace(checkpoint, sweeps=(checkpoint.sweeps[0], moved))
                now += 1
            else:
                break  # cut off
            checkpoint = checkpoint.next_sweep(now)
        checkpoint = Checkpoint.from_json(json.loads(json.dumps(checkpoint.as_json())))
    assert known >= {each.name for each in writes if each.visible <= now - 99}


def test_a_sweep_that_found_nothing_stays_where_it_is() -> None:
    sweep = Sweep.beginning(BEGINNING)
    assert sweep.ended(BEGINNING + OVERLAP_MS) == sweep


def test_a_sweep_never_goes_back_beyond_its_start() -> None:
    sweep = Sweep(Mark(BEGINNING), Mark(BEGINNING + 1, "m"))
    assert sweep.ended(BEGINNING + OVERLAP_MS) == Sweep.beginning(BEGINNING)


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory()
    changes = [Change(f"c{number}", f"d{number}", BEGINNING) for number in range(MOST + 10)]
    memory.derived(changes, (), BEGINNING + SETTLED_MS + 1)
    assert [each for each in changes if not memory.knows(each)] == changes[:10]


def test_a_change_is_known_when_its_conversation_was_read_long_after_it() -> None:
    memory = Memory()
    memory.derived((), ["c"], BEGINNING)
    old, young = Change("c", "d1", BEGINNING - OVERLAP_MS - 1), Change("c", "d2", BEGINNING - OVERLAP_MS)
    assert [memory.knows(each) for each in (old, young, Change("other", "d3", old.at_ms))] == [True, False, False]
