"""Conditions, channels and raw servers that the tests of alerts share."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from roundsman.alerts.book import AlertBook, Condition
from roundsman.alerts.channels.base import Channel, DeliveryError, Receipt
from roundsman.alerts.message import Message
from roundsman.alerts.rate import Rate
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import Clock
from roundsman.owner import Owner
from roundsman.repositories.alerts import Severity
from roundsman.repositories.engine import Store

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
KIND = "conversation_unreplied"


def unreplied(subject: str, now: datetime, waited: timedelta = timedelta(minutes=23), **notes: str | None) -> Condition:
    """A customer who has waited so long at `now`."""
    annotations: dict[str, str | int | float | None] = {
        "customer_name": "Nguyễn Thị Lan",
        "page_name": "Shop A",
        "conversation_type": "INBOX",
        "platform": "messenger",
        "waited_minutes": int(waited.total_seconds() // 60),
        "threshold_minutes": 15,
        "link": f"https://pancake.vn/shop-a?c_id={subject}",
        **notes,
    }
    labels = {"page_id": "shop-a", "conversation_id": subject, "conversation_type": "INBOX"}
    return Condition(KIND, subject, Severity.MEDIUM, now - waited, labels, annotations)


@dataclass
class Mailbox:
    """A channel of the test's own making, in the process: keeps what it was told, or fails as the test says."""

    name: str = "mailbox"
    identity: str = "as first configured"
    min_interval: timedelta = timedelta(0)
    told: list[Message] = field(default_factory=list)
    edited: list[tuple[Receipt, Message]] = field(default_factory=list)
    fails: Callable[[], Exception | None] = lambda: None
    can_edit: bool = True

    @property
    def rates(self) -> tuple[Rate, ...]:
        return (Rate(self.name, self.min_interval),) if self.min_interval else ()

    def send(self, message: Message) -> Receipt:
        if (failure := self.fails()) is not None:
            raise failure
        self.told.append(message)
        return Receipt(f"message {len(self.told)}", {"number": str(len(self.told))})

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        if (failure := self.fails()) is not None:
            raise failure
        self.edited.append((receipt, message))
        return receipt

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.told]


def failing(*failures: DeliveryError | Exception | None) -> Callable[[], Exception | None]:
    """Each in turn, then none."""
    left = list(failures)
    return lambda: left.pop(0) if left else None


def sender_of(store: Store, clock: Clock, channels: Sequence[Channel], owner: Owner | None = None) -> Sender:
    owner = owner or Owner.this_process()
    return Sender(store, clock, owner, channels, language=Language.ENGLISH, zone=ZONE)


def book_of(store: Store, clock: Clock, sender: Sender) -> AlertBook:
    return AlertBook(store, clock, [channel.name for channel in sender.channels], sender.wake)


@contextmanager
def raw_server(answer: Callable[[socket.socket], None], *, speaks_first: bool = False) -> Iterator[str]:
    """A TCP server that reads one request per connection and then does as `answer` says. Yields its URL.

    One that speaks first, as mail servers do, reads nothing before.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    with suppress(OSError):
                        if not speaks_first:
                            _read_request(connection)
                        answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join(10)
        listener.close()


def reset(connection: socket.socket) -> None:
    """End the connection with a TCP reset instead of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read_request(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
