"""From the end of a run to a sink: the engine commits the event with the step and wakes the outbox at once."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from outbox_samples import Receiver, backlog

from roundsman.clock import SystemClock
from roundsman.fsm.registry import WorkflowDefaults, register_workflows, steps_of
from roundsman.owner import Owner
from roundsman.queues.bell import Bell
from roundsman.repositories.engine import Store
from roundsman.repositories.queue import QueueRepository
from roundsman.repositories.run_claims import RunClaims
from roundsman.repositories.run_outbox import Backlog
from roundsman.repositories.run_record import RunRecord
from roundsman.runs.black_box import BlackBox
from roundsman.runs.commit import Ledgers
from roundsman.runs.desk import Order, RunDesk
from roundsman.runs.engine import Engine
from roundsman.runs.held import Prepared
from roundsman.runs.outbox import LOOK_EVERY_S, Outbox
from roundsman.runs.run_queue import StoreRunQueue
from roundsman.workflows.noop import Noop

LEASE = timedelta(seconds=30)
RUNS = 3


def wait_until(happened: Callable[[], bool]) -> None:
    """Blocks in small steps, up to a deadline."""
    never = threading.Event()
    for _ in range(2_000):
        if happened():
            return
        never.wait(0.01)
    pytest.fail("it did not happen within 20 s")


@pytest.mark.parametrize("told", [True, False])
def test_the_end_of_a_run_is_told_at_once(store: Store, tmp_path: Path, told: bool) -> None:
    clock, owner = SystemClock(), Owner.this_process()
    receiver = Receiver(awaited=RUNS)
    outbox = Outbox(store, clock, owner, [receiver] if told else [])
    queue = StoreRunQueue(store, QueueRepository(str(owner), {}, LEASE, timedelta(minutes=5)), Bell(store))
    registry = register_workflows([Noop], {}, WorkflowDefaults(timedelta(minutes=1), 4, None))
    noop = Noop()
    prepared = {"noop": Prepared(registry["noop"], steps_of(noop))}
    woken: list[float] = []

    def wake() -> None:
        woken.append(clock.monotonic())
        outbox.wake()

    to = Ledgers(RunClaims(str(owner), LEASE), RunRecord(), queue, outbox.sinks, wake)
    engine = Engine(store, clock, to, prepared, size=1, lease=LEASE, box=BlackBox((tmp_path, owner)))
    desk = RunDesk(store, clock, queue, registry, {"noop": noop})
    submitted = desk.submit_all([Order("noop", {}, correlation_id=f"c-{number}") for number in range(RUNS)])
    outbox.start()
    engine.start()
    try:
        wait_until(lambda: engine.counts["completed"] == RUNS)
        assert not told or receiver.enough.wait(LOOK_EVERY_S / 2), "only the look of every few seconds found it"
    finally:
        engine.stop()
        outbox.stop()
    expected = [(each.run_id, "run.completed") for each in submitted] if told else []
    assert sorted(receiver.told) == sorted(expected)
    assert bool(woken) is told
    assert backlog(store) == Backlog(0, 0)
