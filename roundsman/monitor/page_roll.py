"""The roll of pages that Pancake feeds: which of them are in somebody's settings still.

A page that was taken out of the settings gets no data any more. Without that its data would grow stale for good, and
be told of as a trouble that nobody can mend; so it is put on the list of what is not watched, and what people were told
of its customers ends with that reason. When it is back nothing of it is judged before it was read completely.

Other daemons on the store may have pages that this one has not. What they have stands in their rows, so a page is
out only when none has it, and nothing is decided while a living one does not know its pages yet. A daemon that was
killed, or whose machine is lost, has not given up its pages: they grow stale, which people must hear of. One that was
stopped in order may be starting again, so what this process never had itself is out only after a while.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from roundsman.conversations.pancake.checkpoint import Checkpoint
from roundsman.conversations.pancake.page_syncer import SOURCE
from roundsman.logs import fields
from roundsman.monitor import staleness, sync_troubles
from roundsman.monitor.parts import MonitorParts
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.watch_list import WatchListRepository

_TROUBLES = (staleness.KIND, sync_troubles.FAILED, sync_troubles.EXPIRING)

STARTS_WITHIN = timedelta(minutes=5)
"""So long a daemon may take to be stopped and started again. Shorter than the data of a page takes to grow stale."""
JUST_READ = timedelta(minutes=5)
"""The sync of a page that is back may have read it before we look."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PagesSetUp:
    """Which pages the settings of this process have read from Pancake."""

    ask: Callable[[], frozenset[str] | None]
    """None: not all of them are known yet."""
    before: Callable[[], frozenset[str]] = frozenset
    """Which they have had read before they were read again: what is gone from them somebody has taken out."""


class PageRoll:
    """Of one monitor."""

    def __init__(self, parts: MonitorParts, pages: PagesSetUp) -> None:
        self._parts = parts
        self._pages = pages
        self._syncs = PageSyncRepository()
        self._daemons = DaemonRepository()
        self._missed: dict[str, datetime] = {}
        """Since when nobody is known to have a page."""

    def look(self, now: datetime) -> None:
        """Strike off what is in nobody's settings, and enter again what is back. Writes only what has changed."""
        with self._parts.store.read() as connection:
            syncs = {name: sync for name, sync in self._syncs.all(connection).items() if sync.source == SOURCE}
            if not syncs:
                return
            others = [_pages_of(each, now) for each in self._daemons.all(connection)]
            names = {name: page.name or name for name, page in ConversationRepository().pages(connection).items()}
        wanted = _all_of([self._pages.ask(), *others])
        if wanted is None:
            return
        missed = [name for name, sync in syncs.items() if sync.is_set_up and name not in wanted]
        self._missed = {name: self._missed.get(name, now) for name in missed}
        before = self._pages.before()
        out = {name: syncs[name] for name in missed if name in before or now - self._missed[name] >= STARTS_WITHIN}
        back = {name: sync for name, sync in syncs.items() if not sync.is_set_up and name in wanted}
        if out or back:
            self._write(out, back, now)
            gone = "Taken out of the settings, so that their customers are no longer watched"
            self._tell(logging.WARNING, gone, out, names)
            self._tell(logging.INFO, "In the settings again, and watched once they are read completely", back, names)

    def _write(self, out: Mapping[str, PageSync], back: Mapping[str, PageSync], now: datetime) -> None:
        with self._parts.alerts.transaction(self._parts.job) as desk:
            # First of all, as the intake writes these in this order: the other way round both would wait for ever
            WatchListRepository().look_at_pages(desk.connection, out.keys() | back.keys(), now)
            # What never told us anything is no source of what we know
            self._syncs.forget(desk.connection, [name for name, sync in out.items() if not sync.has_fed])
            self._syncs.take_out(desk.connection, out.keys(), now)
            begun = {name: _checkpoint(sync) for name, sync in back.items()}
            self._syncs.bring_back(desk.connection, begun, lately=now - JUST_READ)
            desk.resolve_all({f"{kind}:{name}": staleness.NOT_WATCHED for kind in _TROUBLES for name in out})

    def _tell(self, level: int, what: str, pages: Iterable[str], names: Mapping[str, str]) -> None:
        shown = [names.get(each, each) for each in sorted(pages)]
        if shown:
            log.log(level, "%s: %s", what, ", ".join(shown), extra=fields(JOB=self._parts.job))


def _pages_of(daemon: DaemonRecord, now: datetime) -> frozenset[str] | None:
    """What one daemon has, or had when it was last heard of; its row is there until one starts that finds it dead."""
    return daemon.pages if daemon.is_alive(now) else daemon.pages or frozenset()


def _all_of(known: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """The pages of all; None if one of them does not know its own."""
    found: frozenset[str] = frozenset()
    for each in known:
        if each is None:
            return None
        found |= each
    return found


def _checkpoint(sync: PageSync) -> Mapping[str, object] | None:
    """From where a page that is back is read: what happened while it was out is not here."""
    known_until = sync.fresh_at or Checkpoint.of_json(sync.checkpoint).begins_at
    return None if known_until is None else Checkpoint(known_until=known_until).as_json()
