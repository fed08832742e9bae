"""Which collection holds what: as the settings say, or as FolkForm calls them, today or in older days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from roundsman.conversations.folkform import COLLECTION_NAMES, Collection
from roundsman.conversations.moment import EARLIEST
from roundsman.conversations.mongo.connection import MongoConnection

AGENT_REGISTRIES = ("agent_core_registry", "agent_registry")


@dataclass(frozen=True)
class CollectionNames:
    """The names in one database. None stands for a collection that is not there."""

    conversations: str
    messages: str
    pages: str | None
    agents: str | None


def find_names(connection: MongoConnection, chosen: Mapping[str, str]) -> CollectionNames:
    """`chosen` holds those that the settings name, by the fields of CollectionNames. Raises SourceError."""
    present = set(connection.collection_names())
    candidates = {
        "conversations": _known_names(Collection.CONVERSATIONS),
        "messages": _known_names(Collection.MESSAGES),
        "pages": _known_names(Collection.PAGES),
        "agents": AGENT_REGISTRIES,
    }
    found: dict[str, str | None] = {}
    for kind, names in candidates.items():
        named = chosen.get(kind)
        wanted = (named,) if named else names
        here = [name for name in wanted if name in present]
        if not here and (named or kind in ("conversations", "messages")):
            raise connection.refused(
                f"holds no collection {' or '.join(wanted)}; "
                f"look at MONGO_DB and MONGO_COLLECTION_{kind.upper()}, and at what the user of MONGO_URL may read"
            )
        found[kind] = _in_use(connection, here)
    conversations, messages = found["conversations"], found["messages"]
    assert conversations is not None, "or it would have been refused"
    assert messages is not None, "or it would have been refused"
    return CollectionNames(conversations, messages, found["pages"], found["agents"])


def _known_names(kind: Collection) -> tuple[str, ...]:
    """The newer one first."""
    return tuple(reversed([name for name, meant in COLLECTION_NAMES.items() if meant is kind]))


def _in_use(connection: MongoConnection, names: list[str]) -> str | None:
    """The one that was added to last: an installation that moved may have left the older ones behind."""
    if len(names) < 2:
        return names[0] if names else None
    return max(names, key=lambda name: _last_added_at(connection, name))


def _last_added_at(connection: MongoConnection, name: str) -> datetime:
    with connection.sentences():
        newest = connection.collection(name).find_one({}, {"_id": 1}, sort=[("_id", -1)])
    made_at = getattr((newest or {}).get("_id"), "generation_time", None)
    return made_at if isinstance(made_at, datetime) else EARLIEST
