"""Who is told of the ends of runs, as the settings say."""

from config import Settings
from roundsman.clock import Clock
from roundsman.runs.sinks import SinkOptions, build_sinks
from roundsman.runs.sinks.base import EventSink


def sinks_of(settings: Settings, clock: Clock) -> tuple[EventSink, ...]:
    """By default nobody. Nothing is connected to."""
    chosen = settings.runs.events
    options = SinkOptions(
        webhook_url=chosen.url.reveal() if chosen.url else None,
        webhook_secret=chosen.signing_key.reveal() if chosen.signing_key else "",
        allow_private=chosen.allow_private,
        journal=chosen.journal,
    )
    return build_sinks(options, clock)
