"""The settings of Pancake as a group."""

from datetime import timedelta
from types import MappingProxyType
from typing import Any

from config import pancake_catalogue as p
from config.reading import Values
from config.secret import Secret
from config.setting import Setting
from config.settings import PancakeSettings


def pancake_of(values: Values) -> PancakeSettings | None:
    """How to reach Pancake; None if there is no token to do it with."""
    tokens, user = values.optional(p.PAGE_TOKENS), values.optional(p.USER_TOKEN)
    base_url, days = values.required(p.BASE_URL), values.required(p.SYNC_DAYS)
    overlap = values.required(p.OVERLAP)
    only_with_it: tuple[Setting[Any], ...] = (p.BASE_URL, p.SYNC_DAYS, p.OVERLAP)
    if not (values.tried(p.PAGE_TOKENS) or values.tried(p.USER_TOKEN)):
        values.notes.extend(
            f"{setting.name} has no effect without PANCAKE_PAGE_ACCESS_TOKENS or PANCAKE_ACCESS_TOKEN."
            for setting in only_with_it
            if values.tried(setting)
        )
    if not tokens and not user:
        return None
    return PancakeSettings(
        MappingProxyType({page_id: Secret(token) for page_id, token in (tokens or {}).items()}),
        Secret(user) if user else None,
        base_url,
        timedelta(days=days),
        timedelta(minutes=overlap),
    )
