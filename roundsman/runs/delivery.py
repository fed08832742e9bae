"""Hands a set of claimed events to a sink, several at a time where the sink allows it.

Only the first event of a run can be claimed, so the events of a set are of as many runs: they may be under way beside
each other, each in a thread of its own, and what is said of one run still arrives in order.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from roundsman.errors import place_of
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.sinks.base import EventSink, SinkError, SinkFault


@dataclass
class Delivery:
    """What happened to claimed events; kept in memory until the store has taken it."""

    delivered: list[OutgoingEvent] = field(default_factory=list)
    refused: list[tuple[OutgoingEvent, str]] = field(default_factory=list)
    failed: list[tuple[OutgoingEvent, SinkError]] = field(default_factory=list)
    again_at: datetime | None = None
    untouched: list[OutgoingEvent] = field(default_factory=list)
    expired: int = 0

    def ids(self) -> list[int]:
        told = (event for event, _ in (*self.refused, *self.failed))
        return [event.id for event in (*self.delivered, *told, *self.untouched)]

    def failed_by_reason(self) -> dict[str, list[OutgoingEvent]]:
        """Nearly always there is one."""
        found: dict[str, list[OutgoingEvent]] = {}
        for event, error in self.failed:
            found.setdefault(error.reason, []).append(event)
        return found


def deliver(sink: EventSink, events: list[OutgoingEvent], is_over: Callable[[], bool]) -> Delivery:
    """Until all are handed over, one fails, or it `is_over`; what is under way then is waited for."""
    waiting = deque(events[start : start + sink.most] for start in range(0, len(events), sink.most))
    done = Delivery()
    faults: list[BaseException] = []

    def carry() -> None:
        try:
            while not (done.failed or is_over()):
                _hand_over(sink, waiting.popleft(), done)
        except IndexError:
            return
        except BaseException as error:  # noqa: BLE001  raised on in the caller's thread
            faults.append(error)

    # Daemons: a process that goes down does not wait for a receiver
    helpers = [
        threading.Thread(target=carry, name=f"tell-{sink.name}-more", daemon=True)
        for _ in range(min(sink.at_once, len(waiting)) - 1)
    ]
    for helper in helpers:
        helper.start()
    carry()
    for helper in helpers:
        helper.join()
    if faults:
        raise faults[0]
    done.untouched = [event for some in waiting for event in some]
    return done


def _hand_over(sink: EventSink, some: list[OutgoingEvent], done: Delivery) -> None:
    error = _attempt(sink, some)
    if error is None:
        done.delivered += some
    elif error.fault is SinkFault.REJECTED:
        done.refused += [(event, error.reason) for event in some]
    else:
        done.failed += [(event, error) for event in some]


def _attempt(sink: EventSink, events: list[OutgoingEvent]) -> SinkError | None:
    try:
        sink.deliver(events)
    except SinkError as error:
        return error
    except Exception as error:  # noqa: BLE001  whatever a sink raises must not stop the others
        # Only the type and the place: the text of a foreign exception may hold a secret
        return SinkError(SinkFault.TEMPORARY, f"unexpected {type(error).__name__} {place_of(error)}")
    return None
