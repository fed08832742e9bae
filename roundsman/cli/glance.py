"""Runs and the queue at a glance, for `roundsman status`: quick, and whatever has happened to the queue."""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from roundsman.cli.session import Session
from roundsman.errors import QueueError
from roundsman.message import Depth
from roundsman.queues.base import Queue
from roundsman.repositories.run_views import RunViews

PATIENCE = timedelta(seconds=2)
"""How long a queue outside the store may take to answer before this says that it does not."""

_PLACES = ("ready", "delayed", "held", "leased", "dead")


@dataclass
class _Answer:
    depths: Mapping[str, Depth] = field(default_factory=dict)
    fault: str | None = None


def glance(session: Session) -> dict[str, Any]:
    """The JSON form: `runs` by status, and `queue` with its numbers, or with why it does not answer."""
    with session.store.read() as connection:
        counts = RunViews().counts(connection)
    queue = session.app.runs.queue
    answer = _ask(queue, PATIENCE)
    total = Depth(
        **{name: sum(getattr(depth, name) for depth in answer.depths.values()) for name in _PLACES},
        oldest=min((depth.oldest for depth in answer.depths.values() if depth.oldest is not None), default=None),
    )
    return {
        "runs": {status.value: count for status, count in counts.items()},
        "queue": {"name": queue.name, **asdict(total), "fault": answer.fault},
    }


def words_of(found: Mapping[str, Any]) -> tuple[str, str]:
    """One line about runs, one about the queue."""
    counts = ", ".join(f"{count:,} {status}" for status, count in found["runs"].items())
    runs = f"Runs: {counts or 'none is unfinished'}  (roundsman runs list)"
    queue = found["queue"]
    if queue["fault"] is not None:
        return runs, f"Queue {queue['name']} does not answer: {queue['fault']}"
    counts = ", ".join(f"{queue[name]:,} {name}" for name in _PLACES if queue[name])
    return runs, f"Queue {queue['name']}: {counts or 'empty'}  (roundsman queue status)"


def _ask(queue: Queue, patience: timedelta) -> _Answer:
    answer = _Answer()

    def ask() -> None:
        try:
            answer.depths = queue.depth()
        except QueueError as error:
            answer.fault = str(error)

    if queue.name == "local":
        ask()
        return answer
    # In a thread of its own: a queue that is cut off answers only after its client's own, longer timeouts
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience.total_seconds())
    if asking.is_alive():
        return _Answer(fault=f"nothing came within {patience.total_seconds():g} s.")
    return answer
