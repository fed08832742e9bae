"""The webhook of run events against real servers: what it posts, how it takes answers, and where it refuses to go."""

import hmac
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from alert_samples import raw_server, reset
from certificates import certificate_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from roundsman.clock import ManualClock
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.sinks.base import SinkError, SinkFault
from roundsman.runs.sinks.webhook import REJECTIONS, WebhookSink
from roundsman.webhooks.post import LONGEST_ANSWER_BYTES

SECRET = "a secret of sixteen"
PATH = "/hooks/path-that-is-a-secret"
SOON = timedelta(seconds=0.3)


def event(number: int = 17, **payload: Any) -> OutgoingEvent:
    told = {"run": 42, "workflow": "three_steps", "correlation_id": "c-1", "status": "completed", "state": "done"}
    created = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
    return OutgoingEvent(number, 42, "run.completed", {**told, **payload}, created, 1)


@pytest.fixture
def sinks() -> Iterator[list[WebhookSink]]:
    made: list[WebhookSink] = []
    yield made
    for sink in made:
        sink.close()


@pytest.fixture
def sink_for(sinks: list[WebhookSink], clock: ManualClock) -> Callable[..., WebhookSink]:
    def make(url: str, **options: Any) -> WebhookSink:
        sinks.append(WebhookSink(clock, url, SECRET, **{"allow_private": True, **options}))
        return sinks[-1]

    return make


@pytest.fixture
def sink(httpserver: HTTPServer, sink_for: Callable[..., WebhookSink]) -> WebhookSink:
    return sink_for(httpserver.url_for(PATH))


def failure(sink: WebhookSink, *events: OutgoingEvent) -> SinkError:
    with pytest.raises(SinkError) as caught:
        sink.deliver(events or [event()])
    return caught.value


def requests_of(server: HTTPServer) -> list[Request]:
    return [request for request, _ in server.log]


# --- what is posted ---


def test_an_event_is_posted_as_json_with_a_signature_that_the_receiver_can_check(
    httpserver: HTTPServer, sink: WebhookSink, clock: ManualClock
) -> None:
    httpserver.expect_request(PATH).respond_with_data("thanks")
    sink.deliver([event(error="Trần: no 🐣")])
    (request,) = requests_of(httpserver)
    body = request.get_data()
    assert (request.method, request.content_type) == ("POST", "application/json")
    assert json.loads(body) == {
        "id": "42-17", "event": "run.completed", "run": 42, "workflow": "three_steps", "correlation_id": "c-1",
        "status": "completed", "state": "done", "error": "Trần: no 🐣", "at": "2026-03-03T04:00:00Z",
    }  # fmt: skip
    timestamp = request.headers["X-Roundsman-Timestamp"]
    expected = hmac.digest(SECRET.encode(), f"{timestamp}.".encode() + body, "sha256").hex()
    assert request.headers["X-Roundsman-Signature"] == f"v1={expected}"
    assert int(timestamp) == int(clock.now().timestamp())
    assert request.headers["X-Correlation-Id"] == "c-1"


def test_a_repeat_has_the_same_body_and_a_signature_of_its_own_time(
    httpserver: HTTPServer, sink: WebhookSink, clock: ManualClock
) -> None:
    httpserver.expect_request(PATH).respond_with_data("")
    sink.deliver([event()])
    clock.advance(timedelta(minutes=5))
    sink.deliver([event()])
    one, two = requests_of(httpserver)
    assert one.get_data() == two.get_data()
    assert one.headers["X-Roundsman-Signature"] != two.headers["X-Roundsman-Signature"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("a\r\nX-Evil: 1", "a%0D%0AX-Evil:%201"),
        ("Trần", "Tr%E1%BA%A7n"),
        ("x" * 500, "x" * 200),
        ("\ud800", "%3F"),
    ],
)
def test_a_correlation_id_cannot_become_a_header_of_its_own(
    httpserver: HTTPServer, sink: WebhookSink, given: str, sent: str
) -> None:
    httpserver.expect_request(PATH).respond_with_data("")
    sink.deliver([event(correlation_id=given)])
    (request,) = requests_of(httpserver)
    assert request.headers["X-Correlation-Id"] == sent
    assert "X-Evil" not in request.headers


def test_a_secret_in_the_error_of_a_run_does_not_leave(httpserver: HTTPServer, sink: WebhookSink) -> None:
    httpserver.expect_request(PATH).respond_with_data("")
    sink.deliver([event(error="call: https://x.example/?access_token=abcdef failed")])
    assert b"abcdef" not in requests_of(httpserver)[0].get_data()


def test_a_query_of_the_url_is_kept(httpserver: HTTPServer, sink_for: Callable[..., WebhookSink]) -> None:
    httpserver.expect_request(PATH, query_string="key=a%20b").respond_with_data("")
    sink_for(httpserver.url_for(PATH) + "?key=a%20b").deliver([event()])
    assert len(httpserver.log) == 1


def test_one_connection_serves_many_events() -> None:
    connections = []

    def answer(connection: socket.socket) -> None:
        connections.append(1)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        for _ in range(2):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(answer) as url:
        sink = WebhookSink(ManualClock(datetime.now(UTC)), url, SECRET, allow_private=True)
        sink.deliver([event(1), event(2), event(3)])
        sink.close()
    assert connections == [1]


def read_request(connection: socket.socket) -> None:
    data = b""
    while not data.endswith(b"}"):
        data += connection.recv(65536)


def test_a_connection_that_was_closed_meanwhile_is_replaced() -> None:
    asked = []

    def answer(connection: socket.socket) -> None:
        asked.append(1)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with raw_server(answer) as url:
        sink = WebhookSink(ManualClock(datetime.now(UTC)), url, SECRET, allow_private=True)
        for number in range(3):
            sink.deliver([event(number)])
        sink.close()
    assert len(asked) == 3


# --- answers ---


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_success_is_one(httpserver: HTTPServer, sink: WebhookSink, status: int) -> None:
    httpserver.expect_request(PATH).respond_with_data("", status=status)
    sink.deliver([event()])
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("status", [400, 410, 413, 422, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 599])
def test_only_what_is_said_of_this_very_event_is_final(httpserver: HTTPServer, sink: WebhookSink, status: int) -> None:
    httpserver.expect_request(PATH).respond_with_data("no", status=status)
    found = failure(sink)
    assert found.fault is (SinkFault.REJECTED if status in (400, 410, 413, 422) else SinkFault.TEMPORARY)
    assert found.reason.startswith(f"it answered HTTP {status}")
    assert len(REJECTIONS) == 4


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_is_asked_for_is_told(httpserver: HTTPServer, sink: WebhookSink, status: int) -> None:
    httpserver.expect_request(PATH).respond_with_data("", status=status, headers={"Retry-After": "90"})
    assert failure(sink).retry_after == timedelta(seconds=90)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(httpserver: HTTPServer, sink: WebhookSink, status: int) -> None:
    elsewhere = httpserver.url_for("/elsewhere")
    httpserver.expect_request(PATH).respond_with_data("", status=status, headers={"Location": elsewhere})
    found = failure(sink)
    assert found.fault is SinkFault.TEMPORARY
    assert "redirects are not followed" in found.reason
    assert [request.path for request in requests_of(httpserver)] == [PATH]


def test_a_long_answer_is_not_read_to_its_end(httpserver: HTTPServer, sink: WebhookSink) -> None:
    sent = []

    def stream(_: Request) -> Response:
        def parts() -> Iterator[bytes]:
            for _ in range(2_000):
                sent.append(1)
                yield b"x" * LONGEST_ANSWER_BYTES

        return Response(parts(), status=200)

    httpserver.expect_request(PATH).respond_with_handler(stream)
    sink.deliver([event()])
    assert len(sent) < 2_000


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"])
def test_an_answer_that_drips_after_its_status_is_still_one(sink_for: Callable[..., WebhookSink], begin: bytes) -> None:
    with dripping(begin) as url:
        sink = sink_for(url, limit=SOON)
        sink.deliver([event()])
    assert failure(sink).reason == "it was not reached: connection refused", "what was left of it is not used again"


@contextmanager
def dripping(begin: bytes) -> Iterator[str]:
    """A server that answers so, and then goes on byte by byte for ever."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(begin)
        while not ended.wait(0.02):
            connection.sendall(b"x")

    with raw_server(drip) as url:
        yield url
        ended.set()


# --- no answer ---


def _nothing(_: socket.socket) -> None:
    pass


def _garbage(connection: socket.socket) -> None:
    connection.sendall(b"good morning\r\n\r\n")


def _endless_header(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)


@pytest.mark.parametrize("answer", [reset, _nothing, _garbage, _endless_header])
def test_a_broken_connection_is_temporary_and_asked_once(
    sink_for: Callable[..., WebhookSink], answer: Callable[[socket.socket], None]
) -> None:
    asked = []

    def once(connection: socket.socket) -> None:
        asked.append(1)
        answer(connection)

    with raw_server(once) as url:
        assert failure(sink_for(url)).fault is SinkFault.TEMPORARY
    assert len(asked) == 1


def test_a_receiver_that_never_answers_is_given_up_in_time(sink_for: Callable[..., WebhookSink]) -> None:
    ended = threading.Event()

    def wait(_: socket.socket) -> None:
        ended.wait(5)

    with raw_server(wait) as url:
        found = failure(sink_for(url, timeout=SOON))
        ended.set()
    assert found.reason == "it was not reached: no answer in time"


def test_a_status_that_drips_is_given_up_in_time(sink_for: Callable[..., WebhookSink]) -> None:
    with dripping(b"HTTP/1.1 ") as url:
        found = failure(sink_for(url, limit=SOON))
    assert found.reason == "it was not reached: no answer in time"


def test_a_closed_port_and_an_unknown_host_are_told_apart(sink_for: Callable[..., WebhookSink]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert failure(sink_for(f"http://127.0.0.1:{port}/")).reason == "it was not reached: connection refused"
    assert "host name is unknown" in failure(sink_for("http://no-such-host.invalid/")).reason


# --- where it must not go ---


def found_at(*addresses: str) -> Callable[[str, int], Sequence[Any]]:
    def find(_: str, port: int) -> Sequence[Any]:
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (family, socket.SOCK_STREAM, 0, "", (address, port))
            for family, address in zip(families, addresses, strict=True)
        ]

    return find


def test_a_name_that_leads_to_this_machine_is_refused(
    httpserver: HTTPServer, sink_for: Callable[..., WebhookSink]
) -> None:
    httpserver.expect_request(PATH).respond_with_data("")
    for host in ("127.0.0.1", "localhost"):
        found = failure(sink_for(f"http://{host}:{httpserver.port}{PATH}", allow_private=False))
        assert found.fault is SinkFault.TEMPORARY
        assert "a loopback address; set RUN_EVENTS_ALLOW_PRIVATE=on" in found.reason
    assert httpserver.log == []


def test_a_name_that_changes_its_mind_is_asked_once_and_cannot_lead_inside(
    httpserver: HTTPServer, sink_for: Callable[..., WebhookSink]
) -> None:
    """DNS rebinding: a public address for the check, the machine's own one for the connection."""
    httpserver.expect_request(PATH).respond_with_data("")
    answers = [found_at("192.0.2.1"), found_at("127.0.0.1")]
    asked = []

    def find(host: str, port: int) -> Sequence[Any]:
        asked.append(host)
        return answers.pop(0)(host, port)

    sink = sink_for(f"http://rebinding.example:{httpserver.port}{PATH}", allow_private=False, find=find)
    assert "192.0.2.1, a reserved address" in failure(sink).reason
    assert asked == ["rebinding.example"]
    assert "127.0.0.1, a loopback address" in failure(sink).reason, "each connection looks anew"
    assert httpserver.log == []


def test_of_several_addresses_only_the_public_ones_are_tried(
    httpserver: HTTPServer, sink_for: Callable[..., WebhookSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request(PATH).respond_with_data("")
    tried: list[str] = []

    def connect(_: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    find = found_at("127.0.0.1", "93.184.215.14", "10.0.0.1", "2606:2800:21f::1")
    assert "refused" in failure(sink_for("http://mixed.example/", allow_private=False, find=find)).reason
    assert tried == ["93.184.215.14", "2606:2800:21f::1"]


# --- TLS ---


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """Its certificate is for events.example and trusted by everybody in this test."""
    file = certificate_for("events.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with HTTPServer("127.0.0.1", ssl_context=context) as server:
        server.expect_request(PATH).respond_with_data("")
        yield server


def test_tls_is_verified_by_the_name_although_the_address_is_connected_to(
    tls_server: HTTPServer, sink_for: Callable[..., WebhookSink]
) -> None:
    good = sink_for(f"https://events.example:{tls_server.port}{PATH}", find=found_at("127.0.0.1"))
    good.deliver([event(1), event(2)])
    assert [request.host for request in requests_of(tls_server)] == [f"events.example:{tls_server.port}"] * 2
    good.close()
    other = sink_for(f"https://other.example:{tls_server.port}{PATH}", find=found_at("127.0.0.1"))
    assert failure(other).reason == "it was not reached: its certificate is not trusted"
    assert len(tls_server.log) == 2


def test_a_handshake_that_never_ends_is_given_up_in_time(sink_for: Callable[..., WebhookSink]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://events.example:{silent.getsockname()[1]}/"
        found = failure(sink_for(url, limit=SOON, find=found_at("127.0.0.1")))
    assert found.reason == "it was not reached: no answer in time"


# --- secrets ---


def test_neither_url_nor_secret_is_in_an_error_a_log_line_or_a_repr(
    httpserver: HTTPServer, sink: WebhookSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request(PATH).respond_with_data(f"{SECRET} {PATH}", status=400)
    errors = [failure(sink)]
    httpserver.clear()
    with raw_server(reset) as url:
        broken = WebhookSink(ManualClock(datetime.now(UTC)), url + PATH, SECRET, allow_private=True)
        errors.append(failure(broken))
    said = [repr(sink), *(record.getMessage() for record in caplog.records if record.name.startswith("roundsman"))]
    for error in errors:
        said += [error.reason, repr(error), str(error.__cause__), str(error.__context__)]
    assert not [text for text in said if SECRET in text or urlsplit(PATH).path in text]
