"""What a daemon owes for the time before it looked after a job: at its start, and after a change of schedule."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from roundsman.scheduling.job import CatchUp
from roundsman.scheduling.ledger import Claimed, Expectation, Ledger, TickEntry, TickState
from roundsman.scheduling.plan import Gap, plan
from roundsman.scheduling.registry import JobFacts
from roundsman.scheduling.trigger import Trigger, parse_trigger

CLOCK_SKEW = timedelta(seconds=30)
"""How far the clock of another daemon on this store may be ahead of ours: such ticks are its own, not the future's."""
A_DAY = timedelta(days=1)
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Takeover:
    """What `take_over` found. `entries` are not yet in the ledger; `runs` are claimed and wait to be started."""

    entries: tuple[TickEntry, ...]
    runs: tuple[Claimed, ...]
    snoozed_until: datetime | None

    @property
    def will_run(self) -> bool:
        """Whether the job runs right now because of this."""
        return bool(self.runs) or any(entry.runs for entry in self.entries)


def take_over(ledger: Ledger, facts: JobFacts, now: datetime, *, at_start: bool) -> Takeover:
    """Account for a job's ticks up to `now`. Raises StoreError.

    `at_start`: the daemon begins, so that a job which runs at every start needs no other run for `once`.
    """
    free_the_future(ledger, facts, now)
    known = ledger.expect(facts.name, facts.trigger.text, now)
    starts_anyway = at_start and facts.run_at_start
    entries = _missed(facts, known, now, covered=starts_anyway)
    covered = starts_anyway or any(entry.runs for entry in entries)
    return Takeover(tuple(entries), tuple(_resumed(ledger, facts, known, now, covered=covered)), known.snoozed_until)


def take_back(ledger: Ledger, facts: JobFacts, now: datetime) -> list[Claimed]:
    """The interrupted runs of a job that begin again here, after another daemon has died. Raises StoreError."""
    return _resumed(ledger, facts, ledger.expect(facts.name, facts.trigger.text, now), now, covered=False)


def free_the_future(ledger: Ledger, facts: JobFacts, now: datetime) -> int:
    """After the wall clock was set back: give back the ticks that a clock which was ahead has used up.

    An interval measures elapsed time, so all its future slots are freed: the job must not fall silent until the
    wrong time comes round (for years, after a start with a wrong hardware clock). A calendar moment is not run
    twice for a clock set back by an hour; only what lies more than a day ahead can be nothing but an error.
    """
    return ledger.supersede(facts.name, now + (CLOCK_SKEW if facts.trigger.measures_elapsed_time else A_DAY))


def _missed(facts: JobFacts, known: Expectation, now: datetime, *, covered: bool) -> list[TickEntry]:
    trigger, catch_up = facts.trigger, facts.catch_up
    if known.previous_schedule is not None:
        # The ticks of this gap were promised by another schedule: it says which there were, but none is run now.
        try:
            trigger, catch_up = parse_stored(known.previous_schedule), CatchUp.SKIP
        except ValueError:
            return []
    entries = plan(
        facts.name,
        trigger,
        since=known.since,
        now=now,
        catch_up=catch_up,
        gap=Gap(TickState.MISSED, "no daemon was running"),
        jitter=facts.jitter,
        covered=covered,
    )
    if known.paused_at is None:
        return entries
    return [
        replace(entry, state=TickState.PAUSED, reason="paused") if entry.due_at > known.paused_at else entry
        for entry in entries
    ]


def _resumed(ledger: Ledger, facts: JobFacts, known: Expectation, now: datetime, *, covered: bool) -> list[Claimed]:
    """Interrupted runs that begin again, by the job's catch-up policy."""
    if facts.catch_up is CatchUp.SKIP or known.paused_at is not None:
        return []
    wanted = list(known.interrupted)
    if facts.catch_up is CatchUp.ONCE:
        wanted = [] if covered else wanted[-1:]
    return [won for each in wanted if (won := ledger.reclaim(each, now)) is not None]


def parse_stored(text: str) -> Trigger:
    """A trigger's own text: a cron line carries its zone at the end. Raises ValueError."""
    line, _, zone = text.rpartition(" ")
    if text.startswith("every"):
        return parse_trigger(text, _UTC)
    try:
        return parse_trigger(line, ZoneInfo(zone))
    except (KeyError, OSError):
        raise ValueError(f"{zone!r} is no time zone") from None
