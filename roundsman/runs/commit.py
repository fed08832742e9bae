"""What one transaction of the engine writes: the ends of steps, recorded calls, what was said, and new claims."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.message import Message
from roundsman.repositories.engine import Store
from roundsman.repositories.pipeline import pipelined
from roundsman.repositories.run_claims import ClaimLostError, RunClaims
from roundsman.repositories.run_record import LogLine, RunRecord
from roundsman.repositories.runs import RunStatus
from roundsman.runs.admission import admit
from roundsman.runs.decision import decide, put_back, refused, timer_came
from roundsman.runs.held import Held
from roundsman.runs.round import Rooms, Round, Written
from roundsman.runs.run_queue import RunQueue, Settled
from roundsman.runs.verdict import Ack, Bury, Circumstances, Decision, Nack, parked

FREE_SOON = timedelta(seconds=1)
"""Between looks for a run whose holder is gone and which nobody has freed yet."""


@dataclass(frozen=True)
class Ledgers:
    """Where a round is written."""

    claims: RunClaims
    record: RunRecord
    queue: RunQueue
    sinks: tuple[str, ...] = ()
    """Who is told of the ends of runs."""
    told: Callable[[], None] = lambda: None
    """Called after a commit with something to tell them; from the engine's thread, so it must not wait."""


def write_out(round_: Round, store: Store, clock: Clock, to: Ledgers, rooms: Rooms, *, halting: bool) -> Written:
    """Write it all in one transaction. Raises StoreError; then nothing counts."""
    # Nearly always all is still ours and nobody asks for anything, which the changes of runs find out by themselves.
    # A recorded call changes no run.
    look = bool(round_.calls)
    while True:
        now = clock.now()
        try:
            with store.write() as connection:
                return write(connection, round_, to, now, rooms, halting=halting, look=look)
        except ClaimLostError:
            look = True  # somebody took a run from us or asked for something, perhaps at this very moment
            to.queue.rolled_back()
        except BaseException as error:
            to.queue.rolled_back()
            if isinstance(error, StoreError) or not round_.submissions:
                raise
            round_.decline_submissions()  # the fault may be theirs: whoever submitted tries alone, and hears of it


def write(
    connection: Connection, round_: Round, to: Ledgers, now: datetime, rooms: Rooms, *, halting: bool, look: bool
) -> Written:
    """Write it all, and claim what the queue has for us. Raises ClaimLostError and StoreError; then nothing counts.

    `look` at which runs are still ours and what is asked of us; else it is taken for granted that all are, and nothing.
    """
    written = Written()
    touched = round_.touched()
    tokens = {held.id: held.token for held in touched}
    with pipelined(connection):
        written.admitted = admit(connection, round_.submissions, to.claims, to.queue, rooms.submitted, now)
        holding = to.claims.holding(connection, tokens) if look else dict.fromkeys(tokens)
        written.lost = [held for held in dict.fromkeys(touched) if held.id not in holding]
        written.decisions = _decisions(round_, holding, now, halting=halting)
        for call in round_.calls:
            (written.calls if call.held.id in holding else written.refused_calls).append(call)
        _write_decisions(connection, to, written, now)
        kept = [held for held in dict.fromkeys(touched) if held.id in holding]
        _write_lines(connection, to.record, kept, written, now)
    settled: list[Settled] = [
        (held.message, decision.settlement) for held, decision in written.decisions if decision.settlement is not None
    ]
    # Somebody else has the run, or it is cancelled; whoever gets the message next will see
    settled.extend((held.message, Nack()) for held in written.lost)
    _settle(connection, to, settled, written, now)
    messages = [] if halting else to.queue.take(connection, now)
    if messages:
        _claim(connection, to, messages, written, now)
    return written


def _decisions(
    round_: Round, holding: Mapping[int, str | None], now: datetime, *, halting: bool
) -> list[tuple[Held, Decision]]:
    usual = Circumstances(now, None, halting)

    def here(held: Held) -> Circumstances:
        asked = holding[held.id]
        return usual if asked is None else Circumstances(now, asked, halting)

    decisions = [(each.held, decide(each, here(each.held))) for each in round_.ended if each.held.id in holding]
    decisions += [
        (held, timer_came(held, held.run.on_time or "", here(held))) for held in round_.timers if held.id in holding
    ]
    decisions += [(held, refused(held, reason, here(held))) for held, reason in round_.refusals if held.id in holding]
    decisions += [
        (held, put_back(held, paused=holding[held.id] is not None)) for held in round_.put_back if held.id in holding
    ]
    return decisions


def _write_decisions(connection: Connection, to: Ledgers, written: Written, now: datetime) -> None:
    decisions = [decision for _, decision in written.decisions]
    to.claims.advance(connection, [each.advance for each in decisions if each.advance is not None])
    to.claims.leave(connection, [each.leave for each in decisions if each.leave is not None])
    units = [each.unit for each in decisions if each.unit is not None]
    to.record.add_units(connection, [*(call.unit for call in written.calls), *units])
    if to.sinks:
        events = [each.event for each in decisions if each.event is not None]
        to.record.add_events(connection, to.sinks, events, now)


def _write_lines(connection: Connection, record: RunRecord, held: list[Held], written: Written, now: datetime) -> None:
    lines: list[LogLine] = []
    for each in held:
        if each.lines:
            said = list(each.lines)
            lines += said
            written.lines.append((each, len(said)))
    for each, decision in written.decisions:
        if decision.trouble is not None:
            step = each.prepared.steps[each.state].__name__ if each.state in each.prepared.steps else None
            lines.append(LogLine(each.id, now, "error", step, decision.trouble))
    record.add_lines(connection, lines)


def _claim(connection: Connection, to: Ledgers, messages: list[Message], written: Written, now: datetime) -> None:
    written.received = len(messages)
    by_run: dict[int, Message] = {}
    settled: list[Settled] = []
    for message in messages:
        run_id = message.body.get("run")
        if not isinstance(run_id, int) or isinstance(run_id, bool):
            settled.append((message, Bury("it names no run")))
        elif run_id in by_run:
            settled.append((message, Ack()))
        else:
            by_run[run_id] = message
    claimed = {run.id: run for run in to.claims.claim(connection, list(by_run), now)}
    again = {run.id: run.sequence for run in claimed.values() if run.token > 1}
    calls = to.record.calls_since(connection, again)
    # In the order of the messages: the most urgent first
    written.claimed = [
        (claimed[run_id], message, calls.get(run_id, [])) for run_id, message in by_run.items() if run_id in claimed
    ]
    for run_id in claimed:
        del by_run[run_id]
    if by_run:
        settled += _not_claimable(connection, to.claims, by_run, now)
    _settle(connection, to, settled, written, now)


def _settle(connection: Connection, to: Ledgers, settled: list[Settled], written: Written, now: datetime) -> None:
    if not settled:
        return
    to.queue.settle(connection, settled, now)
    written.look_again |= any(
        message.group is not None or (isinstance(fate, Nack) and fate.is_due(now)) for message, fate in settled
    )


def _not_claimable(
    connection: Connection, claims: RunClaims, by_run: Mapping[int, Message], now: datetime
) -> list[Settled]:
    """What to do with messages of runs that nobody may begin now."""
    standings = claims.standings(connection, list(by_run))
    settled: list[Settled] = []
    for run_id, message in by_run.items():
        standing = standings.get(run_id)
        if standing is not None and standing.status is RunStatus.RUNNING:
            # Its holder may die yet, and this may be the only message by then. If its lease is over, it is free as soon
            # as somebody reconciles
            settled.append((message, Nack(max(standing.lease_until or now, now + FREE_SOON))))
        elif standing is not None and standing.status is RunStatus.QUEUED:
            # Not due yet; or its holder has let go of it since our look, and had another message or none
            settled.append((message, Nack(standing.not_before)))
        elif standing is not None and standing.status is RunStatus.WAITING:
            settled.append((message, parked(message, standing.not_before, now)))
        else:
            settled.append((message, Ack()))
    return settled
