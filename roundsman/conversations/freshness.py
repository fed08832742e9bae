"""Do we even know? Which pages' data is too old to accuse anybody by, and since when."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from roundsman.conversations.policies.book import PolicyBook
from roundsman.repositories.page_syncs import PageSync

INBOX = "INBOX"


class Staleness(NamedTuple):
    """A page of which we know too little."""

    page_id: str
    known_until: datetime
    """Of what came later we know nothing for sure."""
    allowed: timedelta
    error: str | None
    """What keeps the sync from going on, if that is known."""


def stale_pages(syncs: Mapping[str, PageSync], book: PolicyBook, now: datetime) -> dict[str, Staleness]:
    """The pages whose watermark is older than their policy allows.

    A page whose first sync is still going on (no watermark yet) is stale since that sync began to fail, or not yet
    worth a word: nothing of it is judged before its watermark is there, for its data only grows complete.
    """
    found = {}
    for page_id, sync in syncs.items():
        if not sync.is_set_up:
            continue  # nobody expects news of it
        allowed = book.policy_for(page_id, INBOX, ()).stale_after
        known_until = sync.fresh_at or sync.failing_since
        if known_until is not None and now - known_until > allowed:
            found[page_id] = Staleness(page_id, known_until, allowed, sync.error)
    return found


def unsure_pages(syncs: Mapping[str, PageSync], stale: Mapping[str, Staleness]) -> frozenset[str]:
    """The pages about whose conversations nobody is told anything now, but for their ends."""
    incomplete = {page_id for page_id, sync in syncs.items() if sync.fresh_at is None and sync.is_set_up}
    return frozenset(stale) | incomplete
