"""What people do to runs: cancel, pause, resume, signal, retry. In the store when the method returns.

A run under way on another machine hears of it within a second or so; what its step commits meanwhile counts only if
the decision lets it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.errors import BadInputError, QueueError, RoundsmanError
from roundsman.fsm.machine import Final, IllegalTransitionError, Machine
from roundsman.fsm.registry import WorkflowRegistry
from roundsman.fsm.workflow import Workflow
from roundsman.message import Draft
from roundsman.repositories.engine import Store
from roundsman.repositories.run_decisions import RunDecisions
from roundsman.repositories.run_record import RunEvent, RunRecord, Unit, UnitKind
from roundsman.repositories.runs import NewRun, Run, RunRepository, RunStatus
from roundsman.runs.desk import hand_over, judge_input, judge_json, message_for, message_of
from roundsman.runs.repetition import replayed, start_of
from roundsman.runs.run_queue import RunQueue


class RunBusyError(RoundsmanError):
    """The run changed at this very moment, or is not where the request takes it to be."""


@dataclass(frozen=True)
class Retried:
    """A new run that repeats part of an earlier one."""

    run_id: int
    state: str
    kept: int
    """Recorded units that it took over and will not do again."""


class Interventions:
    """For the command line and the API. Methods raise BadInputError, RunBusyError, StoreError."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        queue: RunQueue,
        registry: WorkflowRegistry,
        workflows: Mapping[str, Workflow],
        sinks: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._clock = clock
        self._queue = queue
        self._registry = registry
        self._workflows = workflows
        self._sinks = tuple(sinks)
        self._runs = RunRepository()
        self._decisions = RunDecisions()
        self._record = RunRecord()

    def find(self, run_id: int) -> Run:
        """Raises BadInputError if there is no such run."""
        with self._store.read() as connection:
            return self._found(connection, run_id)

    def cancel(self, run_id: int) -> RunStatus:
        """End it for good, in any state. Returns the status that it had."""
        now = self._clock.now()
        with self._store.write() as connection:
            run = self._found(connection, run_id)
            if not self._decisions.cancel(connection, run_id, now, _expiry(run, now)):
                raise RunBusyError(f"Run {run_id} is {run.status} already; there is nothing to cancel.")
            self._tell(connection, run, RunStatus.CANCELLED, run.state, now)
            self._queue.hasten(connection, run.message_id)  # its group need not wait for its time
        self._hand_over(run_id, [])
        return run.status

    def pause(self, run_id: int) -> RunStatus:
        """Stop it where it stands, one under way at the end of its step. Returns the status that it has now."""
        with self._store.write() as connection:
            run = self._found(connection, run_id)
            after = self._decisions.pause(connection, run_id)
            if after is None:
                raise RunBusyError(f"Run {run_id} is {run.status} already; there is nothing to pause.")
            if after is RunStatus.PAUSED:
                self._queue.hasten(connection, run.message_id)  # as above
        self._hand_over(run_id, [])
        return after

    def resume(self, run_id: int) -> None:
        """Let a paused run go on."""
        now = self._clock.now()
        paused = self.find(run_id)
        if paused.status is RunStatus.PAUSED:
            self._queue.judge([message_of(paused, now)])  # here, as it may have to ask another machine
        with self._store.write() as connection:
            run = self._found(connection, run_id)
            if run.status is RunStatus.RUNNING and self._decisions.keep_running(connection, run_id):
                return
            if run.status is not RunStatus.PAUSED:
                raise RunBusyError(f"Run {run_id} is {run.status}, not paused; there is nothing to resume.")
            needs_none = run.awaits is not None and run.not_before is None and run.group_key is None
            drafts = [] if needs_none else [message_of(run, now)]
            sent = self._queue.enqueue(connection, drafts, now)
            if not self._decisions.resume(connection, run, sent[0] if sent else None):
                raise RunBusyError(f"Run {run_id} has just changed; look at it again.")
        self._hand_over(run_id, drafts)

    def signal(self, run_id: int, event: str, payload: Any = None) -> str:
        """End a wait by an event from outside; `payload` becomes the run's data under the event's name.

        Returns the state that it leads to.
        """
        judge_json("payload", payload)
        now = self._clock.now()
        with self._store.write() as connection:
            run = self._found(connection, run_id)
            if run.status is not RunStatus.WAITING or event not in (run.awaits or ()):
                raise RunBusyError(f"Run {run_id} {_waiting_for(run)}; {event!r} was not taken.")
            patch = {} if payload is None else {event: payload}
            data = {**run.data, **patch}
            machine = self._machine(run)
            target = _target(run, machine, event, data)
            drafts = self._follow(connection, run, machine, target, data, now)
            # Now that nobody else's event can have the same place in the record
            unit = Unit(run.id, run.sequence, UnitKind.SIGNAL, event, run.state, event, target, patch, 1, now, now)
            self._record.add_units(connection, [unit])
        self._hand_over(run_id, drafts)
        return target

    def _follow(
        self, connection: Connection, run: Run, machine: Machine, target: str, data: Mapping[str, Any], now: datetime
    ) -> list[Draft]:
        columns: dict[str, Any] = {"state": target, "data": data, "sequence": run.sequence + 1, "not_before": None}
        drafts: list[Draft] = []
        final = machine.finals.get(target)
        if final is not None:
            status = RunStatus(final.value)
            columns |= {"status": status.value, "finished_at": now, "expires_at": _expiry(run, now)}
            columns["progress"] = 100 if final is Final.COMPLETED else run.progress
            self._tell(connection, run, status, target, now)
            self._queue.hasten(connection, run.message_id)  # as above
        else:
            columns |= {"status": RunStatus.QUEUED.value}
            has_message = run.not_before is not None or run.group_key is not None
            if not (has_message and self._queue.hasten(connection, run.message_id)):
                # Its own message, which waits for the time, may be the head of its group: this one must pass it
                drafts = [message_for(run.workflow, run.id, run.priority, None, timedelta(0))]
                self._queue.judge(drafts)
                columns["message_id"] = self._queue.enqueue(connection, drafts, now)[0]
        if not self._decisions.signalled(connection, run, columns):
            raise RunBusyError(f"Run {run.id} has just changed; look at it again.")
        return drafts

    def retry(self, run_id: int, *, step: str | None = None, edited: Mapping[str, Any] | None = None) -> Retried:
        """Repeat a finished run as a new one: from where it ended, or from the last time that this step was recorded.

        What was recorded before is taken over and not done again. `edited` replaces the input.
        """
        now = self._clock.now()
        with self._store.write() as connection:
            run = self._found(connection, run_id)
            if not run.finished:
                raise RunBusyError(
                    f"Run {run_id} is {run.status}; only a finished run is retried (or cancel it first)."
                )
            units = self._record.units(connection, run_id)
            workflow = self._workflow(run)
            start = start_of(run, units, workflow, step)
            if edited is not None:
                judge_input(edited)
                workflow.check(edited)
            kept = [unit for unit in units if unit.sequence < start.sequence]
            number = self._runs.numbers(connection, 1)[0]
            new = NewRun(
                id=number, workflow=run.workflow, state=start.state, input=run.input if edited is None else edited,
                data=replayed(kept), priority=run.priority, group_key=run.group_key, dedup_key=None,
                correlation_id=run.correlation_id, keep_s=run.keep_s, sequence=start.sequence, retry_of=run_id,
                retry_from=start.sequence,
            )  # fmt: skip
            drafts = [message_for(run.workflow, number, run.priority, run.group_key, timedelta(0))]
            self._queue.judge(drafts)
            sent = self._queue.enqueue(connection, drafts, now)
            self._runs.insert(connection, [new], sent, now)
            self._record.add_units(connection, [unit._replace(run_id=number) for unit in kept])
        self._hand_over(number, drafts)
        return Retried(number, start.state, len(kept))

    # --- parts ---

    def _found(self, connection: Connection, run_id: int) -> Run:
        run = self._runs.find(connection, run_id)
        if run is None:
            raise BadInputError(f"There is no run {run_id}; `runs list` shows those that are kept.")
        return run

    def _workflow(self, run: Run) -> Workflow:
        self._registry.find(run.workflow)
        return self._workflows[run.workflow]

    def _machine(self, run: Run) -> Machine:
        return self._registry.find(run.workflow).machine

    def _tell(self, connection: Connection, run: Run, status: RunStatus, state: str, now: datetime) -> None:
        payload = {
            "run": run.id, "workflow": run.workflow, "correlation_id": run.correlation_id, "status": status.value,
            "state": state,
        }  # fmt: skip
        if self._sinks:
            event = RunEvent(run.id, f"run.{status.value}", payload)
            self._record.add_events(connection, self._sinks, [event], now)

    def _hand_over(self, run_id: int, drafts: Sequence[Draft]) -> None:
        # What fails is sent by the reconciler as soon as the queue answers
        with suppress(QueueError, BadInputError):
            hand_over(self._store, self._queue, [run_id] * len(drafts), drafts)


def _waiting_for(run: Run) -> str:
    if run.status is RunStatus.WAITING and run.awaits:
        return f"waits for {', '.join(run.awaits)}"
    if run.awaits:
        return f"is {run.status} and hears no event before it goes on"
    return f"is {run.status} and waits for no event"


def _target(run: Run, machine: Machine, event: str, data: Mapping[str, Any]) -> str:
    try:
        return machine.step(run.state, event, data)
    except IllegalTransitionError as error:
        raise RunBusyError(f"Run {run.id}: {error}") from None
    except Exception as error:  # a guard: code of the workflow
        raise RunBusyError(f"Run {run.id}: a guard of {event!r} failed with {type(error).__name__}.") from error


def _expiry(run: Run, now: datetime) -> datetime | None:
    return None if run.keep_s is None else now + timedelta(seconds=run.keep_s)
