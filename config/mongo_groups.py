"""The settings of MongoDB as a group, and the contradictions in them."""

from typing import Any

from config import mongo_catalogue as m
from config.mongo_fields import database_in
from config.reading import Values, without_password
from config.secret import Secret
from config.setting import Setting
from config.settings import MongoSettings


def mongo_of(values: Values) -> MongoSettings | None:
    """Where FolkForm keeps its conversations; None if there is no such place."""
    url, database = values.optional(m.MONGO_URL), values.optional(m.MONGO_DB)
    collections = {kind: name for kind, each in m.MONGO_COLLECTIONS.items() if (name := values.optional(each))}
    trust, priority = values.required(m.MONGO_TRUST), values.required(m.MONGO_PRIORITY_SYNC)
    if not values.tried(m.MONGO_URL):
        _note_those_without_effect(values)
        return None
    _note_pancake(values)
    if url is None:
        return None
    values.replace_listed(m.MONGO_URL, url, without_password(url))
    stated = database_in(url)
    if not values.tried(m.MONGO_DB) and stated is None:
        values.fault(m.MONGO_URL, "names no database; write /NAME behind the host, or set MONGO_DB")
    if database is not None and stated not in (None, database):
        values.fault(m.MONGO_DB, "contradicts MONGO_URL; remove one of the two")
    chosen = database or stated
    return None if chosen is None else MongoSettings(Secret(url), chosen, collections, trust, priority)


def _note_those_without_effect(values: Values) -> None:
    others: tuple[Setting[Any], ...] = m.MONGO_SETTINGS[1:]
    values.notes.extend(f"{each.name} has no effect without MONGO_URL." for each in others if values.tried(each))


def _note_pancake(values: Values) -> None:
    names = {*values.sources.file, *values.sources.environment}
    given = sorted(name for name in names if name.startswith("PANCAKE_"))
    if given:
        values.notes.append(
            f"MONGO_URL is set, so conversations are read there and not from Pancake: {', '.join(given)} "
            f"{'has' if len(given) == 1 else 'have'} no effect."
        )
