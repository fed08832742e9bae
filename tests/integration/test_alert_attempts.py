"""An attempt that never ends by itself costs neither the daemon its life nor the other channels their time."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from alert_samples import raw_server

from roundsman.alerts.attempt import Attempts
from roundsman.alerts.channels.base import Channel, DeliveryError, Fault, Receipt
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.message import Message
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import Severity
from roundsman.repositories.notifications import NotificationEvent

SOON = timedelta(milliseconds=200)
MESSAGE = Message("Lan waits", (), Severity.MEDIUM, NotificationEvent.FIRING)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(params=["slack", "telegram"])
def dripping(request: pytest.FixtureRequest, clock: ManualClock, release: threading.Event) -> Iterator[Channel]:
    """A channel whose service sends the head of its answer a byte at a time, each well within every timeout."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not release.wait(0.02):
            connection.sendall(b"a")

    with raw_server(drip) as url:
        channels: dict[str, Channel] = {
            "slack": SlackChannel("slack", clock, webhook_url=f"{url}/services/x", timeout=SOON),
            "telegram": TelegramChannel(
                "telegram", clock, bot_token="123456:secret", target="-1", api_url=url, timeout=SOON
            ),
        }
        yield channels[request.param]
        release.set()


def test_an_answer_whose_head_drips_for_ever_is_given_up(dripping: Channel) -> None:
    attempts = Attempts(timedelta(seconds=1))
    with pytest.raises(DeliveryError, match="did not come to an end within 1 s") as given_up:
        attempts.make(dripping.name, lambda: dripping.send(MESSAGE))
    assert given_up.value.fault is Fault.TEMPORARY


def test_while_an_attempt_hangs_no_other_one_begins_on_its_channel(release: threading.Event) -> None:
    attempts = Attempts(SOON)
    begun: list[threading.Thread] = []

    def hang() -> Receipt:
        begun.append(threading.current_thread())
        release.wait(30)
        return Receipt("late")

    for words in ("did not come to an end", "an earlier attempt hangs", "an earlier attempt hangs"):
        with pytest.raises(DeliveryError, match=words):
            attempts.make("slack", hang)
    assert len(begun) == 1
    assert attempts.make("telegram", lambda: Receipt("in time")).words == "in time"
    release.set()
    begun[0].join(10)
    assert attempts.make("slack", lambda: Receipt("again")).words == "again"


def test_what_a_channel_raises_comes_out_as_it_is() -> None:
    refused = DeliveryError(Fault.CHANNEL, "token_revoked", timedelta(seconds=3))

    def refuse() -> Receipt:
        raise refused

    with pytest.raises(DeliveryError) as raised:
        Attempts().make("slack", refuse)
    assert raised.value is refused
