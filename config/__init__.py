"""Settings: typed, read once, frozen. Knows nothing of the rest of the program."""

from config.changes import Change, differences
from config.channels.email import EmailSettings
from config.channels.slack import SlackSettings
from config.channels.telegram import TelegramSettings
from config.channels.webhook import WebhookSettings
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
    SqsSettings,
    StoreSettings,
)

__all__ = [
    "AlertSettings",
    "Change",
    "ConversationSettings",
    "EmailSettings",
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
    "WebhookSettings",
    "differences",
    "load",
]
