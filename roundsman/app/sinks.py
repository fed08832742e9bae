"""Who is told of the ends of runs, as the settings say. Nothing is connected to."""

from config import Settings
from roundsman.clock import Clock
from roundsman.runs.sinks.base import EventSink


def sinks_of(settings: Settings, clock: Clock) -> tuple[EventSink, ...]:
    """By default nobody. What only one of them needs is imported for that one."""
    chosen, sinks = settings.runs.events, list[EventSink]()
    if chosen.url is not None and chosen.signing_key is not None:
        from roundsman.runs.sinks.webhook import WebhookSink

        key = chosen.signing_key.reveal()
        sinks.append(WebhookSink(clock, chosen.url.reveal(), key, allow_private=chosen.allow_private))
    if chosen.journal:
        from roundsman.runs.sinks.journal import JournalSink

        sinks.append(JournalSink())
    return tuple(sinks)
