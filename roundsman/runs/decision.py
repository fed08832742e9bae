"""What follows from one attempt of a step: the change of the run, its record, its message, its event. Pure.

A failed attempt is not told from a bug by its type: whatever a step raises costs an attempt, so that a fault in
one run can never stop the others. Only a shutdown costs nothing.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from roundsman import logs, retry
from roundsman.errors import RoundsmanError
from roundsman.fsm.machine import Final, IllegalTransitionError
from roundsman.fsm.workflow import FAILED, Fail, Next, Retry, WaitFor, WaitUntil
from roundsman.repositories.run_claims import Advance, Leave
from roundsman.repositories.run_record import RunEvent, Unit, UnitKind
from roundsman.repositories.runs import RunStatus
from roundsman.runs.held import Held, StepEnded
from roundsman.scheduling.job import StopReason

MAX_CRASHES = 5
"""Processes that may die with a step before the step is taken for the culprit. A committed step forgives them."""

LONGEST_ERROR = 500
"""Characters of an error that are kept; a whole page of somebody's HTML is no sentence."""
_LONGEST_READ = 20 * LONGEST_ERROR
"""Characters of it that are looked through for secrets."""

LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than anything; a time zone more and the year 9999 would be over, which nobody can read."""

_ENDINGS = {Final.COMPLETED: RunStatus.COMPLETED, Final.FAILED: RunStatus.FAILED, Final.CANCELLED: RunStatus.CANCELLED}


class ChangedStepError(RoundsmanError):
    """The workflow no longer does what the record of this run says that it did."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The message is done with."""


@dataclass(frozen=True, slots=True)
class Nack:
    """The message comes back, at this time or at once."""

    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bury:
    """The message becomes a dead letter."""

    reason: str


Settlement = Ack | Nack | Bury


@dataclass(frozen=True, slots=True)
class Decision:
    """All that one commit writes for a run. Either `advance` (its holder goes on) or `leave` and `settlement`."""

    advance: Advance | None = None
    leave: Leave | None = None
    settlement: Settlement | None = None
    unit: Unit | None = None
    event: RunEvent | None = None
    trouble: str | None = None
    """Why the attempt failed, for the log."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else counts at the moment of the decision."""

    now: datetime
    asked: str | None = None
    """What the holder is asked to do: pause."""
    halting: bool = False
    """The daemon goes down: no further step is begun."""
    rng: random.Random | None = None


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
        patch = _checked(ended.result.patch)
        if isinstance(ended.result, Next):
            return _taken(held, ended.result.event, patch, _unit_of(ended, UnitKind.STEP), here)
        return _waiting(ended, ended.result, patch, here)
    except (IllegalTransitionError, Fail) as error:
        return _failed(held, f"{ended.name}: {_words(error)}", here, ended)
    except Exception as error:  # noqa: BLE001  a guard of the machine: code of the workflow, as its steps are
        return _failed(held, f"{ended.name}: a guard failed with {_words(error)}", here, ended)


def timer_came(held: Held, event: str, here: Circumstances) -> Decision:
    """The time has come that the run was waiting for."""
    unit = Unit(
        held.id, held.sequence, UnitKind.TIMER, event, held.state, event, None, {}, 1, here.now, here.now
    )  # fmt: skip
    try:
        return _taken(held, event, {}, unit, here)
    except Exception as error:  # noqa: BLE001  as above
        return _failed(held, f"when its time had come: {_words(error)}", here)


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
        until, on_time, awaits = _moment(result.at), result.event, None
    else:
        until = None if result.until is None else _moment(result.until)
        on_time, awaits = result.on_time, _events(result.events)
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
        settlement=Nack(until) if until is not None and not here.asked else Ack(),
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
        reason = f"{ended.name}: {_words(error)}"
    attempt = held.attempt + 1
    if isinstance(error, Fail | ChangedStepError):
        return _failed(held, reason, here, ended)
    if attempt >= facts.attempts:
        return _failed(held, f"{reason} (attempt {attempt} of {facts.attempts})", here, ended)
    after = error.after if isinstance(error, Retry) else None
    if not isinstance(after, timedelta):
        after = retry.backoff(attempt, first=facts.backoff, rng=here.rng)
    again_at = _later(here.now, max(after, timedelta(0)))
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
            reason = f"{reason}; then the way for failures failed: {_words(error)}"[:LONGEST_ERROR]
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
        expires_at=None if keep_s is None else _later(now, timedelta(seconds=keep_s)),
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


def _checked(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(patch, Mapping):
        raise Fail(f"its patch is {type(patch).__name__}, not a mapping")
    if not patch:
        return {}
    try:
        stored: Mapping[str, Any] = as_stored(patch)
    except (TypeError, ValueError, RecursionError) as error:
        raise Fail(f"its patch cannot be stored as JSON: {error}") from None
    return stored


def as_stored(value: Any) -> Any:
    """As the next process would read it: a copy that no step can change any more, its tuples lists, its keys texts.

    Raises TypeError, ValueError and RecursionError for what is no JSON.
    """
    return json.loads(json.dumps(value, allow_nan=False))


def _events(events: Any) -> list[str]:
    if not isinstance(events, tuple | list):
        raise Fail(f"waits for {events!r}; name the events as a tuple")
    return list(events)


def _moment(until: Any) -> datetime:
    if not isinstance(until, datetime):
        raise Fail(f"waits until {until!r}, which is no time")
    if until.tzinfo is None:
        raise Fail(f"waits until {until}, a time without a zone")
    try:
        return min(until.astimezone(UTC), LATEST)
    except OverflowError:
        raise Fail(f"waits until {until}, which is beyond all times in UTC") from None


def _later(now: datetime, by: timedelta) -> datetime:
    try:
        return min(now + by, LATEST)
    except OverflowError:
        return LATEST


def _progress(held: Held) -> int:
    return held.progress if held.shown_progress is None else held.shown_progress


def _event(held: Held, status: RunStatus, state: str, error: str | None) -> RunEvent:
    about = {**_about(held), "status": status.value, "state": state}
    return RunEvent(held.id, f"run.{status.value}", about if error is None else {**about, "error": error})


def _about(held: Held) -> dict[str, Any]:
    return {"run": held.id, "workflow": held.run.workflow, "correlation_id": held.run.correlation_id}


def _words(error: BaseException | None) -> str:
    """What an error says, fit to be kept."""
    try:
        text = str(error)[:_LONGEST_READ]
    except Exception:  # noqa: BLE001  even that is code of the workflow
        text = "it cannot say what it is"
    if not isinstance(error, Retry | Fail | RoundsmanError):
        text = f"{type(error).__name__}: {text}"
    return logs.redact(text)[:LONGEST_ERROR]
