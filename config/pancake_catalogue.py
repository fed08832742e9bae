"""The settings of Pancake as a live source of conversations: a part of the catalogue."""

from collections.abc import Mapping
from typing import Any

from config import fields, pancake_fields
from config.setting import Setting

PAGE_TOKENS: Setting[Mapping[str, str]] = Setting(
    "PANCAKE_PAGE_ACCESS_TOKENS", pancake_fields.page_tokens,
    "The pages to sync, each with its token: PAGE_ID=TOKEN, separated by commas.",
    example="123456789012345=TOKEN-OF-THE-PAGE,987654321098765=TOKEN-OF-THE-PAGE", secret=True,
)  # fmt: skip
USER_TOKEN: Setting[str] = Setting(
    "PANCAKE_ACCESS_TOKEN", pancake_fields.token,
    "The token of a user: tells the names of pages, and which there are when none is named above.",
    example="TOKEN-OF-THE-USER", secret=True,
)  # fmt: skip
BASE_URL: Setting[str] = Setting("PANCAKE_BASE_URL", fields.web_address, "Where Pancake's API is.", "https://pages.fm")
SYNC_DAYS: Setting[float] = Setting(
    "PANCAKE_SYNC_DAYS", fields.number(above=0, up_to=365, of="days"),
    "How far back a page is read the first time.", "7",
)  # fmt: skip
OVERLAP: Setting[float] = Setting(
    "PANCAKE_OVERLAP_MINUTES", fields.number(above=0, up_to=720, of="minutes"),
    "How far Pancake's lists may lag behind; so much is looked through again every time.", "5",
)  # fmt: skip

PANCAKE_SETTINGS: tuple[Setting[Any], ...] = (PAGE_TOKENS, USER_TOKEN, BASE_URL, SYNC_DAYS, OVERLAP)
