"""Readers of the values that concern Pancake; sentences are made as in `config.fields`. Tokens are never repeated."""

import re
from collections.abc import Mapping
from types import MappingProxyType

_TOKEN = re.compile(r"[!-~]{12,4000}")
_PAGE_ID = re.compile(r"[^\s=,;]{1,200}")
_EXAMPLE = "PAGE_ID=TOKEN,PAGE_ID=TOKEN"


def token(value: str) -> str:
    """An access token. What it is made of is Pancake's business, but it is one word and not short."""
    if not _TOKEN.fullmatch(value) or "=" in value.rstrip("="):
        raise ValueError("is no access token; copy the whole of it, in one line, from your account at pages.fm")
    return value


def page_tokens(value: str) -> Mapping[str, str]:
    """Page ids with their tokens, separated by commas or blanks. Entries are told by their place: whoever swaps the
    two halves would see a token in the sentence."""
    found: dict[str, str] = {}
    for place, each in enumerate(re.split(r"[\s,;]+", value.strip(" \t\r\n,;")), start=1):
        page_id, mark, text = each.partition("=")
        if not mark or not _PAGE_ID.fullmatch(page_id):
            raise ValueError(f"holds no PAGE_ID=TOKEN as entry {place}; write {_EXAMPLE}")
        if not _TOKEN.fullmatch(text):
            raise ValueError(f"holds no token in entry {place}; copy the whole of it from the page's settings, Tools")
        if found.setdefault(page_id, text) != text:
            raise ValueError(f"holds a second token for the page of entry {place}; keep the newer one")
    return MappingProxyType(found)
