"""The settings of a MongoDB that holds the conversations: part of the catalogue."""

from typing import Any

from config import fields, mongo_fields
from config.setting import Setting

MONGO_URL: Setting[str] = Setting(
    "MONGO_URL", mongo_fields.mongo_url, "FolkForm's MongoDB: conversations are read there instead of imported.",
    example="mongodb://roundsman:PASSWORD@127.0.0.1:27017/folkform?replicaSet=rs0", secret=True, needs_restart=True,
)  # fmt: skip
MONGO_DB: Setting[str] = Setting(
    "MONGO_DB", mongo_fields.database_name, "The database, if MONGO_URL does not name it.", example="folkform",
    needs_restart=True,
)  # fmt: skip
MONGO_COLLECTION_CONVERSATIONS: Setting[str] = Setting(
    "MONGO_COLLECTION_CONVERSATIONS", mongo_fields.collection_name,
    "Where conversations lie; found by itself under FolkForm's older and newer name.",
    example="fb_src_conversations", needs_restart=True,
)  # fmt: skip
MONGO_COLLECTION_MESSAGES: Setting[str] = Setting(
    "MONGO_COLLECTION_MESSAGES", mongo_fields.collection_name, "The same for messages.",
    example="fb_src_message_items", needs_restart=True,
)  # fmt: skip
MONGO_COLLECTION_PAGES: Setting[str] = Setting(
    "MONGO_COLLECTION_PAGES", mongo_fields.collection_name, "The same for pages.",
    example="fb_src_pages", needs_restart=True,
)  # fmt: skip
MONGO_COLLECTION_AGENTS: Setting[str] = Setting(
    "MONGO_COLLECTION_AGENTS", mongo_fields.collection_name, "The same for the registry of agents.",
    example="agent_core_registry", needs_restart=True,
)  # fmt: skip
MONGO_TRUST: Setting[str] = Setting(
    "MONGO_TRUST", fields.choice("auto", "agents", "writes", "always"),
    "By what FolkForm counts as up to date: auto, agents, writes, always.", "auto", needs_restart=True,
)  # fmt: skip
MONGO_PRIORITY_SYNC: Setting[bool] = Setting(
    "MONGO_PRIORITY_SYNC", fields.on_or_off,
    "Ask FolkForm to read a conversation first when somebody is to be told of it (writes needsPrioritySync).", "off",
    needs_restart=True,
)  # fmt: skip

MONGO_COLLECTIONS = {
    "conversations": MONGO_COLLECTION_CONVERSATIONS,
    "messages": MONGO_COLLECTION_MESSAGES,
    "pages": MONGO_COLLECTION_PAGES,
    "agents": MONGO_COLLECTION_AGENTS,
}

MONGO_SETTINGS: tuple[Setting[Any], ...] = (
    MONGO_URL, MONGO_DB, *MONGO_COLLECTIONS.values(), MONGO_TRUST, MONGO_PRIORITY_SYNC,
)  # fmt: skip
