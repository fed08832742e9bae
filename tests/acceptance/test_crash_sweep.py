"""kill -9 at every commit and at every call outside, from the submission of a run to its last event.

A few lives without a kill number their points; then, on a new store each, a life is killed at one of them, and the next
one must see the run through. A second sweep kills those who clear up after a first kill.

Threads run beside each other, so a point that one life comes by may be none of another's: who sends a message that
nobody sent, the main thread or the run's own, is a matter of who is first. Each point that all lives came by while they
were numbered must be killed at; the others are tried once, and prove nothing when no life comes by them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
from crash_lives import ALL, CHEAP, DEAR, KILLED, STORES, Grounds, Lives, at_once, grounds, lives, queue_of
from driven_runs import Ground, in_queue
from sqlalchemy import select, text
from trial_workflows import TRIAL_RECORD

from roundsman.repositories.run_tables import run_steps, runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LATER = timedelta(seconds=31)
"""When the next life begins, by its clock: a message that was not sent within half a minute is missed."""
MUCH_LATER = timedelta(hours=2)
"""Every lease is over."""
T = TypeVar("T")
Found = TypeVar("Found")
NUMBERED = 3
"""So many lives tell which points are sure: one in ten takes another way."""
TRIES = 6
"""At a sure point, until a life comes by it. What six lives pass over, having been in each of three, is a fault."""


class Trial:
    """One run on one ground, through its lives."""

    def __init__(self, ground: Ground, where: Grounds, hosts: Lives, *, inside: bool) -> None:
        self._ground, self._where, self._hosts, self._inside = ground, where, hosts, inside
        self._lives = 0
        self.expected = Counter({name: 1 for kind, name in TRIAL_RECORD if kind == "call"})

    def live(self, kill_at: str | None) -> int:
        """One life; the later ones begin later."""
        if self._lives:
            self._where.pass_time(LATER)
        code = self._hosts.live(self._ground, kill_at, self._lives * LATER, inside=self._inside)
        self._lives += 1
        if code == KILLED:
            self._count_what_was_in_flight()
        return code

    def tidy(self) -> None:
        """A second message for the same run waits for the end of the lease that the run had; then it goes, too."""
        if self._left_in_queue():
            self._where.pass_time(MUCH_LATER)
            assert self._hosts.wait(self._hosts.drain(self._ground, ahead=self._lives * LATER + MUCH_LATER)) == 0
            assert self._left_in_queue() == 0

    def _left_in_queue(self) -> int:
        with queue_of(self._ground) as queue:
            return 0 if queue is None else in_queue(queue)

    def points(self) -> list[str]:
        """Those of the last life that was not killed."""
        names: list[str] = json.loads(Path(self._ground.folder, "points").read_text())
        return names

    def _count_what_was_in_flight(self) -> None:
        """What was done outside and is not in the record will be done again, and nothing else."""
        with closing(self._ground.store()) as store, store.read() as connection:
            recorded = connection.execute(select(run_steps.c.name).where(run_steps.c.kind == "call")).scalars().all()
        self.expected = Counter(dict.fromkeys(self.expected, 1))
        for name, done in self.effects().items():
            self.expected[name] = done if name in recorded else done + 1

    def story(self, point: str) -> str:
        """What is there, for whoever has to find out why."""
        with closing(self._ground.store()) as store, store.read() as connection:
            rows = [
                f"{table}: {dict(row._mapping)}"
                for table in ("runs", "run_steps", "queue_messages", "run_events")
                for row in connection.execute(text(f"SELECT * FROM {table}"))
            ]
        log = Path(self._ground.folder, "log").read_text()
        return "\n".join([f"after a kill at {point}:", *rows, *self.effects().elements(), log])

    def effects(self) -> Counter[str]:
        """How often each thing was done outside."""
        file = self._ground.effects
        return Counter(line.split()[1] for line in file.read_text().splitlines()) if file.exists() else Counter()

    def assert_all_is_well(self) -> None:
        """The run is complete, nothing was done twice that need not be, the world was told in order."""
        with closing(self._ground.store()) as store, store.read() as connection:
            (run,) = connection.execute(select(runs)).all()
            record = connection.execute(select(run_steps).order_by(run_steps.c.sequence)).all()
            for table in ("queue_messages", "run_events"):
                assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
        assert (run.status, run.state, run.progress, run.error) == ("completed", "done", 100, None)
        assert (run.owner, run.lease_until, run.asked) == (None, None, None)
        assert run.data == {"gathered": run.id, "worked": run.id, "slept": run.id}
        assert [(unit.kind, unit.name) for unit in record] == TRIAL_RECORD
        assert [unit.sequence for unit in record] == list(range(len(TRIAL_RECORD)))
        assert self.effects() == self.expected
        self._assert_told_in_order()
        assert "Traceback" not in Path(self._ground.folder, "log").read_text()

    def _assert_told_in_order(self) -> None:
        told = [line.split() for line in self._ground.told.read_text().splitlines()]
        assert list(dict.fromkeys(event for _, event in told)) == ["run.waiting", "run.completed"]
        assert len({number for number, _ in told}) == 3
        assert all(int(one) <= int(other) for (one, _), (other, _) in pairwise(told)), told
        assert len(told) - 3 < self._lives


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Grounds]]:
    with grounds(request, request.param, tmp_path, at_once(request.param)) as made:
        yield made


@dataclass(frozen=True)
class Sweep:
    """Kills of one life after another, each at one point."""

    lead: Sequence[str] = ()
    """Points at which the lives before it are killed."""
    inside: bool = False
    """The run is submitted in the process that drives it."""

    def over(self, where: Sequence[Grounds]) -> list[str]:
        """Returns the points that are sure: at every one of them a life was killed.

        With a lead, and where lives are dear, it is at half of them: before the one is nearly where it is after the
        other.
        """
        every = not self.lead and where[0].sort not in DEAR
        numbered = [
            {point: None for point in points if every or ": after" in point}
            for points in shared_out(where, range(NUMBERED), lambda one, hosts, _: self._points(one, hosts))
        ]
        tries = {point: 1 for points in numbered for point in points}
        sure = [point for point in tries if all(point in points for points in numbered)]
        tries |= dict.fromkeys(sure, TRIES)
        found = shared_out(where, list(tries), lambda one, hosts, point: self._kills(one, hosts, point, tries[point]))
        missed = [point for point, was_killed in zip(tries, found, strict=True) if point in sure and not was_killed]
        assert missed == []
        return sure

    def _points(self, where: Grounds, hosts: Lives) -> list[str]:
        """Those of a life that comes to its end."""
        with where.one() as ground:
            trial = Trial(ground, where, hosts, inside=self.inside)
            self._live_through_the_lead(trial)
            assert trial.live(None) == 0
            trial.assert_all_is_well()
            return trial.points()

    def _kills(self, where: Grounds, hosts: Lives, point: str, tries: int) -> bool:
        """Whether one of so many lives came by this point."""
        return any(self._kills_at_once(where, hosts, point) for _ in range(tries))

    def _kills_at_once(self, where: Grounds, hosts: Lives, point: str) -> bool:
        """Whether a life came by this point; then it was killed there. All is well after it, or after the next one."""
        with where.one() as ground:
            trial = Trial(ground, where, hosts, inside=self.inside)
            try:
                self._live_through_the_lead(trial)
                code = trial.live(point)
                was_killed = code == KILLED
                assert (trial.live(None) if was_killed else code) == 0
                trial.tidy()
                trial.assert_all_is_well()
            except AssertionError as error:
                error.add_note(trial.story(point))
                raise
        return was_killed

    def _live_through_the_lead(self, trial: Trial) -> None:
        assert [trial.live(name) for name in self.lead] == [KILLED] * len(self.lead)


def shared_out(
    where: Sequence[Grounds], all_of_it: Sequence[T], work: Callable[[Grounds, Lives, T], Found]
) -> list[Found]:
    """What the work on each found. The grounds share it and work at once, each with lives of its own."""

    def share(number: int) -> list[Found]:
        with lives() as hosts:
            return [work(where[number], hosts, one) for one in all_of_it[number :: len(where)]]

    with ThreadPoolExecutor(len(where)) as threads:
        shares = list(threads.map(share, range(len(where))))
    return [shares[place % len(where)][place // len(where)] for place in range(len(all_of_it))]


@pytest.mark.parametrize("where", ALL, indirect=True)
def test_a_kill_at_any_point_costs_nothing_but_a_repeat_of_what_was_in_flight(where: Sequence[Grounds]) -> None:
    points = Sweep().over(where)
    assert {point.partition(":")[0] for point in points} >= {"MainThread", "runs", "step-0", "tell-listener"}
    assert len(points) >= 24


@pytest.mark.parametrize("where", CHEAP, indirect=True)
def test_nor_does_a_kill_of_who_clears_up_after_a_kill(where: Sequence[Grounds]) -> None:
    points = Sweep(lead=["step-0: after working 1"]).over(where)
    assert {point.partition(":")[0] for point in points} >= {"MainThread", "runs", "step-0", "tell-listener"}
    assert len(points) >= 12


@pytest.mark.parametrize("where", STORES, indirect=True)
def test_nor_of_the_process_that_submits_and_drives_it_at_once(where: Sequence[Grounds]) -> None:
    points = Sweep(inside=True).over(where)
    assert "runs: after commit 1" in points  # which stores and claims in one
    assert not any(point.startswith("MainThread") and point.endswith("commit 2") for point in points)
    assert len(points) >= 24
