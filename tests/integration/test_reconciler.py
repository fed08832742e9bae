"""The reconciler finds what a dead process, or a queue without memory, left behind; and only that."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from run_bench import LEASE, ME, Bench, Benches, Gate, go_on, workflow
from sqlalchemy import text

from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import StepResult, WaitUntil, review
from roundsman.owner import Owner
from roundsman.repositories.runs import RunStatus
from roundsman.runs import reconciler
from roundsman.runs.black_box import BlackBox

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def _dead() -> Owner:
    """A process of this machine that is gone."""
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return replace(Owner.parse(ME), pid=int(child.stdout), started=1)


def _lose_messages(bench: Bench) -> None:
    with bench.store.write() as connection:
        connection.execute(text("DELETE FROM queue_messages"))


def test_runs_without_their_messages_are_sent_again(benches: Benches) -> None:
    def waits(ctx: RunContext) -> StepResult:
        return WaitUntil(ctx.clock.now() + HOUR, "late")

    bench = benches(workflow(), workflow({"first": waits}, name="timed"))
    waiting = bench.submit(workflow="timed")
    bench.drive()
    queued, delayed = bench.submit(), bench.submit(delay=2 * HOUR)
    _lose_messages(bench)
    bench.pass_time(MINUTE)
    assert bench.reconciler.run_once().sent_again == 3
    assert bench.reconciler.run_once().sent_again == 0
    bench.drive()
    statuses = [bench.run(number).status for number in (waiting, queued, delayed)]
    assert statuses == [RunStatus.WAITING, RunStatus.COMPLETED, RunStatus.QUEUED]
    bench.pass_time(2 * HOUR)
    bench.drive()
    assert {bench.run(number).status for number in (waiting, delayed)} == {RunStatus.COMPLETED}


@pytest.mark.parametrize("message_id", [None, "4711", "1772510400000-0", "b3b0e2ac-0000-4000-8000-000000000000"])
def test_a_message_of_another_queue_than_this_is_no_message(benches: Benches, message_id: str | None) -> None:
    bench = benches(workflow())
    number = bench.submit()
    _lose_messages(bench)
    with bench.store.write() as connection:
        connection.execute(text("UPDATE runs SET message_id = :id"), {"id": message_id})
    bench.pass_time(MINUTE)
    assert bench.reconciler.run_once().sent_again == 1
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_what_needs_no_message_gets_none(benches: Benches) -> None:
    gate = Gate()

    def waits(ctx: RunContext) -> StepResult:
        return review()

    bench = benches(
        workflow({"first": go_on}),
        workflow({"first": waits}, name="reviewed"),
        workflow({"first": gate.step}, name="slow"),
    )
    numbers = [bench.submit(workflow=name) for name in ("sample", "reviewed", "sample")]
    bench.people.pause(numbers[2])
    bench.drive()
    slow = bench.submit(workflow="slow")
    bench.engine.wake()
    bench.turn()
    gate.wait_for_entry()
    fresh = bench.submit()
    assert bench.reconciler.run_once() == reconciler.Reconciled()
    bench.pass_time(MINUTE)
    with bench.store.write() as connection:
        bench.claims.renew(connection, {slow: 1}, bench.clock.now())
    assert bench.reconciler.run_once() == reconciler.Reconciled()
    gate.open()
    bench.drive()
    assert bench.run(fresh).status is RunStatus.COMPLETED


def test_runs_that_go_on_between_its_looks_are_not_sent_again(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches(workflow())
    numbers = [bench.submit() for _ in range(3)]
    bench.pass_time(MINUTE)
    unknown = bench.run_queue.unknown

    def drive_meanwhile(ids: object) -> set[str]:
        bench.drive()
        return unknown(ids)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(bench.run_queue, "unknown", drive_meanwhile)
    assert bench.reconciler.run_once().sent_again == 0
    assert {bench.run(number).status for number in numbers} == {RunStatus.COMPLETED}
    assert bench.queue.depth() == {}


def test_a_large_backlog_is_looked_through_part_by_part(benches: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "AT_ONCE", 2)
    bench = benches(workflow())
    for _ in range(5):
        bench.submit()
    _lose_messages(bench)
    bench.pass_time(MINUTE)
    assert [bench.reconciler.run_once().sent_again for _ in range(5)] == [2, 2, 1, 0, 0]


def test_what_a_dead_process_held_is_free_at_once_and_counts_as_a_crash(benches: Benches) -> None:
    bench = benches(workflow())
    dead = benches(workflow(), owner=str(_dead()))
    number = dead.submit()
    with dead.store.write() as connection:
        messages = dead.run_queue._repository.claim(connection, {"sample": 1}, 1, dead.clock.now())  # type: ignore[attr-defined]
        assert dead.claims.claim(connection, [number], dead.clock.now())
    assert len(messages) == 1
    assert bench.reconciler.run_once().freed == 1
    run = bench.run(number)
    assert (run.status, run.crashes, run.token, run.owner) == (RunStatus.QUEUED, 1, 2, None)
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_only_what_a_dead_process_was_at_counts_as_a_crash(benches: Benches, tmp_path: Path) -> None:
    owner, notes = _dead(), tmp_path / "notes"
    notes.mkdir()
    bench = benches(workflow(), notes=notes)
    dead = benches(workflow(), owner=str(owner))
    numbers = [dead.submit() for _ in range(3)]
    box = BlackBox((notes, owner))
    box.open()
    box.note(box.seat(), numbers[1])
    with dead.store.write() as connection:
        dead.claims.claim(connection, numbers, dead.clock.now())
    assert bench.reconciler.run_once().freed == 3
    assert [bench.run(number).crashes for number in numbers] == [0, 1, 0]
    assert list(notes.iterdir()) == []


def test_a_process_elsewhere_is_believed_to_live_until_its_lease_is_over(
    benches: Benches, caplog: pytest.LogCaptureFixture
) -> None:
    bench, elsewhere = benches(workflow()), benches(workflow(), owner="elsewhere")
    number = elsewhere.submit()
    with elsewhere.store.write() as connection:
        elsewhere.claims.claim(connection, [number], elsewhere.clock.now())
    bench.pass_time(LEASE - timedelta(seconds=1))
    assert bench.reconciler.run_once().freed == 0
    bench.pass_time(timedelta(seconds=1))
    assert bench.reconciler.run_once().freed == 1
    assert f"Run {number} was held by a process that died, or gave no sign of life" in caplog.text
