"""kill -9 at every commit and at every call outside, from the submission of a run to its last event.

A life without a kill numbers its points; then, on a new store each, a life is killed at one of them, and the next one
must see the run through. A second sweep kills those who clear up after a first kill.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from crash_lives import ALL, CHEAP, DEAR, KILLED, STORES, Grounds, Lives, grounds, lives, queue_of
from driven_runs import Ground, in_queue
from sqlalchemy import select, text
from trial_workflows import TRIAL_RECORD

from roundsman.repositories.run_tables import run_steps, runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LATER = timedelta(seconds=31)
"""When the next life begins, by its clock: a message that was not sent within half a minute is missed."""
MUCH_LATER = timedelta(hours=2)
"""Every lease is over."""
MOST_MISSED = 0.1
"""Of all points. Threads run beside each other, so not every life comes by every point."""


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
    with grounds(request, request.param, tmp_path) as made:
        yield made


def sweep(where: Sequence[Grounds], lead: Sequence[str] = (), *, inside: bool = False) -> list[str]:
    """Kill a life at each of its points, after lives that are killed at those of the `lead`. Returns the points.

    `inside`: the run is submitted in the process that drives it.

    With a lead, and where lives are dear, at half of them: before the one is nearly where it is after the other.
    """
    with lives() as hosts, where[0].one() as ground:
        trial = Trial(ground, where[0], hosts, inside=inside)
        assert [trial.live(name) for name in [*lead, None]] == [*[KILLED] * len(lead), 0]
        trial.assert_all_is_well()
        every = not lead and where[0].sort not in DEAR
        points = [point for point in trial.points() if every or ": after" in point]
    shares = [points[number :: len(where)] for number in range(len(where))]
    with ThreadPoolExecutor(len(where)) as threads:
        found = threads.map(lambda one, share: kill_at(one, share, lead, inside=inside), where, shares)
        missed = [each for part in found for each in part]
    assert len(missed) <= MOST_MISSED * len(points), missed
    return points


def kill_at(where: Grounds, points: Sequence[str], lead: Sequence[str], *, inside: bool) -> list[str]:
    """Returns the points by which no life came, although it was tried twice: threads take turns as they like."""
    with lives() as hosts:
        return [
            point
            for point in points
            if not any(was_killed_at(where, hosts, point, lead, inside=inside) for _ in range(2))
        ]


def was_killed_at(where: Grounds, hosts: Lives, point: str, lead: Sequence[str], *, inside: bool) -> bool:
    """Whether a life came by this point; then it was killed there, and all is well after the next one."""
    with where.one() as ground:
        trial = Trial(ground, where, hosts, inside=inside)
        try:
            codes = [trial.live(name) for name in [*lead, point]]
            is_killed = codes[-1] == KILLED
            if is_killed:
                codes.append(trial.live(None))
            assert codes[-1] == 0
            trial.tidy()
            trial.assert_all_is_well()
        except AssertionError as error:
            error.add_note(trial.story(point))
            raise
    return is_killed


@pytest.mark.parametrize("where", ALL, indirect=True)
def test_a_kill_at_any_point_costs_nothing_but_a_repeat_of_what_was_in_flight(where: Sequence[Grounds]) -> None:
    points = sweep(where)
    assert {point.partition(":")[0] for point in points} >= {"MainThread", "runs", "step-0", "tell-listener"}
    assert len(points) >= 24


@pytest.mark.parametrize("where", CHEAP, indirect=True)
def test_nor_does_a_kill_of_who_clears_up_after_a_kill(where: Sequence[Grounds]) -> None:
    assert len(sweep(where, lead=["step-0: after working 1"])) >= 12


@pytest.mark.parametrize("where", STORES, indirect=True)
def test_nor_of_the_process_that_submits_and_drives_it_at_once(where: Sequence[Grounds]) -> None:
    points = sweep(where, inside=True)
    assert "runs: before commit 1" in points  # which stores and claims in one
    assert not any(point.startswith("MainThread") and point.endswith("commit 2") for point in points)
    assert len(points) >= 24
