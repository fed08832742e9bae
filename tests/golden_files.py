"""Where the golden fixtures lie, the policies by which they are judged, and how fresh their pages are."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.file import PolicyFile, read_policies
from roundsman.conversations.policies.policy import Policy
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository

GOLDEN = Path(__file__).with_name("golden")
POLICIES = GOLDEN / "policies.toml"


def golden_book() -> PolicyBook:
    file = PolicyFile(
        POLICIES.read_text(encoding="utf-8"),
        POLICIES.name,
        channels=["console"],
        read_file=lambda name: (GOLDEN / name).read_text(encoding="utf-8"),
    )
    book = read_policies(file, Policy("settings", timedelta(minutes=15), timedelta(minutes=15)))
    file.refuse_faults()
    return book


class Watermark(NamedTuple):
    """From `known_at` on it is known that a page is complete up to `fresh_at`; None: its first sync goes on."""

    known_at: datetime
    page_id: str
    fresh_at: datetime | None


def watermarks(theme: str) -> list[Watermark]:
    """What the syncs of a theme have proved, in the order of time; most themes are of imports."""
    file = GOLDEN / f"{theme}.watermarks.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [
        Watermark(datetime.fromisoformat(known_at), page_id, datetime.fromisoformat(fresh_at) if fresh_at else None)
        for known_at, page_id, fresh_at in rows
    ]


class SetUp(NamedTuple):
    """From `since` on these pages are in the settings."""

    since: datetime
    page_ids: frozenset[str]


def settings(theme: str) -> list[SetUp]:
    """Which pages the settings of a theme have, in the order of time; of most that is not known."""
    file = GOLDEN / f"{theme}.settings.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [SetUp(datetime.fromisoformat(since), frozenset(page_ids)) for since, page_ids in rows]


def bring_up_to(store: Store, marks: list[Watermark], now: datetime, after: datetime | None = None) -> None:
    """The store knows how fresh each page is at a moment; what it knew at another one before is left out. Nothing to do
    for a theme without watermarks."""
    known = [each for each in marks if each.known_at <= now and (after is None or each.known_at > after)]
    if known:
        with store.write() as connection:
            for each in known:
                PageSyncRepository().advance(
                    connection, each.page_id, "pancake", fresh_at=each.fresh_at, checkpoint=None
                )
