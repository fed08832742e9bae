"""What a commit has made true, followed in memory: runs go on, are let go, or begin."""

import logging
from collections import Counter

from roundsman.logs import fields
from roundsman.message import Message
from roundsman.repositories.run_claims import ClaimedRun
from roundsman.repositories.run_record import Unit
from roundsman.runs.crew import Crew
from roundsman.runs.decision import MAX_CRASHES
from roundsman.runs.held import Held
from roundsman.runs.round import Round, Written
from roundsman.runs.verdict import Decision
from roundsman.scheduling.job import StopToken

log = logging.getLogger(__name__)


class Aftermath:
    """Belongs to the engine's thread."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self.counts: Counter[str] = Counter()
        """What has been done so far: claimed, steps, completed, failed, queued (put back), ..."""

    def of(self, written: Written) -> Round:
        """Follow what was written. Returns what it leads to at once, without a step: to be written next."""
        following = Round()
        for held, count in written.lines:
            for _ in range(count):
                held.lines.popleft()
        for call in written.calls:
            call.held.recorded.append(call.unit)  # its worker waits
            call.stored.set()
        for call in written.refused_calls:
            call.lost = True
            call.stored.set()
        for held in written.lost:
            self._lose(held)
        for held, decision in written.decisions:
            self._go_on(held, decision, following)
        for run, message in written.admitted.begun:
            self._begin(run, message, [], following)
        for run, message, calls in written.claimed:
            self._begin(run, message, calls, following)
        return following

    def _go_on(self, held: Held, decision: Decision, following: Round) -> None:
        if decision.trouble is not None:
            _tell(held, decision)
        if decision.unit is not None:
            self.counts["steps"] += 1
        advance = decision.advance
        if advance is None:
            assert decision.leave is not None
            self.counts[decision.leave.status.value] += 1
            self._crew.let_go(held)
            return
        if held.given_up:
            held = self._crew.reseat(held)
        held.state, held.data, held.sequence = advance.state, advance.data, advance.sequence
        held.progress, held.shown_progress = advance.progress, None
        held.attempt = held.crashes = 0
        held.recorded = []
        if held.stop.is_set():
            held.stop, held.told = StopToken(), None
        self._dispatch(held, following)

    def _begin(self, run: ClaimedRun, message: Message, calls: list[Unit], following: Round) -> None:
        self.counts["claimed"] += 1
        prepared = self._crew.prepared.get(run.workflow)
        held = Held(
            run, message, prepared or self._crew.prepared[message.kind], run.state, run.data, run.sequence,
            run.attempt, run.crashes, run.progress, StopToken(), calls,
        )  # fmt: skip
        self._crew.add(held)
        if prepared is None:
            following.refusals.append((held, f"the workflow {run.workflow!r} is not known to this daemon"))
        elif run.on_time is not None:
            following.timers.append(held)
        else:
            self._dispatch(held, following)

    def _dispatch(self, held: Held, following: Round) -> None:
        if held.state not in held.prepared.steps:
            reason = f"it stands in the state {held.state!r}, which the workflow {held.run.workflow!r} no longer has"
            following.refusals.append((held, reason))
        elif held.crashes >= MAX_CRASHES:
            step = held.prepared.steps[held.state].__name__
            following.refusals.append((held, f"{step}: {held.crashes} processes died while it was under way"))
        else:
            self._crew.begin(held)

    def _lose(self, held: Held) -> None:
        log.info("Run %d is no longer ours; what its step did is dropped", held.id, extra=about(held))
        self._crew.lose(held)


def _tell(held: Held, decision: Decision) -> None:
    final = decision.leave is not None and decision.leave.finished_at is not None
    words = "failed" if final else "goes on after a failure"
    level = logging.ERROR if final else logging.WARNING
    log.log(level, "Run %d of %s %s: %s", held.id, held.run.workflow, words, decision.trouble, extra=about(held))


def about(held: Held) -> dict[str, str]:
    """The journal fields of a run."""
    return fields(RUN_ID=held.id, WORKFLOW=held.run.workflow, CORRELATION_ID=held.run.correlation_id)
