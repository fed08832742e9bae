"""The victim of `test_kill_outbox.py`: an outbox that posts events to a webhook and dies where it is told to.

Arguments: the store's URL, the webhook's URL, and after how many deliveries it kills itself: in the very moment when
the receiver has answered and nothing of it is recorded. With `never` it ends when nothing waits any more.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

from roundsman.clock import SystemClock
from roundsman.owner import Owner
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.outbox import Outbox
from roundsman.runs.sinks.webhook import WebhookSink

PATIENCE_S = 60.0


class Doomed(WebhookSink):
    """Dies after so many deliveries."""

    left: int | None = None

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        super().deliver(events)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    database, url, after = sys.argv[1:]
    clock = SystemClock()
    store = Store(StoreOptions(parse_url(database)))
    sink = Doomed(clock, url, "a secret of sixteen", allow_private=True)
    sink.left = None if after == "never" else int(after)
    outbox = Outbox(store, clock, Owner.this_process(), [sink])
    outbox.start()
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        with store.read() as connection:
            waiting = connection.exec_driver_sql("SELECT count(*) FROM run_events").scalar_one()
        if not waiting:
            break
        time.sleep(0.02)
    outbox.stop()


main()
