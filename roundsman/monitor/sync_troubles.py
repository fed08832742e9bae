"""What a person must do about a live source: a token that is worthless or soon will be, a page that is gone.

One alert for each page. Trouble that passes by itself is none of this: when it lasts, the page's data is too old, and
that is told as such.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.alerts.book import AlertBook
from roundsman.alerts.condition import Condition
from roundsman.clock import iso
from roundsman.repositories.alerts import AlertRepository, Resolution, Severity
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository

FAILED = "sync_failed"
EXPIRING = "token_expiring"
WARN_BEFORE = timedelta(days=14)
USER = "user token"
"""Stands for the page where the trouble is that of the token that lists them."""


@dataclass(frozen=True)
class Failure:
    """A sync that came to nothing."""

    page_id: str
    source: str
    reason: str
    """A sentence without secrets."""
    needs_a_person: bool


class SyncTroubles:
    """Belongs to one job, which it names in its alerts."""

    def __init__(self, store: Store, alerts: AlertBook, job: str) -> None:
        self._store = store
        self._alerts = alerts
        self._job = job
        self._syncs = PageSyncRepository()
        self._repository = AlertRepository()

    def failed(self, failure: Failure, retry_at: datetime, now: datetime) -> None:
        """Note it, and tell people if it is theirs to mend; in one transaction, as a crash must not part the two."""
        with self._alerts.transaction(self._job) as desk:
            self._syncs.failed(
                desk.connection, failure.page_id, failure.source, failure.reason, retry_at=retry_at, now=now
            )
            if failure.needs_a_person:
                desk.fire(_failed(failure.page_id, self._names(desk.connection), failure.reason, now))

    def settle(self, expiries: Mapping[str | None, datetime], user_trouble: str | None, now: datetime) -> None:
        """What else there is to tell, and what is over. Writes only what has changed.

        `expiries` are those of tokens by page, None being the user's; `user_trouble` is why that one is of no use.
        """
        with self._store.read() as connection:
            syncs = self._syncs.all(connection)
            names = self._names(connection)
            failed = {each.subject for each in self._repository.open_of_kind(connection, FAILED)}
            expiring = {each.subject for each in self._repository.open_of_kind(connection, EXPIRING)}
        soon = {page_id or USER: at for page_id, at in expiries.items() if at - now <= WARN_BEFORE}
        over = {each for each in failed - {USER} if each not in syncs or syncs[each].failures == 0}
        over |= {USER} & failed if user_trouble is None else set()
        conditions = [_expiring(each, names, at, now) for each, at in soon.items() if each not in expiring]
        if user_trouble is not None and USER not in failed:
            conditions.append(_failed(USER, names, user_trouble, now))
        endings = {f"{FAILED}:{each}": Resolution("the sync works again") for each in over}
        endings |= {f"{EXPIRING}:{each}": Resolution("the token was replaced") for each in expiring - soon.keys()}
        if not conditions and not endings:
            return
        with self._alerts.transaction(self._job) as desk:
            desk.resolve_all(endings)
            desk.fire_all(conditions)

    def _names(self, connection: Connection) -> dict[str, str]:
        """What people call the pages."""
        pages = ConversationRepository().pages(connection)
        return {page_id: page.name or page_id for page_id, page in pages.items()}


def _failed(page_id: str, names: Mapping[str, str], reason: str, now: datetime) -> Condition:
    return Condition(
        kind=FAILED,
        subject=page_id,
        severity=Severity.HIGH,
        since=now,
        labels={"page_id": page_id},
        annotations={"page_name": names.get(page_id, page_id), "last_error": reason},
    )


def _expiring(page_id: str, names: Mapping[str, str], expires_at: datetime, now: datetime) -> Condition:
    days = max((expires_at - now) // timedelta(days=1), 0)
    return Condition(
        kind=EXPIRING,
        subject=page_id,
        severity=Severity.MEDIUM if days else Severity.HIGH,
        since=now,
        labels={"page_id": page_id},
        annotations={"page_name": names.get(page_id, page_id), "days": days, "expires_at": iso(expires_at)},
    )
