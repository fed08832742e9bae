"""One alert for each page whose data is too old to judge by, and its end when the data has caught up.

While a page is stale nothing is told about its customers: whoever seems to wait may have been answered long ago. What
is late all the same when the data is back is told then, with its true waiting time.
"""

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from roundsman.alerts.book import Condition
from roundsman.clock import iso, short_duration
from roundsman.conversations.freshness import Staleness, stale_pages, unsure_pages
from roundsman.errors import SourceError
from roundsman.logs import fields
from roundsman.monitor.parts import MonitorParts
from roundsman.repositories.alerts import AlertRepository, Resolution, Severity
from roundsman.repositories.conversations import Page
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.stale_spans import StaleSpanRepository

KIND = "page_stale"

_CAUGHT_UP = Resolution("its data has caught up")
NOT_WATCHED = Resolution.let_alone("the page is synced no more")

log = logging.getLogger(__name__)


class StalenessWatch:
    """Of one monitor."""

    def __init__(self, parts: MonitorParts) -> None:
        self._parts = parts
        self._syncs = PageSyncRepository()
        self._spans = StaleSpanRepository()
        self._began_at: datetime | None = None

    def look(self, now: datetime) -> frozenset[str]:
        """Opens and closes the alerts; returns the pages about which nothing is told. Writes only what has changed."""
        # Right after a start all data is as old as the daemon was down: the sync deserves its chance first
        self._began_at = self._began_at or now
        with self._parts.store.read() as connection:
            syncs = self._syncs.all(connection)
            before = self._spans.open(connection)
            told = {alert.subject for alert in AlertRepository().open_of_kind(connection, KIND)}
        stale = stale_pages(syncs, self._parts.policies, now)
        news = [
            each
            for page_id, each in stale.items()
            if page_id not in told and now - max(each.known_until, self._began_at) > each.allowed
        ]
        unsure = unsure_pages(syncs, stale)
        over = {each: _CAUGHT_UP if each in syncs else NOT_WATCHED for each in told - stale.keys()}
        if before != unsure or over or news:
            self._write(unsure, news, over, now)
        return unsure

    def _write(
        self, unsure: Collection[str], news: list[Staleness], over: Mapping[str, Resolution], now: datetime
    ) -> None:
        pages = self._pages()  # before the transaction: nobody should wait for a source that is away
        with self._parts.alerts.transaction(self._parts.job) as desk:
            self._spans.mark(desk.connection, unsure, now)
            desk.resolve_all({f"{KIND}:{page_id}": why for page_id, why in over.items()})
            desk.fire_all([_condition(each, pages.get(each.page_id), now) for each in news])
        for each in news:
            log.warning(
                "The data of page %s ends %s ago, so nothing is told about its customers: %s",
                each.page_id, short_duration(now - each.known_until), each.error or "its sync does not get through",
                extra=fields(JOB=self._parts.job),
            )  # fmt: skip

    def _pages(self) -> Mapping[str, Page]:
        """For their names. A source that is away is why the data is old: that is told all the same."""
        try:
            with self._parts.store.read() as connection:
                return self._parts.source.reader(connection).pages()
        except SourceError:
            return {}


def _condition(staleness: Staleness, page: Page | None, now: datetime) -> Condition:
    return Condition(
        kind=KIND,
        subject=staleness.page_id,
        severity=Severity.HIGH,
        since=staleness.known_until,
        labels={"page_id": staleness.page_id},
        annotations={
            "page_name": (page.name if page is not None else None) or staleness.page_id,
            "known_until": iso(staleness.known_until),
            "data_age_minutes": int((now - staleness.known_until) / timedelta(minutes=1)),
            "allowed_minutes": int(staleness.allowed / timedelta(minutes=1)),
            "last_error": staleness.error,
        },
    )
