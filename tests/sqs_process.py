"""A program: moto's server as a stand-in for Amazon SQS, made fit for tests. `python sqs_process.py FOLDER PORT`

It is a process of its own, because moto prints and warns, and takes a second and 200 MB to start. What differs from
the `moto_server` command:

- Each test has a time of its own: the access key of a request names the file with the difference to the real one.
- Calls go one at a time. moto's own code takes no locks, so two receivers may be handed the same message, and a
  message that is sent while another one is deleted may vanish.
- It does not count all messages several times for each one that it takes or hands out.
- A group of a FIFO queue keeps its order. moto holds a message under way for as long as a receive call does not come by
  it: when the lease of several of a group is over, the last of them opens the group, and goes first. So it is with one
  that is put back, too, if the clock shows the same at the next look.
- A receive call of a process that was killed takes nothing any more. moto goes on waiting on its behalf, and would take
  what that process had held as soon as its lease is over.
- It ends itself when the folder of the test run is gone.
"""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

CLOCKS = "sqs-clocks"


class Clock:
    """The time of the test whose request this thread carries out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._of_thread = threading.local()

    def set(self) -> None:
        """At the begin of a request."""
        from flask import request

        key = re.search(r"Credential=(\w+)/", request.headers.get("Authorization", ""))
        file = self._folder / CLOCKS / (key[1] if key else "none")
        self._of_thread.ahead = float(file.read_text()) if file.exists() else 0.0

    def seconds(self) -> float:
        return time.time() + getattr(self._of_thread, "ahead", 0.0)

    def milliseconds(self) -> float:
        return self.seconds() * 1000


class Traits(dict[str, Any]):
    """Of a queue; one is looked up alone. (It stands for a dict of all, which is counted anew for each look.)"""

    def __init__(self, queue: Any, whole: Callable[[Any], dict[str, Any]]) -> None:
        self._queue, self._whole = queue, whole

    def get(self, name: str, default: Any = None) -> Any:
        if name == "ContentBasedDeduplication":
            return str(self._queue.content_based_deduplication).lower()
        return (
            self._queue.message_retention_period if name == "MessageRetentionPeriod" else self._all().get(name, default)
        )

    def __contains__(self, name: object) -> bool:
        return name == "MessageRetentionPeriod" or name in self._all()

    def __iter__(self) -> Any:
        return iter(self._all())

    def items(self) -> Any:
        return self._all().items()

    def _all(self) -> dict[str, Any]:
        return self._whole(self._queue)


def main(folder: Path, port: int) -> None:
    import moto.sqs.models
    from moto.server import main as serve

    models: Any = moto.sqs.models
    clock, lock, backend = Clock(folder), threading.RLock(), models.SQSBackend
    models.unix_time, models.unix_time_millis = clock.seconds, clock.milliseconds
    for name in (
        "create_queue", "delete_queue", "get_queue_attributes", "set_queue_attributes", "send_message",
        "send_message_batch", "delete_message_batch", "change_message_visibility_batch",
    ):  # fmt: skip
        setattr(backend, name, _one_at_a_time(lock, clock, getattr(backend, name)))
    backend.receive_message = _polling(lock, clock, backend.receive_message)
    whole = models.Queue.attributes.fget
    models.Queue.attributes = property(lambda queue: Traits(queue, whole))
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
    serve(["-H", "127.0.0.1", "-p", str(port)])


def _one_at_a_time(lock: Any, clock: Clock, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def locked(*arguments: Any, **named: Any) -> Any:
        clock.set()
        with lock:
            return call(*arguments, **named)

    return locked


def _polling(lock: Any, clock: Clock, receive: Callable[..., Any]) -> Callable[..., Any]:
    def polling(
        self: Any, queue_name: str, count: int, wait_seconds_timeout: int, visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> Any:  # fmt: skip
        end = time.monotonic() + int(wait_seconds_timeout)
        while True:
            clock.set()  # time may pass while somebody waits
            if _has_gone():
                return []
            with lock:
                _let_go_of_what_is_over(self.queues.get(queue_name))
                found = receive(self, queue_name, count, 0, visibility_timeout, message_attribute_names)
            if found or time.monotonic() >= end or queue_name not in self.queues:
                return found
            self.get_queue(queue_name).wait_for_messages(0.1)

    return polling


def _has_gone() -> bool:
    """Whether nobody is left at the other end of the request that this thread carries out.

    Asked after the time was looked up: a process is gone before the tests let its lease pass.
    """
    from flask import request

    try:
        return request.environ["werkzeug.socket"].recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""  # type: ignore[no-any-return]
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _let_go_of_what_is_over(queue: Any) -> None:
    if queue is not None:
        queue.pending_messages.difference_update([one for one in queue.pending_messages if one.visible])


def _watch(folder: Path) -> None:
    while folder.exists():
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
