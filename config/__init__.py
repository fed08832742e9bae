"""Settings: typed, read once, frozen. Knows nothing of the rest of the program."""

from config.changes import Change, differences
from config.loading import load
from config.secret import Secret
from config.settings import (
    AlertSettings,
    ConversationSettings,
    InForce,
    MongoSettings,
    QueueSettings,
    RunEventSettings,
    RunSettings,
    Settings,
    SettingsError,
    SlackSettings,
    SqsSettings,
    StoreSettings,
    TelegramSettings,
)

__all__ = [
    "AlertSettings",
    "Change",
    "ConversationSettings",
    "InForce",
    "MongoSettings",
    "QueueSettings",
    "RunEventSettings",
    "RunSettings",
    "Secret",
    "Settings",
    "SettingsError",
    "SlackSettings",
    "SqsSettings",
    "StoreSettings",
    "TelegramSettings",
    "differences",
    "load",
]
