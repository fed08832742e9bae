"""Why a run stands where it stands, in sentences for whoever is on call. Pure: the facts are in `Findings`.

The first sentence is the answer; those after it are what else counts, and the commands that help.
"""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from roundsman.clock import Times, short_duration
from roundsman.repositories.run_decisions import PAUSE
from roundsman.repositories.runs import Run, RunStatus
from roundsman.runs.decision import MAX_CRASHES
from roundsman.runs.findings import Findings, InQueue


def why(found: Findings, zone: ZoneInfo) -> list[str]:
    """The sentences; times are told in this zone."""
    times = Times(found.now, zone)
    match found.run.status:
        case RunStatus.QUEUED:
            return list(_queued(found, times))
        case RunStatus.RUNNING:
            return list(_running(found, times))
        case RunStatus.WAITING:
            return list(_waiting(found, times))
        case RunStatus.PAUSED:
            return list(_paused(found, times))
        case _:
            return list(_finished(found, times))


# --- queued ---


def _queued(found: Findings, times: Times) -> Iterator[str]:
    run = found.run
    if run.attempt:
        of = f" of {found.facts.attempts}" if found.facts is not None else ""
        when = f"at {times.at(run.not_before)}" if run.not_before is not None and run.not_before > times.now else "now"
        yield f"Attempt {run.attempt}{of} of its step has failed, and the next one is due {when}: {_ended(run.error)}"
    elif run.not_before is not None and run.not_before > times.now:
        yield f"It is queued for later: it is due at {times.at(run.not_before)}."
    if run.crashes:
        died = _count(run.crashes, "process", "processes")
        yield f"{died} died while its present step was under way; after {MAX_CRASHES} it is given up."
    nobody = found.drivers.nobody(times.now)
    if nobody is not None:
        yield nobody
    if found.facts is None:
        yield f"This program knows no workflow {run.workflow!r}: a daemon that does must take it."
    if run.not_before is not None and run.not_before > times.now:
        return
    reasons = list(_held_back(found, times))
    yield from reasons
    if nobody is None and not reasons and found.facts is not None:
        yield "Nothing holds it back: it is taken as soon as a worker is free."
    yield from found.others


def _held_back(found: Findings, times: Times) -> Iterator[str]:
    message = found.message
    if message is not None:
        yield from _in_queue(found, message)
    yield from _limited(found, times)
    if message is not None and message.place is not None and message.place.ahead:
        ahead = message.place.ahead
        yield f"{_count(ahead, 'message')} {_is(ahead)} before it in the queue."
    daemons, capacity = len(found.drivers.alive), found.drivers.capacity()
    if capacity and found.all_under_way >= capacity:
        yield (
            f"{_count(found.all_under_way, 'run')} {_is(found.all_under_way)} under way, and "
            f"{_count(daemons, 'daemon')} with {_count(capacity, 'worker')} (WORKER_CONCURRENCY) in all "
            "can do no more at a time."
        )


def _in_queue(found: Findings, message: InQueue) -> Iterator[str]:
    if message.fault is not None:
        yield f"The queue does not answer: {_ended(message.fault)}"
    elif not message.is_there:
        yield (
            f"Its message is not in the queue ({message.queue}): a daemon sends it in one of its next rounds, "
            "every half a minute."
        )
    if message.head is not None and message.head != found.run.id:
        group = found.run.group_key
        waits = f", and waits for {_either(message.head_awaits)}" if message.head_awaits else ""
        yield f"It waits for its group {group!r}, which goes one run at a time: run {message.head} is first{waits}."


def _limited(found: Findings, times: Times) -> Iterator[str]:
    facts, message = found.facts, found.message
    if facts is None:
        return
    if facts.concurrency is not None and found.under_way >= facts.concurrency:
        runs = f"{_count(found.under_way, 'run')} of {facts.name} {_is(found.under_way)}"
        yield f"{runs} under way, and no more may be at a time (concurrency {facts.concurrency})."
    if facts.rate is not None and message is not None:
        rate = f"The rate of {facts.name}, {facts.rate.count} in {short_duration(facts.rate.per)},"
        if message.next_token_at is not None:
            yield f"{rate} is used up: the next one may begin at {times.at(message.next_token_at)}."
        elif message.queue != "local":
            yield f"{rate} may hold it back."


# --- under way, waiting, paused ---


def _running(found: Findings, times: Times) -> Iterator[str]:
    run, holder = found.run, found.holder
    step = f"the step {found.step}" if found.step else f"the step of {run.state!r}"
    since = max(found.since, run.started_at or found.since)
    who = f"process {holder.pid} on {holder.host}" if holder is not None else "a process"
    yield f"It is under way: {who} holds it, at {step}, in the state {run.state!r} for {times.so_far(since)}."
    if holder is not None and holder.dead:
        yield "That process is dead: a daemon on this machine frees the run within seconds, or at its start."
    elif run.lease_until is not None and run.lease_until <= times.now:
        yield f"Its lease ended at {times.at(run.lease_until)} unrenewed: a daemon frees it within half a minute."
    elif run.lease_until is not None:
        yield f"Its lease ends at {times.at(run.lease_until)}, and is renewed as long as that process lives."
    if found.facts is not None:
        limit = found.facts.timeout
        if run.attempt or run.crashes:
            tried = f"{run.attempt} of {found.facts.attempts} attempts have failed" if run.attempt else "it was cut off"
            yield f"Before, {tried}; each attempt may take {short_duration(limit)}."
        else:
            yield f"One attempt may take {short_duration(limit)}: its time is over at {times.at(since + limit)}."
    if run.asked == PAUSE:
        yield f"It pauses at the end of this step; `roundsman runs resume {run.id}` takes that back."
    if holder is not None and holder.dead and (nobody := found.drivers.nobody(times.now)):
        yield nobody


def _waiting(found: Findings, times: Times) -> Iterator[str]:
    run = found.run
    if run.awaits:
        yield f"It waits for {_either(run.awaits)}, for {times.so_far(found.since)}: {_signals(run)}."
        if run.not_before is not None:
            yield f"If nothing comes, it takes {run.on_time} at {times.at(run.not_before)}."
    elif run.not_before is not None:
        yield f"It waits for a time, and takes {run.on_time} at {times.at(run.not_before)}."
    if run.not_before is not None and (nobody := found.drivers.nobody(times.now)):
        yield nobody


def _paused(found: Findings, times: Times) -> Iterator[str]:
    run = found.run
    yield f"It was paused by hand, in the state {run.state!r}: `roundsman runs resume {run.id}` lets it go on."
    if run.awaits:
        yield f"Then it waits for {_either(run.awaits)} again."
    elif run.not_before is not None and run.not_before > times.now:
        yield f"Then it goes on at {times.at(run.not_before)}."
    if run.error:
        yield f"Its last attempt failed: {_ended(run.error)}"


# --- finished ---


def _finished(found: Findings, times: Times) -> Iterator[str]:
    run = found.run
    ended = f"at {times.at(run.finished_at)}" if run.finished_at is not None else ""
    by_machine = found.facts is not None and found.facts.machine.is_final(run.state)
    if run.status is RunStatus.COMPLETED:
        yield f"It completed {ended}, in the state {run.state!r}."
    elif run.status is RunStatus.CANCELLED:
        how = f"its workflow led it to {run.state!r}" if by_machine else f"by hand, in the state {run.state!r}"
        yield f"It was cancelled {ended}: {how}."
    else:
        reason = _ended(run.error) if run.error else f"its workflow led it to {run.state!r}."
        yield f"It failed {ended}, in the state {run.state!r}: {reason}"
    if found.retried_as:
        yield f"It was retried as {_either([f'run {each}' for each in found.retried_as], 'and')}."
    elif run.status is not RunStatus.COMPLETED:
        yield f"`roundsman runs retry {run.id}` repeats it as a new run, without what it has done already."
    if run.expires_at is not None:
        due = run.expires_at > times.now
        yield f"It is removed at {times.at(run.expires_at)}." if due else "The next round of cleanup removes it."
    else:
        yield "It is kept for ever."


# --- words ---


def _signals(run: Run) -> str:
    return _either([f"`roundsman runs signal {run.id} {event}`" for event in run.awaits or ()])


def _either(names: Sequence[str], word: str = "or") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _ended(text: str | None) -> str:
    text = text or "the reason was not recorded"
    return text if text.endswith((".", "!", "?")) else f"{text}."
