"""The settings of the queue and of the runs that go through it: a part of the catalogue."""

from datetime import timedelta
from typing import Any

from config import fields, queue_fields
from config.setting import Setting

QUEUE_TYPE: Setting[str] = Setting(
    "QUEUE_TYPE", fields.choice("local", "redis", "sqs"),
    "Where runs wait: local (the store), redis or sqs. Local by default, but sqs where APP_ENV is production.",
    example="local", needs_restart=True,
)  # fmt: skip
QUEUE_NAME: Setting[str] = Setting(
    "ROUNDSMAN_QUEUE_NAME", queue_fields.queue_name, "Begins the names of all keys in Redis.", "roundsman",
    needs_restart=True,
)  # fmt: skip
REDIS_URL: Setting[str] = Setting(
    "REDIS_URL", queue_fields.redis_url, "For redis: redis://, rediss:// (encrypted) or unix:// and the rest.",
    example="redis://:PASSWORD@127.0.0.1:6379/0", secret=True, needs_restart=True,
)  # fmt: skip

SQS_QUEUE_URL: Setting[str] = Setting(
    "SQS_QUEUE_URL", queue_fields.sqs_url, "For sqs: the queue's whole URL; one that ends in .fifo is a FIFO queue.",
    example="https://sqs.eu-central-1.amazonaws.com/123456789012/roundsman", needs_restart=True,
)  # fmt: skip
SQS_DEAD_LETTER_URL: Setting[str] = Setting(
    "SQS_DEAD_LETTER_URL", queue_fields.sqs_url,
    "The queue of its dead letters, unless the queue's own redrive policy names it.",
    example="https://sqs.eu-central-1.amazonaws.com/123456789012/roundsman-dead", needs_restart=True,
)  # fmt: skip
AWS_REGION: Setting[str] = Setting(
    "AWS_REGION", queue_fields.region, "The region of a queue whose URL does not tell it.", example="eu-central-1",
    needs_restart=True,
)  # fmt: skip
AWS_DEFAULT_REGION: Setting[str] = Setting(
    "AWS_DEFAULT_REGION", queue_fields.region, "The same; AWS_REGION wins.", example="eu-central-1", needs_restart=True
)
AWS_ENDPOINT_URL: Setting[str] = Setting(
    "AWS_ENDPOINT_URL", queue_fields.endpoint, "Another address than Amazon's own.", example="http://127.0.0.1:4566",
    needs_restart=True,
)  # fmt: skip
AWS_ENDPOINT_URL_SQS: Setting[str] = Setting(
    "AWS_ENDPOINT_URL_SQS", queue_fields.endpoint, "The same for SQS alone; it wins.", example="http://127.0.0.1:4566",
    needs_restart=True,
)  # fmt: skip
AWS_ACCESS_KEY_ID: Setting[str] = Setting(
    "AWS_ACCESS_KEY_ID", fields.text, "A key of one's own; without it, that of the machine's role or profile.",
    example="AKIAIOSFODNN7EXAMPLE", secret=True, needs_restart=True,
)  # fmt: skip
AWS_SECRET_ACCESS_KEY: Setting[str] = Setting(
    "AWS_SECRET_ACCESS_KEY", fields.text, "The key's secret.", example="SECRET", secret=True, needs_restart=True
)
AWS_SESSION_TOKEN: Setting[str] = Setting(
    "AWS_SESSION_TOKEN", fields.text, "With a temporary key: its token.", example="TOKEN", secret=True,
    needs_restart=True,
)  # fmt: skip

WORKER_CONCURRENCY: Setting[int] = Setting(
    "WORKER_CONCURRENCY", fields.whole_number(at_least=1, up_to=256), "Threads that execute steps.", "8",
    needs_restart=True,
)  # fmt: skip
MAX_CONCURRENT_WORKERS: Setting[int] = Setting(
    "MAX_CONCURRENT_WORKERS", fields.whole_number(at_least=1, up_to=256), "The older name of WORKER_CONCURRENCY.",
    example="8", needs_restart=True,
)  # fmt: skip
MAX_RETRY: Setting[int] = Setting(
    "MAX_RETRY", fields.whole_number(at_least=0, up_to=100), "How often a failed step is tried again.", "3",
    needs_restart=True,
)  # fmt: skip
# Whoever takes it for seconds writes 300: that is refused instead of ending every step
WORKER_TIMEOUT: Setting[int] = Setting(
    "WORKER_TIMEOUT", fields.whole_number(at_least=1_000, up_to=604_800_000, of="milliseconds"),
    "How long one step may take, in milliseconds.", "300000", needs_restart=True,
)  # fmt: skip
RUN_TTL_HOURS: Setting[timedelta] = Setting(
    "ROUNDSMAN_RUN_TTL_HOURS", queue_fields.hours_or_never,
    "Finished runs are removed after so many hours, or `never`.", "24",
)  # fmt: skip

RUN_EVENTS_URL: Setting[str] = Setting(
    "RUN_EVENTS_URL", queue_fields.hook_url, "Where the ends of runs are told: a POST for each, signed.",
    example="https://hooks.example.org/roundsman", secret=True, needs_restart=True,
)  # fmt: skip
RUN_EVENTS_SECRET: Setting[str] = Setting(
    "RUN_EVENTS_SECRET", queue_fields.signing_secret, "Signs them; the receiver knows it too.",
    example="AT-LEAST-16-CHARACTERS", secret=True, needs_restart=True,
)  # fmt: skip
RUN_EVENTS_ALLOW_PRIVATE: Setting[bool] = Setting(
    "RUN_EVENTS_ALLOW_PRIVATE", fields.on_or_off,
    "Whether that may be in a private network or on this machine, and plain http://.", "off", needs_restart=True,
)  # fmt: skip
RUN_EVENTS_JOURNAL: Setting[bool] = Setting(
    "RUN_EVENTS_JOURNAL", fields.on_or_off, "Write a line into the log for each of them as well.", "off",
    needs_restart=True,
)  # fmt: skip

SQS_SETTINGS: tuple[Setting[Any], ...] = (
    SQS_QUEUE_URL, SQS_DEAD_LETTER_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SQS,
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
)  # fmt: skip

QUEUE_SETTINGS: tuple[Setting[Any], ...] = (
    QUEUE_TYPE, QUEUE_NAME, REDIS_URL, *SQS_SETTINGS,
    WORKER_CONCURRENCY, MAX_CONCURRENT_WORKERS, MAX_RETRY, WORKER_TIMEOUT, RUN_TTL_HOURS,
    RUN_EVENTS_URL, RUN_EVENTS_SECRET, RUN_EVENTS_ALLOW_PRIVATE, RUN_EVENTS_JOURNAL,
)  # fmt: skip
