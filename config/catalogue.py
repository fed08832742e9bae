"""The one table of settings: name, reader, default, what it is for. Everything else that lists settings follows it.

Names of the five systems that Roundsman grew out of are kept, also of those that nothing reads yet.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from config import fields
from config.answerers import AnswererSetting, answerers
from config.channels import CHANNEL_SETTINGS, channel_names
from config.mongo_catalogue import MONGO_SETTINGS
from config.pancake_catalogue import PANCAKE_SETTINGS
from config.queue_catalogue import QUEUE_SETTINGS
from config.setting import Setting

APP_ENV: Setting[str] = Setting(
    "APP_ENV", fields.choice("development", "test", "staging", "production"),
    "What kind of installation this is (NODE_ENV is read too).", "development", needs_restart=True,
)  # fmt: skip
STATE_DIR: Setting[str] = Setting(
    "ROUNDSMAN_STATE_DIR", fields.folder, "Where everything that must survive a restart lies; systemd gives its own.",
    example="./var", needs_restart=True,
)  # fmt: skip
TIME_ZONE: Setting[ZoneInfo] = Setting(
    "ROUNDSMAN_TIME_ZONE", fields.time_zone, "Zone of the schedules, and of the times that people read.", "UTC",
)  # fmt: skip
LOG_LEVEL: Setting[str] = Setting(
    "LOG_LEVEL", fields.choice("debug", "info", "warning", "error", also={"warn": "warning"}),
    "How much is logged: debug, info, warning, error.", "info",
)  # fmt: skip
SHUTDOWN_SECONDS: Setting[float] = Setting(
    "ROUNDSMAN_SHUTDOWN_SECONDS", fields.number(above=0, up_to=3600, of="seconds"),
    "How long running jobs may take to end at a stop; systemd's TimeoutStopSec must be longer.", "25",
    needs_restart=True,
)  # fmt: skip

DATABASE_URL: Setting[str] = Setting(
    "DATABASE_URL", fields.database_url, "The store: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    example="postgresql://roundsman:PASSWORD@127.0.0.1/roundsman", secret=True, needs_restart=True,
)  # fmt: skip
DB_HOST: Setting[str] = Setting(
    "DB_HOST", fields.host, "PostgreSQL's host, or the folder of its socket.", example="127.0.0.1", needs_restart=True
)
DB_PORT: Setting[int] = Setting(
    "DB_PORT", fields.whole_number(at_least=1, up_to=65535), "PostgreSQL's port.", "5432", needs_restart=True
)
DB_NAME: Setting[str] = Setting(
    "DB_NAME", fields.database_name, "The database's name.", example="roundsman", needs_restart=True
)
DB_USER: Setting[str] = Setting("DB_USER", fields.text, "The database's user.", example="roundsman", needs_restart=True)
DB_PASS: Setting[str] = Setting(
    "DB_PASS", fields.text, "The user's password.", example="PASSWORD", secret=True, needs_restart=True
)
DB_POOL_SIZE: Setting[int] = Setting(
    "DB_POOL_SIZE", fields.whole_number(at_least=1, up_to=100), "Connections that are kept open.", "5",
    needs_restart=True,
)  # fmt: skip
DB_SSL: Setting[bool] = Setting("DB_SSL", fields.on_or_off, "Encrypt the connection.", "off", needs_restart=True)
DB_SSL_REJECT_UNAUTHORIZED: Setting[bool] = Setting(
    "DB_SSL_REJECT_UNAUTHORIZED", fields.on_or_off, "With DB_SSL: also check the server's certificate.", "on",
    needs_restart=True,
)  # fmt: skip

CONVERSATION_CLOCK: Setting[str] = Setting(
    "CONVERSATION_CLOCK", fields.choice("human", "customer"),
    "Whose answer counts: a person's alone (human), or a bot's as well (customer).", "human",
)  # fmt: skip
CONVERSATION_THRESHOLD: Setting[float] = Setting(
    "CONVERSATION_THRESHOLD_MINUTES", fields.number(above=0, up_to=43_200, of="minutes"),
    "A customer who waits longer than this is late.", "15",
)  # fmt: skip
CONVERSATION_COMMENTS: Setting[bool] = Setting(
    "CONVERSATION_COMMENTS", fields.on_or_off, "Watch comments under posts as well.", "off"
)
POLICIES_FILE: Setting[str] = Setting(
    "POLICIES_FILE", fields.file,
    "A file of policies, shift calendars and staff; the three above are for conversations without a policy there.",
    example="policies.toml",
)  # fmt: skip

ALERT_CHANNELS: Setting[tuple[str, ...]] = Setting(
    "ALERT_CHANNELS", channel_names, "Where alerts go; by default the console and every channel that is set up.",
    example="console,slack,telegram",
)  # fmt: skip
ALERT_LANGUAGE: Setting[str] = Setting(
    "ALERT_LANGUAGE", fields.choice("en", "vi"), "Language of the messages: en or vi.", "en"
)
ALERT_TEMPLATES: Setting[str] = Setting(
    "ALERT_TEMPLATES",
    fields.folder,
    "A folder of texts that are told in place of the built-in ones (docs/texts.md).",
    example="texts",
)
ALERT_ANSWERERS: Setting[tuple[AnswererSetting, ...]] = Setting(
    "ALERT_ANSWERERS", answerers, "Who may answer from chat besides the staff of POLICIES_FILE.",
    example="telegram:123456789=Lan,slack:U0123ABCD=Lan",
)  # fmt: skip

SETTINGS: tuple[Setting[Any], ...] = (
    APP_ENV, STATE_DIR, TIME_ZONE, LOG_LEVEL, SHUTDOWN_SECONDS,
    DATABASE_URL, DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASS, DB_POOL_SIZE, DB_SSL, DB_SSL_REJECT_UNAUTHORIZED,
    *QUEUE_SETTINGS,
    CONVERSATION_CLOCK, CONVERSATION_THRESHOLD, CONVERSATION_COMMENTS, POLICIES_FILE,
    *PANCAKE_SETTINGS,
    *MONGO_SETTINGS,
    ALERT_CHANNELS, ALERT_LANGUAGE, ALERT_TEMPLATES, ALERT_ANSWERERS,
    *CHANNEL_SETTINGS,
)  # fmt: skip

JOB_FACTS = (
    "SCHEDULE", "TIMEOUT", "OVERLAP", "CATCH_UP", "JITTER", "TIME_ZONE", "ENABLED", "RUN_AT_START", "ISOLATE",
    "MEMORY_LIMIT_MIB", "ALERT_AFTER",
)  # fmt: skip
"""JOB_<NAME>_<FACT> overrides a fact of a job class."""

WORKFLOW_FACTS = ("CONCURRENCY", "TIMEOUT", "ATTEMPTS", "RATE")
"""WORKFLOW_<NAME>_<FACT> overrides a fact of a workflow."""

FACTS: Mapping[str, tuple[str, ...]] = MappingProxyType({"JOB_": JOB_FACTS, "WORKFLOW_": WORKFLOW_FACTS})
"""The families of names of which every job or workflow has its own."""

NODE_ENV = "NODE_ENV"

LATER = (
    "LLM_PROVIDER", "GEMINI_API_KEY", "GEMINI_MODEL", "BEDROCK_MODEL_ID", "BEDROCK_REGION",
    "MCP_SERVER_URL", "CONFIDENCE_THRESHOLD", "WORKER_MEMORY_LIMIT", "WORKER_CPU_LIMIT", "PORT",
)  # fmt: skip
"""Known names that nothing reads yet: accepted with a note, as an older installation may set them."""

LATER_PREFIXES = ("AWS_",)
"""The same for whole families."""

OWN_PREFIXES = ("ROUNDSMAN_", "CONVERSATION_", "ALERT_", "RUN_EVENTS_")
"""A name with such a beginning can only be meant for us, so an unknown one is a fault even in the environment."""

SHARED_PREFIXES = (
    "SLACK_", "TELEGRAM_", "DB_", "JOB_", "WORKFLOW_", "QUEUE_", "REDIS_", "SQS_", "MONGO_", "WORKER_", "MAX_",
    "POLICIES_", "PANCAKE_", "SMTP_",
)  # fmt: skip
"""Other programs use such names too: an unknown one in the environment is worth a note, no more."""
