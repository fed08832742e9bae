"""Looks at the ledger once a minute and tells people what concerns them: the rules of this package, applied.

A look reads the newest rows of each job, the runs under way, the open alerts of its kinds and the present hour of the
counters that are watched: a few milliseconds, whatever the ledger holds. It writes only what has changed.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from roundsman.alerts.book import AlertBook
from roundsman.logs import fields
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.tick_history import TickHistory
from roundsman.repositories.tick_watch import TickEnd, TickWatch
from roundsman.scheduling.ledger import Origin
from roundsman.scheduling.registry import JobFacts, Registry
from roundsman.watch.changes import FAILING, KINDS, MISSED, OVERRUNNING, SILENT, Changes, named_jobs
from roundsman.watch.dead_man import Pulse, judge_silent
from roundsman.watch.downtime import GRACE, Downtime, judge_missed, missed_condition
from roundsman.watch.endings import Overrun, is_good, may_overrun, overrun, says_something, streak
from roundsman.watch.failing import Failing, judge_failing
from roundsman.watch.overrunning import judge_overrunning
from roundsman.watch.past import HOURS_AT_ONCE, Past
from roundsman.watch.silence import Silence
from roundsman.watch.why import Standing

MOST_ROWS = 200
"""How far a streak is followed back: an hour and a half of a job of every 30 s."""

PAST_RUNS = 20
"""Whose durations say what is usual."""

log = logging.getLogger(__name__)


class Overseer:
    """One for a process: it keeps what it has read of the past. `registry` and `zone` give what is in force now."""

    def __init__(
        self, store: Store, alerts: AlertBook, registry: Callable[[], Registry], zone: Callable[[], ZoneInfo]
    ) -> None:
        self._store = store
        self._alerts = alerts
        self._registry = registry
        self._zone = zone
        self._rows = TickWatch()
        self._history = TickHistory()
        self._book = AlertRepository()
        self._pasts: dict[tuple[str, str], Past] = {}
        self._last_due: datetime | None = None
        """Of the look before."""

    def look(self, job: str, due_at: datetime, now: datetime) -> Counter[str]:
        """One look, by the named job for the tick that is due then. Raises StoreError; then nothing is told."""
        jobs = {facts.name: facts for facts in self._registry().enabled}
        with self._store.read() as connection:
            told = {kind: self._book.open_of_kind(connection, kind) for kind in KINDS}
            paused = self._history.paused(connection)
            changes = self._failing(connection, jobs, paused, told[FAILING], now)
            changes.take(self._overrunning(connection, jobs, told[OVERRUNNING], now))
            changes.take(self._missed(connection, job, jobs, paused, told[MISSED], due_at, now))
            changes.take(self._silent(connection, jobs, told[SILENT], now))
        if changes:
            self._write(job, changes)
        self._last_due = due_at
        return Counter(jobs=len(jobs), opened=len(changes.conditions), resolved=len(changes.endings))

    def _failing(
        self,
        connection: Connection,
        jobs: Mapping[str, JobFacts],
        paused: Mapping[str, datetime],
        told: Sequence[Alert],
        now: datetime,
    ) -> Changes:
        failing: dict[str, Failing] = {}
        unsure = set(paused)
        for name, rows in self._rows.newest(connection, list(jobs)).items():
            if name in paused or is_good(rows):
                continue
            further = self._rows.latest(connection, name, MOST_ROWS) if rows else []
            if not says_something(further):
                unsure.add(name)
            elif (found := streak(further)) is not None:
                failing[name] = Failing(jobs[name], found)
        watched = [name for name, facts in jobs.items() if facts.alert_after is not None]
        return judge_failing(failing, watched, unsure, told, now)

    def _overrunning(
        self, connection: Connection, jobs: Mapping[str, JobFacts], told: Sequence[Alert], now: datetime
    ) -> Changes:
        found: dict[str, tuple[TickEnd, Overrun]] = {}
        for run in self._rows.running(connection):
            facts = jobs.get(run.job)
            is_told = facts is not None and facts.alert_after is not None and run.origin is not Origin.MANUAL
            if facts is None or not is_told or not may_overrun(run, now):
                continue
            past = self._rows.latest(connection, run.job, PAST_RUNS)
            over = overrun(run, past, facts.timeout, now)
            if over is not None:
                found[run.job] = (run, over)
        return judge_overrunning(found, told)

    def _missed(
        self,
        connection: Connection,
        job: str,
        jobs: Mapping[str, JobFacts],
        paused: Mapping[str, datetime],
        told: Sequence[Alert],
        due_at: datetime,
        now: datetime,
    ) -> Changes:
        able = jobs.keys() - paused.keys() - {job}  # this job is at it
        waiting = {
            alert.fingerprint: [
                name
                for name in able.intersection(named_jobs(alert))
                if not self._rows.done_since(connection, name, alert.since_at)
            ]
            for alert in told
        }
        changes = judge_missed(told, waiting)
        if self._last_due is not None and due_at - self._last_due <= GRACE:
            return changes
        since = self._rows.last_done_before(connection, job, due_at)
        if since is None or now - since <= GRACE:
            return changes
        missed = self._rows.missed(connection, since, now)
        told_of = {name: each for name, each in missed.items() if _is_told(jobs.get(name))}
        downtime = Downtime(since, now, told_of)
        # It is told once: this look may be one that was cut off after it had told
        if downtime.is_told and not self._book.of_fingerprint(connection, f"{MISSED}:{downtime.subject}"):
            changes.conditions.append(missed_condition(downtime))
        return changes

    def _silent(
        self, connection: Connection, jobs: Mapping[str, JobFacts], told: Sequence[Alert], now: datetime
    ) -> Changes:
        expecting = [facts for facts in jobs.values() if facts.expects and facts.alert_after is not None]
        pulses = {each.subject: each for each in self.pulses(connection, expecting, now, HOURS_AT_ONCE)}
        watched = [f"{facts.name}.{counter}" for facts in expecting for counter in facts.expects]
        return judge_silent(pulses, watched, told)

    def standing(self, connection: Connection, facts: JobFacts, now: datetime) -> Standing:
        """All that is known of a job; reads all of its past that is not read yet."""
        rows = self._rows.latest(connection, facts.name, MOST_ROWS)
        paused = self._history.paused(connection)
        alerts = [alert for kind in KINDS for alert in self._book.open_of_kind(connection, kind)]
        return Standing(
            now=now,
            facts=facts,
            paused_at=paused.get(facts.name),
            rows=rows,
            streak=streak(rows),
            pulses=tuple(self.pulses(connection, [facts], now, None)),
            alerts=[alert for alert in alerts if facts.name in named_jobs(alert)],
        )

    def pulses(
        self, connection: Connection, jobs: Sequence[JobFacts], now: datetime, most_hours: int | None
    ) -> Iterator[Pulse]:
        """What is known of the watched counters of these jobs, as far as their history has been read.

        `most_hours` is how much more of it may be read now; None: all.
        """
        if not jobs:
            return
        since = self._rows.expected_since(connection, [facts.name for facts in jobs])
        for facts in (each for each in jobs if each.name in since):
            for counter in facts.expects:
                past = self._pasts.setdefault((facts.name, counter), Past(facts.name, counter))
                past.read(connection, since[facts.name], now, most_hours)
                if past.is_read:
                    yield self._pulse(connection, facts, past, now)

    def _pulse(self, connection: Connection, facts: JobFacts, past: Past, now: datetime) -> Pulse:
        silence = past.silence(self._zone())
        since = past.silent_since(connection, silence) if isinstance(silence, Silence) and silence.is_strange else None
        return Pulse(facts.name, past.counter, silence, since, past.this_hour(now), facts.trigger.next_after(now))

    def _write(self, job: str, changes: Changes) -> None:
        with self._alerts.transaction(job) as desk:
            desk.resolve_all(changes.endings)
            desk.note_all(changes.notes)
            desk.fire_all(changes.conditions)
        for each in changes.conditions:
            log.info("%s: %s", each.kind, each.subject, extra=fields(JOB=job))


def _is_told(facts: JobFacts | None) -> bool:
    return facts is not None and facts.alert_after is not None
