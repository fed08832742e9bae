"""The table of sinks: who can be told of the ends of runs, and how each is built from plain values.

The webhook's module is imported only when there is one: TLS costs memory and start-up time that a daemon without a
webhook should not pay.
"""

from dataclasses import dataclass, field

from roundsman.clock import Clock
from roundsman.runs.sinks.base import EventSink
from roundsman.runs.sinks.journal import JournalSink


@dataclass(frozen=True)
class SinkOptions:
    """Which sinks are configured. None at all is the default: then no event is written."""

    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str = field(default="", repr=False)
    """Signs the body; needed with the URL."""
    allow_private: bool = False
    """Whether the webhook may be in a private network, or on this machine."""
    journal: bool = False


def build_sinks(options: SinkOptions, clock: Clock) -> tuple[EventSink, ...]:
    """Every configured sink. Makes no connection."""
    sinks: list[EventSink] = []
    if options.webhook_url is not None:
        from roundsman.runs.sinks.webhook import WebhookSink

        sinks.append(
            WebhookSink(clock, options.webhook_url, options.webhook_secret, allow_private=options.allow_private)
        )
    if options.journal:
        sinks.append(JournalSink())
    return tuple(sinks)
