"""Run events as lines of the log, with fields to find them by: `journalctl EVENT=run.completed WORKFLOW=noop`."""

import logging
from collections.abc import Sequence

from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.sinks.base import fields_of

log = logging.getLogger(__name__)


class JournalSink:
    """Writes a line for each event."""

    name = "journal"
    most = 500
    at_once = 1

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        for event in events:
            state = event.payload.get("state")
            standing = f" in the state {state}" if state else ""
            log.info("%s: run %d of %s%s", event.event, event.run_id, event.payload.get("workflow"), standing,
                     extra=fields_of(event))  # fmt: skip

    def close(self) -> None:
        pass
