"""Who has waited too long? One alert for each incident, told level by level, and its end when somebody answered.

An incident is one wait: it begins with the first customer message since the last answer and ends with an answer. How
far people were told of it stands in the watch list, so a restart repeats nothing, and a customer who was answered and
waits again is a new incident. What a round costs follows what is due: the rows of one index range.
"""

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta

from roundsman.alerts.book import AlertBook
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import ConversationSource
from roundsman.errors import SourceError
from roundsman.monitor.judges import dissent, other_judges
from roundsman.monitor.page_roll import PageRoll, PagesSetUp
from roundsman.monitor.parts import MonitorParts
from roundsman.monitor.round import Round
from roundsman.monitor.staleness import StalenessWatch
from roundsman.repositories.daemons import DaemonRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.policy_versions import PolicyVersionRepository
from roundsman.repositories.versions import chunks
from roundsman.repositories.watch_list import WatchListRepository, WatchRow
from roundsman.scheduling.job import CatchUp, Job, JobContext, Outcome

MOST_AT_ONCE = 10_000
"""Rows of one round; the rest is due in the next one."""


class ConversationMonitor(Job):
    """Alerts about conversations whose customer has waited longer than the policies allow."""

    name = "conversation_monitor"
    schedule = "every 30s"
    timeout = timedelta(minutes=5)
    run_at_start = True
    catch_up = CatchUp.ONCE
    expects = ("checked",)

    def __init__(
        self, store: Store, alerts: AlertBook, book: PolicyBook, source: ConversationSource, pages: PagesSetUp
    ) -> None:
        self._store = store
        self._book = book
        parts = MonitorParts(store, source, book, alerts, self.name)
        self._roll = PageRoll(parts, pages)
        self._staleness = StalenessWatch(parts)
        self._round = Round(parts)
        self._rows = WatchListRepository()
        self._versions = PolicyVersionRepository()
        self._warned: set[tuple[str, str | None]] = set()
        """Daemons with other policies of which the log tells already."""

    def run(self, ctx: JobContext) -> Outcome:
        now = ctx.began_at()
        self._put_policies_in_force(ctx, now)
        self._roll.look(now)
        unsure = self._staleness.look(now)
        counters = Counter(checked=0, opened=0, escalated=0, resolved=0, held=0)
        try:
            for batch in chunks(self._due(unsure, now)):
                ctx.stop.check()
                counters.update(asdict(self._round.walk(ctx, batch, unsure, now)))
        except SourceError as error:  # no failure of ours: they stay due, and if it lasts their pages grow stale
            ctx.log.warning("Nobody could be looked at: %s", error)
            return Outcome.cancelled(str(error), **counters)
        with self._store.read() as connection:
            late = self._rows.count_late(connection)
        if counters["opened"] or counters["escalated"] or counters["resolved"]:
            ctx.log.info(
                "%d late, %d alerts opened, %d escalated, %d resolved",
                late, counters["opened"], counters["escalated"], counters["resolved"],
            )  # fmt: skip
        return Outcome.done(checked=counters.pop("checked"), late=late, **counters)

    def _due(self, unsure: frozenset[str], now: datetime) -> list[WatchRow]:
        """The rows to look at; of pages about which nothing may be told only those whose wait may be over."""
        with self._store.read() as connection:
            due = self._rows.due(connection, now, apart_from_pages=unsure, limit=MOST_AT_ONCE)
            if unsure:
                due += self._rows.due_and_told(connection, now, unsure, limit=MOST_AT_ONCE)
        return due

    def _put_policies_in_force(self, ctx: JobContext, now: datetime) -> None:
        """Judge every wait anew when the policies are others than at the last round."""
        version = self._book.version
        with self._store.read() as connection:
            if self._versions.current(connection) == version:
                return
            others = other_judges(DaemonRepository().all(connection), version, now)
        for each in others:
            if (each.owner, each.policies) not in self._warned:
                self._warned.add((each.owner, each.policies))
                ctx.log.warning("%s", dissent(each, version, "this process"))
        with self._store.write() as connection:
            self._versions.take_over(connection, version, now)
            self._rows.look_again(connection, now)
