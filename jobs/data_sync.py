"""Brings what is new on Pancake into the store: every page from its own watermark on, several at a time.

A run takes less than the minute to the next one; what is not done by then goes on from its checkpoint. A page that
fails is left alone for a while, longer each time, and holds up no other.
"""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from roundsman.alerts.book import AlertBook
from roundsman.conversations.pancake.crew import Crew
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.conversations.pancake.live import LivePancake
from roundsman.conversations.pancake.page_syncer import SOURCE, Stand, SyncCounts
from roundsman.conversations.pancake.token import PageAccess
from roundsman.monitor.sync_troubles import Failure, SyncTroubles
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.retry import backoff
from roundsman.scheduling.job import CatchUp, Job, JobContext, Outcome

THREADS = 8
RUN = timedelta(seconds=45)
PIECE = timedelta(seconds=10)
"""How long a page is worked on before it is another one's turn."""
PATIENCE = timedelta(seconds=60)
"""How long a piece may take in all, with what is asked again."""
_FINAL = (Fault.TOKEN, Fault.GONE)
"""What only a person can mend, if it is true. Once, it may be an accident of Pancake's: it is asked again at the next
run before anybody is called, and before the page is left alone for long."""
_SHORT_REST = timedelta(seconds=30)
_FIRST_REST: Mapping[Fault, timedelta] = {
    Fault.TOKEN: timedelta(minutes=10),
    Fault.GONE: timedelta(minutes=10),
    Fault.RATE_LIMITED: timedelta(minutes=1),
}
_LONGEST_REST: Mapping[Fault, timedelta] = {Fault.TOKEN: timedelta(hours=1), Fault.GONE: timedelta(hours=6)}


class DataSync(Job):
    """Off unless Pancake is set up."""

    name = "data_sync"
    schedule = "every 1m"
    timeout = timedelta(minutes=3)
    run_at_start = True
    catch_up = CatchUp.SKIP  # the next run brings all of it
    needs = "pancake"
    expects = ("messages",)

    def __init__(self, store: Store, alerts: AlertBook, pancake: LivePancake) -> None:
        self._store = store
        self._pancake = pancake
        self._troubles = SyncTroubles(store, alerts, self.name)
        self._syncs = PageSyncRepository()
        self._rng = random.Random()  # noqa: S311  spreads pauses, no secret

    def run(self, ctx: JobContext) -> Outcome:
        done = [Counter(pages=0, conversations=0, messages=0, requests=0, failed_pages=0)]
        ends = ctx.clock.monotonic() + RUN.total_seconds()
        self._list_pages(ctx, done[0])
        states, pages = self._due(ctx.clock.now())

        def piece(page: PageAccess) -> bool:
            counters: Counter[str] = Counter()  # its own: threads must not add to the same
            done.append(counters)
            return self._piece(ctx, page, states.get(page.page_id), counters)

        Crew(pages, piece, ctx.stop).work(THREADS, lambda: ctx.clock.monotonic() >= ends)
        self._troubles.settle(self._pancake.directory.expiries(), self._user_trouble(), ctx.clock.now())
        return Outcome.done(**{name: sum(each[name] for each in done) for name in done[0]})

    def _list_pages(self, ctx: JobContext, counters: Counter[str]) -> None:
        """Hear of the user's pages now and then."""
        errand = self._pancake.errand(ctx.stop, PATIENCE.total_seconds())
        try:
            self._pancake.directory.refresh(errand)
        except PancakeError as error:
            ctx.log.warning("The list of pages could not be read: %s", error.reason)
        counters["requests"] += errand.requests

    def _user_trouble(self) -> str | None:
        """What is wrong with the user's token."""
        trouble = self._pancake.directory.trouble
        return trouble.reason if trouble is not None and trouble.fault is Fault.TOKEN else None

    def _due(self, now: datetime) -> tuple[dict[str, PageSync], list[PageAccess]]:
        """The pages that are not left alone at present: those first whose data is oldest, but for the first syncs,
        which take long. Pages whose document says that they are not synced are forgotten: nothing of them grows
        stale. Those that were taken out of the settings are the monitor's to deal with."""
        access = self._pancake.directory.pages()
        with self._store.read() as connection:
            states = self._syncs.all(connection)
            left_out = {name for name, page in ConversationRepository().pages(connection).items() if not page.is_synced}
        wanted = {page_id: each for page_id, each in access.items() if page_id not in left_out}
        unsynced = {name for name, each in states.items() if each.source == SOURCE and name in left_out}
        if unsynced:
            with self._store.write() as connection:
                self._syncs.forget(connection, unsynced)
        due = [each for name, each in wanted.items() if not _is_resting(states.get(name), now)]
        return states, sorted(due, key=lambda each: _age(states.get(each.page_id)))

    def _piece(self, ctx: JobContext, page: PageAccess, state: PageSync | None, counters: Counter[str]) -> bool:
        """Go on with a page; true if more of it is left."""
        errand = self._pancake.errand(ctx.stop, PATIENCE.total_seconds())
        counts = SyncCounts()
        stand = Stand.COMPLETE
        try:
            stand = self._pancake.syncer.advance(page, errand, counts, PIECE.total_seconds())
        except PancakeError as error:
            self._failed(ctx, page.page_id, error, state)
            counters["failed_pages"] += 1
        else:
            counters["pages"] += stand is Stand.COMPLETE
        finally:
            counters["conversations"] += counts.conversations
            counters["messages"] += counts.messages
            counters["requests"] += errand.requests
        return stand is Stand.MORE

    def _failed(self, ctx: JobContext, page_id: str, error: PancakeError, state: PageSync | None) -> None:
        ctx.stop.check()
        now = ctx.clock.now()
        before = state.failures if state else 0
        needs_a_person = error.fault in _FINAL and before > 0
        rest = self._rest(error.fault, before)
        ctx.log.warning("Page %s was not synced: %s", page_id, error.reason)
        self._troubles.failed(Failure(page_id, SOURCE, error.reason, needs_a_person), now + rest, now)

    def _rest(self, fault: Fault, before: int) -> timedelta:
        """For how long to leave a page alone that has failed `before` times already."""
        if fault in _FINAL and before == 0:
            return backoff(1, first=_SHORT_REST, rng=self._rng)
        return backoff(
            before if fault in _FINAL else before + 1,
            first=_FIRST_REST.get(fault, _SHORT_REST),
            most=_LONGEST_REST.get(fault, timedelta(minutes=10)),
            rng=self._rng,
        )


def _is_resting(state: PageSync | None, now: datetime) -> bool:
    """Whether it is left alone after a failure. Not for longer than the longest rest: our clock may have been ahead."""
    if state is None or state.retry_at is None:
        return False
    return now < state.retry_at <= now + max(_LONGEST_REST.values())


def _age(state: PageSync | None) -> tuple[bool, float]:
    fresh_at = state.fresh_at if state else None
    return (fresh_at is None, fresh_at.timestamp() if fresh_at else 0.0)
