"""One run of a job in the foreground: the same claim, executor and ledger as in the daemon, without its schedule.

What the run wants to tell people is delivered before the command ends, whether a daemon is up or not.
"""

import queue

from roundsman.app.composition import App
from roundsman.errors import RoundsmanError
from roundsman.lifecycle import SignalInbox
from roundsman.repositories.tick_history import TickRecord
from roundsman.scheduling.executor import Executor
from roundsman.scheduling.job import StopReason
from roundsman.scheduling.ledger import Claimed, Origin, RunReport, TickEntry, TickState
from roundsman.scheduling.registry import JobFacts

_POLL_SECONDS = 0.1


class JobBusyError(RoundsmanError):
    """The job is running elsewhere."""


def run_in_foreground(app: App, facts: JobFacts) -> TickRecord:
    """Run the job once, now; Ctrl-C asks it to stop, a second one does not wait for it.

    Raises JobBusyError when a daemon or another command runs it at this moment, StoreError.
    """
    claimed = _claim(app, facts)
    report = _run(app, facts, claimed)
    app.ticks.commit([], [report], app.clock.now())
    app.sender.deliver_due()
    with app.store.read() as connection:
        return app.ticks.find(connection, claimed.tick_id)


def _claim(app: App, facts: JobFacts) -> Claimed:
    now = app.clock.now()
    app.ticks.interrupt_dead(now)
    with app.store.read() as connection:
        busy = [record for record in app.ticks.running(connection) if record.job == facts.name]
    if busy:
        seconds = (now - (busy[0].started_at or busy[0].due_at)).total_seconds()
        raise JobBusyError(f"{facts.name} is already running, for {seconds:.0f} s; wait until it has ended.")
    claims = app.ticks.commit([TickEntry(facts.name, now, TickState.RAN, Origin.MANUAL)], [], now)
    if not claims:
        raise JobBusyError(f"{facts.name} was started by somebody else in this very moment; try again.")
    return claims[0]


def _run(app: App, facts: JobFacts, claimed: Claimed) -> RunReport:
    ends: queue.SimpleQueue[RunReport] = queue.SimpleQueue()
    executor = Executor(app.clock, lambda _job, report: ends.put(report))
    with SignalInbox() as signals:
        executor.submit(claimed, app.work(facts), facts.timeout)
        asked_to_stop = False
        while True:
            try:
                return ends.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                executor.enforce()
            if signals.take(0) is not None:
                executor.stop_all(StopReason.SHUTDOWN)
                if asked_to_stop:
                    executor.abandon_all()
                asked_to_stop = True
