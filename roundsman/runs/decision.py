"""What follows from one attempt of a step: the change of the run, its record, its message, its event. Pure.

A failed attempt is not told from a bug by its type: whatever a step raises costs an attempt, so that a fault in
one run can never stop the others. Only a shutdown costs nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from roundsman import retry
from roundsman.errors import RoundsmanError
from roundsman.fsm.machine import Final, IllegalTransitionError
from roundsman.fsm.workflow import FAILED, Fail, Next, Retry, WaitFor, WaitUntil
from roundsman.repositories.run_claims import Advance, Leave
from roundsman.repositories.run_record import RunEvent, Unit, UnitKind
from roundsman.repositories.runs import RunStatus
from roundsman.runs.fitness import LONGEST_ERROR, events_of, later, moment_of, patch_of, words_of
from roundsman.runs.held import Held, StepEnded
from roundsman.runs.verdict import Ack, Bury, Circumstances, Decision, Nack, parked
from roundsman.scheduling.job import StopReason

MAX_CRASHES = 5
"""Processes that may die with a step before the step is taken for the culprit. A committed step forgives them."""

_ENDINGS = {Final.COMPLETED: RunStatus.COMPLETED, Final.FAILED: RunStatus.FAILED, Final.CANCELLED: RunStatus.CANCELLED}


class ChangedStepError(RoundsmanError):
    """The workflow no longer does what the record of this run says that it did."""


def decide(ended: StepEnded, here: Circumstances) -> Decision:
    """What becomes of the run after this attempt."""
    held = ended.held
    if ended.error is not None:
        if held.stop.reason is StopReason.SHUTDOWN:
            return put_back(held, paused=here.asked is not None)
        return _failed_attempt(ended, here)
    if not isinstance(ended.result, Next | WaitUntil | WaitFor):
        kind = type(ended.result).__name__
        return _failed(held, f"{ended.name}: returned {kind}; a step returns Next, WaitUntil or WaitFor", here, ended)
    try:
        patch = patch_of(ended.result.patch)
        if isinstance(ended.result, Next):
            return _taken(held, ended.result.event, patch, _unit_of(ended, UnitKind.STEP), here)
        return _waiting(ended, ended.result, patch, here)
    except (IllegalTransitionError, Fail) as error:
        return _failed(held, f"{ended.name}: {words_of(error)}", here, ended)
    except Exception as error:  # noqa: BLE001  a guard of the machine: code of the workflow, as its steps are
        return _failed(held, f"{ended.name}: a guard failed with {words_of(error)}", here, ended)


def timer_came(held: Held, event: str, here: Circumstances) -> Decision:
    """The time has come that the run was waiting for."""
    unit = Unit(
        held.id, held.sequence, UnitKind.TIMER, event, held.state, event, None, {}, 1, here.now, here.now
    )  # fmt: skip
    try:
        return _taken(held, event, {}, unit, here)
    except Exception as error:  # noqa: BLE001  as above
        return _failed(held, f"when its time had come: {words_of(error)}", here)


def refused(held: Held, reason: str, here: Circumstances) -> Decision:
    """No step can be begun for this run, and never will."""
    return _failed(held, reason, here)


def put_back(held: Held, *, paused: bool = False) -> Decision:
    """As if it had never been claimed."""
    status = RunStatus.PAUSED if paused else RunStatus.QUEUED
    return Decision(leave=_leave(held, status), settlement=Ack() if paused else Nack())


def _taken(held: Held, event: str, patch: Mapping[str, Any], unit: Unit, here: Circumstances) -> Decision:
    data = {**held.data, **patch} if patch else held.data
    target = held.prepared.facts.machine.step(held.state, event, data)
    sequence = unit.sequence + 1
    done = Unit(
        unit.run_id, unit.sequence, unit.kind, unit.name, unit.state, event, target, patch, unit.attempt,
        unit.started_at, unit.finished_at,
    )  # fmt: skip
    final = held.prepared.facts.machine.finals.get(target)
    if final is not None:
        status = _ENDINGS[final]
        return Decision(
            leave=_finish(held, status, target, data, sequence, None, here.now),
            settlement=Ack(),
            unit=done,
            event=_event(held, status, target, None),
        )
    if here.asked is not None or here.halting:
        paused = here.asked is not None
        leave = Leave(
            held.id, held.token, RunStatus.PAUSED if paused else RunStatus.QUEUED, target, data, sequence, 0, 0,
            _progress(held),
        )  # fmt: skip
        return Decision(leave=leave, settlement=Ack() if paused else Nack(), unit=done)
    return Decision(advance=Advance(held.id, held.token, target, data, sequence, _progress(held)), unit=done)


def _waiting(ended: StepEnded, result: WaitUntil | WaitFor, patch: Mapping[str, Any], here: Circumstances) -> Decision:
    held, machine = ended.held, ended.held.prepared.facts.machine
    until: datetime | None
    on_time: str | None
    awaits: list[str] | None
    if isinstance(result, WaitUntil):
        until, on_time, awaits = moment_of(result.at), result.event, None
    else:
        until = None if result.until is None else moment_of(result.until)
        on_time, awaits = result.on_time, events_of(result.events)
        if (until is None) != (on_time is None) or not awaits:
            raise Fail("waits for events without naming any, or names a time without its event (or the reverse)")
    for event in (*(() if on_time is None else (on_time,)), *(awaits or ())):
        if event not in machine.events_of(held.state):
            machine.step(held.state, event, held.data)  # raises, with the events that are possible
    leave = Leave(
        held.id, held.token, RunStatus.PAUSED if here.asked else RunStatus.WAITING, held.state,
        {**held.data, **patch} if patch else held.data, held.sequence + ended.calls + 1, 0, 0, _progress(held),
        not_before=until, awaits=awaits, on_time=on_time,
    )  # fmt: skip
    return Decision(
        leave=leave,
        settlement=Ack() if here.asked else parked(held.message, until, here.now),
        unit=_unit_of(ended, UnitKind.STEP, patch),
        event=RunEvent(
            held.id,
            "run.waiting",
            {
                **_about(held),
                "status": RunStatus.WAITING.value,
                "state": held.state,
                "awaits": awaits,
                "until": until.isoformat() if until else None,
            },
        ),
    )


def _failed_attempt(ended: StepEnded, here: Circumstances) -> Decision:
    held, facts, error = ended.held, ended.held.prepared.facts, ended.error
    if held.stop.reason is StopReason.TIMEOUT:
        reason = f"{ended.name}: took longer than {facts.timeout.total_seconds():g} s"
    else:
        reason = f"{ended.name}: {words_of(error)}"
    attempt = held.attempt + 1
    if isinstance(error, Fail | ChangedStepError):
        return _failed(held, reason, here, ended)
    if attempt >= facts.attempts:
        return _failed(held, f"{reason} (attempt {attempt} of {facts.attempts})", here, ended)
    after = error.after if isinstance(error, Retry) else None
    if not isinstance(after, timedelta):
        after = retry.backoff(attempt, first=facts.backoff, rng=here.rng)
    again_at = later(here.now, max(after, timedelta(0)))
    paused = here.asked is not None
    leave = Leave(
        held.id, held.token, RunStatus.PAUSED if paused else RunStatus.QUEUED, held.state, held.data, held.sequence,
        attempt, 0, _progress(held), not_before=None if paused else again_at, error=reason,
    )  # fmt: skip
    return Decision(leave=leave, settlement=Ack() if paused else Nack(again_at), trouble=reason)


def _failed(held: Held, reason: str, here: Circumstances, ended: StepEnded | None = None) -> Decision:
    reason = reason[:LONGEST_ERROR]
    machine = held.prepared.facts.machine
    if held.state in machine.states and FAILED in machine.events_of(held.state):
        made = max(len(held.recorded), ended.calls if ended is not None else 0)
        unit = Unit(
            held.id, held.sequence + made, UnitKind.STEP, FAILED, held.state, FAILED, None, None,
            held.attempt + 1, here.now, here.now,
        )  # fmt: skip
        try:
            led = _taken(held, FAILED, {"failure": {"state": held.state, "reason": reason}}, unit, here)
        except Exception as error:  # noqa: BLE001  as above
            reason = f"{reason}; then the way for failures failed: {words_of(error)}"[:LONGEST_ERROR]
        else:
            return Decision(led.advance, led.leave, led.settlement, led.unit, led.event, reason)
    leave = _finish(held, RunStatus.FAILED, held.state, held.data, held.sequence, reason, here.now)
    return Decision(
        leave=leave,
        settlement=Bury(reason),
        event=_event(held, RunStatus.FAILED, held.state, reason),
        trouble=reason,
    )


def _finish(
    held: Held, status: RunStatus, state: str, data: Mapping[str, Any], sequence: int, error: str | None, now: datetime
) -> Leave:
    keep_s = held.run.keep_s
    return Leave(
        held.id, held.token, status, state, data, sequence, held.attempt, held.crashes,
        100 if status is RunStatus.COMPLETED else _progress(held), error=error, finished_at=now,
        expires_at=None if keep_s is None else later(now, timedelta(seconds=keep_s)),
    )  # fmt: skip


def _leave(held: Held, status: RunStatus) -> Leave:
    return Leave(
        held.id, held.token, status, held.state, held.data, held.sequence, held.attempt, held.crashes, _progress(held),
        on_time=held.run.on_time if held.sequence == held.run.sequence else None,
    )  # fmt: skip


def _unit_of(ended: StepEnded, kind: UnitKind, patch: Mapping[str, Any] | None = None) -> Unit:
    held = ended.held
    return Unit(
        held.id, held.sequence + ended.calls, kind, ended.name, held.state, None, None, patch, held.attempt + 1,
        ended.started_at, ended.finished_at,
    )  # fmt: skip


def _progress(held: Held) -> int:
    return held.progress if held.shown_progress is None else held.shown_progress


def _event(held: Held, status: RunStatus, state: str, error: str | None) -> RunEvent:
    about = {**_about(held), "status": status.value, "state": state}
    return RunEvent(held.id, f"run.{status.value}", about if error is None else {**about, "error": error})


def _about(held: Held) -> dict[str, Any]:
    return {"run": held.id, "workflow": held.run.workflow, "correlation_id": held.run.correlation_id}
