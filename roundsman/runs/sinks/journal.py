"""Run events as lines of the log, with fields to find them by: `journalctl EVENT=run.completed WORKFLOW=three_steps`."""

import logging
from collections.abc import Sequence

from roundsman.logs import fields
from roundsman.repositories.run_outbox import OutgoingEvent

log = logging.getLogger(__name__)


def fields_of(event: OutgoingEvent) -> dict[str, str]:
    """The journal fields of every line about an event."""
    return fields(
        EVENT=event.event,
        RUN_ID=event.run_id,
        WORKFLOW=event.payload.get("workflow"),
        CORRELATION_ID=event.payload.get("correlation_id"),
    )


class JournalSink:
    """Writes a line for each event."""

    name = "journal"
    most = 500

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        for event in events:
            state = event.payload.get("state")
            standing = f" in the state {state}" if state else ""
            log.info("%s: run %d of %s%s", event.event, event.run_id, event.payload.get("workflow"), standing,
                     extra=fields_of(event))  # fmt: skip

    def close(self) -> None:
        pass
