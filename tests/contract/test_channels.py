"""One suite over every channel: what each does with each answer of its service, and what never leaks."""

import hmac
import html
import json
import logging
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from alert_samples import raw_server, reset
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from roundsman.alerts.channels.base import HTTP_TIMEOUT, Channel, DeliveryError, Fault
from roundsman.alerts.channels.console import ConsoleChannel
from roundsman.alerts.channels.inert import JOINER
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.channels.webhook import WebhookChannel
from roundsman.alerts.message import Item, Message, one_line
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention
from roundsman.repositories.notifications import NotificationEvent

HOOK_PATH = "/services/T0AAAAAAA/B0BBBBBBB/hookSecretPartXyz123"
SLACK_TOKEN = "xoxb-111111111111-secretsecretsecret"
TELEGRAM_TOKEN = "123456789:AAtelegramSecretPartOfTheToken"
SIGNING_KEY = "signing-key-of-the-webhook"
ANY_PATH = re.compile(".*")
SOON = timedelta(milliseconds=300)


@dataclass(frozen=True)
class Service:
    """One remote service, as its channel sees it."""

    build: Callable[[str, ManualClock, timedelta], Channel]
    """Of the URL of a fake server, and how long an answer may take."""
    good_answer: str
    secrets: tuple[str, ...]
    reads_answers: bool = True
    """Whether a success is told by more than its status."""

    def channel(self, url: str, clock: ManualClock, timeout: timedelta = HTTP_TIMEOUT) -> Channel:
        return self.build(url, clock, timeout)


def _slack_webhook(url: str, clock: ManualClock, timeout: timedelta) -> Channel:
    return SlackChannel("slack", clock, webhook_url=url + HOOK_PATH, timeout=timeout)


def _bot(url: str, clock: ManualClock, timeout: timedelta) -> Channel:
    api_url = f"{url}/api/"
    return SlackChannel("slack", clock, bot_token=SLACK_TOKEN, channel="#alerts", api_url=api_url, timeout=timeout)


def _telegram(url: str, clock: ManualClock, timeout: timedelta) -> Channel:
    token = TELEGRAM_TOKEN
    return TelegramChannel("telegram", clock, bot_token=token, target="-100200:7", api_url=url, timeout=timeout)


def _webhook(url: str, clock: ManualClock, timeout: timedelta) -> Channel:
    place = url + HOOK_PATH
    return WebhookChannel("webhook", clock, url=place, secret=SIGNING_KEY, allow_private=True, timeout=timeout)


SERVICES = {
    "slack-webhook": Service(_slack_webhook, "ok", ("hookSecretPartXyz123", HOOK_PATH)),
    "slack-bot": Service(
        _bot,
        json.dumps({"ok": True, "channel": "C012345", "ts": "1772510400.000100"}),
        ("secretsecretsecret", SLACK_TOKEN),
    ),
    "telegram": Service(
        _telegram,
        json.dumps({"ok": True, "result": {"message_id": 42}}),
        ("AAtelegramSecretPartOfTheToken", TELEGRAM_TOKEN),
    ),
    "webhook": Service(_webhook, "", ("hookSecretPartXyz123", HOOK_PATH, SIGNING_KEY), reads_answers=False),
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    return SERVICES[request.param]


@pytest.fixture
def url(httpserver: HTTPServer) -> str:
    return httpserver.url_for("").rstrip("/")


def news(title: str = "Lan has waited 23 min on Shop A", **changes: Any) -> Message:
    facts: dict[str, Any] = {
        "lines": ("Waiting since 10:37",),
        "severity": Severity.MEDIUM,
        "event": NotificationEvent.FIRING,
        "link": "https://pancake.vn/shop?c_id=1&x=2",
        "link_label": "Open the conversation",
    } | changes
    return Message(title, **facts)


def answering(httpserver: HTTPServer, body: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
    httpserver.expect_request(ANY_PATH).respond_with_data(body, status=status, headers=headers)


def is_told_by_the_status_alone(service: Service, channel: Channel) -> bool:
    """Whether it takes a success whose body makes no sense; then the message is delivered."""
    return not service.reads_answers and bool(channel.send(news()).words)


def failure(channel: Channel) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        channel.send(news())
    return caught.value


# --- every answer ---


def test_a_message_that_is_accepted_has_a_receipt(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    answering(httpserver, service.good_answer)
    assert service.channel(url, clock).send(news()).words
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (301, Fault.TEMPORARY), (302, Fault.TEMPORARY), (307, Fault.TEMPORARY),
        (400, Fault.REJECTED), (401, Fault.CHANNEL), (402, Fault.TEMPORARY), (403, Fault.CHANNEL),
        (404, Fault.CHANNEL), (405, Fault.TEMPORARY), (408, Fault.TEMPORARY), (409, Fault.TEMPORARY),
        (410, Fault.CHANNEL), (413, Fault.REJECTED), (418, Fault.TEMPORARY), (422, Fault.REJECTED),
        (425, Fault.TEMPORARY), (429, Fault.TEMPORARY), (451, Fault.TEMPORARY), (499, Fault.TEMPORARY),
        (500, Fault.TEMPORARY), (501, Fault.TEMPORARY), (502, Fault.TEMPORARY), (503, Fault.TEMPORARY),
        (504, Fault.TEMPORARY), (520, Fault.TEMPORARY), (599, Fault.TEMPORARY),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", ["", "<html><body>Sorry</body></html>", '{"ok": fal', "[1, 2]", "null", "\xff\x00"])
def test_each_status_is_sorted_by_what_it_means(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock, status: int, fault: Fault, body: str
) -> None:
    answering(httpserver, body, status, {"Location": f"{url}/elsewhere"} if status < 400 else None)
    error = failure(service.channel(url, clock))
    assert error.fault is fault
    assert str(status) in error.reason
    assert len(httpserver.log) == 1, "an answer was followed or asked for twice"


@pytest.mark.parametrize("body", ["", "<html>ok</html>", '{"ok": tru', "[]", "7", "null", '{"ok": "yes"', "[" * 60_000])
def test_a_success_that_cannot_be_read_is_tried_again(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock, body: str
) -> None:
    answering(httpserver, body)
    channel = service.channel(url, clock)
    assert is_told_by_the_status_alone(service, channel) or failure(channel).fault is Fault.TEMPORARY


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_a_service_asks_for_is_told_in_seconds_or_as_a_date(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock, status: int
) -> None:
    in_a_minute = format_datetime(clock.now() + timedelta(seconds=60), usegmt=True)
    for value, wait in [("7", 7), (" 7 ", 7), ("3600", 3600), (in_a_minute, 60), ("soon", None), ("-5", None)]:
        httpserver.clear()
        answering(httpserver, "", status, {"Retry-After": value})
        error = failure(service.channel(url, clock))
        assert error.fault is Fault.TEMPORARY
        assert error.retry_after == (None if wait is None else timedelta(seconds=wait)), value


def test_a_date_in_the_past_means_no_wait(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    past = format_datetime(clock.now() - timedelta(hours=1), usegmt=True)
    answering(httpserver, "", 429, {"Retry-After": past})
    assert failure(service.channel(url, clock)).retry_after == timedelta(0)


def test_a_redirect_does_not_carry_the_message_elsewhere(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    httpserver.expect_request("/elsewhere").respond_with_data(service.good_answer)
    answering(httpserver, "", 302, {"Location": f"{url}/elsewhere"})
    assert "redirect" in failure(service.channel(url, clock)).reason
    assert len(httpserver.log) == 1


# --- no answer ---


def _nothing(_: socket.socket) -> None:
    pass


def _garbage(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")


def _cut_short(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"ok": tr')


def _endless_header(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\nok")


def _bad_length(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")


AFTER_THE_STATUS = (_cut_short, _bad_length)


@pytest.mark.parametrize("answer", [reset, _nothing, _garbage, _endless_header, *AFTER_THE_STATUS])
def test_a_broken_connection_is_temporary_and_asked_once(
    service: Service, clock: ManualClock, answer: Callable[[socket.socket], None]
) -> None:
    asked = []

    def once(connection: socket.socket) -> None:
        asked.append(1)
        answer(connection)

    with raw_server(once) as url:
        channel = service.channel(url, clock)
        told = answer in AFTER_THE_STATUS and is_told_by_the_status_alone(service, channel)
        assert told or failure(channel).fault is Fault.TEMPORARY
    assert len(asked) == 1, "the library repeated the request by itself: the receiver may have got it twice"


def test_a_service_that_never_answers_is_given_up_in_time(service: Service, clock: ManualClock) -> None:
    ended = threading.Event()

    def wait(_: socket.socket) -> None:
        ended.wait(5)

    with raw_server(wait) as url:
        error = failure(service.channel(url, clock, timeout=SOON))
        ended.set()
    assert error.fault is Fault.TEMPORARY
    assert "no answer in time" in error.reason


def test_an_answer_that_drips_is_given_up_in_time(service: Service, clock: ManualClock) -> None:
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not ended.wait(0.05):
            connection.sendall(b" ")

    with raw_server(drip) as url:
        channel = service.channel(url, clock, timeout=SOON)
        told = is_told_by_the_status_alone(service, channel)
        reason = "" if told else failure(channel).reason
        ended.set()
    assert told or "no answer in time" in reason


def test_a_closed_port_and_an_unknown_host_are_told_apart(service: Service, clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "connection refused" in failure(service.channel(f"http://127.0.0.1:{port}", clock)).reason
    unknown = failure(service.channel("http://no-such-host.invalid", clock))
    assert unknown.fault is Fault.TEMPORARY


# --- secrets ---


def test_no_secret_is_in_an_error_a_log_line_or_a_repr(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="slack_sdk")
    channel = service.channel(url, clock, timeout=SOON)
    texts = [repr(channel), str(channel), repr(vars(channel).get("rates")), channel.identity]
    echo = " ".join(service.secrets)
    for status in (200, 302, 400, 401, 403, 404, 410, 429, 500):
        for body in (
            echo,
            json.dumps({"ok": False, "error": service.secrets[0], "description": echo, "error_code": status}),
        ):
            httpserver.clear()
            answering(httpserver, body, status)
            if status == 200 and is_told_by_the_status_alone(service, channel):
                continue
            error = failure(channel)
            texts += [str(error), repr(error), error.reason, *_chain(error)]
    for answer in (reset, _nothing, _garbage):
        with raw_server(answer) as broken:
            error = failure(service.channel(broken, clock))
            texts += [str(error), repr(error), error.reason, *_chain(error)]
    texts += [f"{record.getMessage()} {record.__dict__}" for record in caplog.records if _is_ours(record)]
    for secret in service.secrets:
        assert not any(secret in text for text in texts), secret


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0] not in ("werkzeug", "pytest_httpserver")  # the fake's own log names paths


def _chain(error: BaseException) -> list[str]:
    links = [link for link in (error.__cause__, error.__context__) if link is not None]
    return [f"{link!r} {link}" for link in links] + [text for link in links for text in _chain(link)]


# --- what is sent ---

NASTY = '<!channel> <b>Lan</b> & "co" <https://evil.example|click> @here *x* \u202egnp.exe\x1b[31m\nALERT forged'


def nasty_news() -> Message:
    return news(one_line(f"{NASTY} has waited"), lines=(one_line(NASTY),))


def test_slack_gets_names_as_text(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    for name in ("slack-webhook", "slack-bot"):
        httpserver.clear()
        answering(httpserver, SERVICES[name].good_answer)
        SERVICES[name].channel(url, clock).send(nasty_news())
        body = _sent(httpserver)
        texts = [block["text"]["text"] for block in body["blocks"]] + [body["text"]]
        assert all(block["text"]["verbatim"] for block in body["blocks"])
        assert (body["parse"], body["unfurl_links"]) == ("none", False)
        assert not any("<!channel>" in text or "<https://evil" in text or "\x1b" in text for text in texts)
        assert "&lt;!channel&gt;" in body["text"]
        assert "<https://pancake.vn/shop?c_id=1&amp;x=2|Open the conversation>" in texts


def test_telegram_gets_names_as_text(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, SERVICES["telegram"].good_answer)
    SERVICES["telegram"].channel(url, clock).send(nasty_news())
    body = _sent(httpserver)
    assert httpserver.log[0][0].path == f"/bot{TELEGRAM_TOKEN}/sendMessage"
    assert (body["chat_id"], body["message_thread_id"], body["parse_mode"]) == ("-100200", 7, "HTML")
    assert "&lt;b&gt;Lan&lt;/\u2060b&gt;" in body["text"]
    assert body["text"].count("<b>") == 1
    assert '<a href="https://pancake.vn/shop?c_id=1&amp;x=2">Open the conversation</a>' in body["text"]


def test_telegram_finds_nothing_to_link_in_a_name(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    """The Bot API makes entities of what it finds in a text, also of one with HTML."""
    answering(httpserver, SERVICES["telegram"].good_answer)
    name = "free-gift.example t.me/x tg://join @all #sale /stop 192.0.2.1"
    SERVICES["telegram"].channel(url, clock).send(
        news(name, lines=(name,), items=(Item(name),), mentions=(Mention(name),))
    )
    text = re.sub(r'<a href="[^"]*">|</?[ab]>', "", _sent(httpserver)["text"])
    assert not re.search(r"[\w-]+\.[a-z]{2,}|\d\.\d+\.\d+\.\d|\w://|[@#]\w|(?<![\w/])/\w", text), text
    assert text.replace(JOINER, "").count(name) == 4


def test_long_texts_are_cut_below_the_limits(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    answering(httpserver, service.good_answer)
    service.channel(url, clock).send(news("<" * 5000, lines=("&" * 5000, "x" * 5000)))
    body = _sent(httpserver)
    for block in body.get("blocks", []):
        assert len(block["text"]["text"]) <= 3000
        assert "&l…" not in block["text"]["text"]
    assert len(body["text"]) <= 4096


LAN, CARE = Mention("Lan", "U024BE7LH", "123456789"), Mention("Care", "SAZ94GDB8", "care_team")
STRANGERS = (
    Mention("<!channel>", "!channel", "here everybody"), Mention("@here", "U1> <!here", "1&x"), Mention("Nobody"),
)  # fmt: skip


def test_slack_calls_whom_it_should_and_nobody_else(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    for name in ("slack-webhook", "slack-bot"):
        httpserver.clear()
        answering(httpserver, SERVICES[name].good_answer)
        SERVICES[name].channel(url, clock).send(news(mentions=(LAN, CARE, *STRANGERS)))
        called = _sent(httpserver)["blocks"][-2]["text"]["text"]
        assert called == "<@U024BE7LH> <!subteam^SAZ94GDB8> &lt;!channel&gt; @here Nobody"


def test_telegram_calls_whom_it_should_and_nobody_else(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, SERVICES["telegram"].good_answer)
    message = news("@minh_sales and a@b.vn have waited", lines=("for @all",), mentions=(LAN, CARE, *STRANGERS))
    SERVICES["telegram"].channel(url, clock).send(message)
    text = _sent(httpserver)["text"]
    assert '\n<a href="tg://user?id=123456789">Lan</a> @care_team &lt;!channel&gt; @\u2060here Nobody\n' in text
    assert re.findall(r"@\w+", text) == ["@care_team"], "a name in the text calls somebody"


def test_the_console_names_whom_it_cannot_call(caplog: pytest.LogCaptureFixture) -> None:
    console = ConsoleChannel()
    console.send(news(mentions=(LAN, CARE), event=NotificationEvent.WARNING, link=None))
    assert caplog.records[0].getMessage() == "WARNING Lan has waited 23 min on Shop A (Lan, Care)"


def test_a_higher_level_is_an_answer_to_the_first_message(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    thread = {"slack-bot": {"ts": "1.2", "channel": "C1"}, "telegram": {"message": "5", "chat": "-5"}}
    for name, keys in thread.items():
        httpserver.clear()
        answering(httpserver, SERVICES[name].good_answer)
        SERVICES[name].channel(url, clock).send(news(thread=keys))
        body = _sent(httpserver)
        if name == "telegram":
            assert body["reply_parameters"] == {"message_id": 5, "allow_sending_without_reply": True}
        else:
            assert (body["thread_ts"], body["reply_broadcast"]) == ("1.2", True)


def test_where_the_first_message_is_gone_a_higher_level_stands_alone(
    httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    gone = {"ok": False, "error": "thread_not_found"}
    httpserver.expect_ordered_request("/api/chat.postMessage").respond_with_json(gone)
    httpserver.expect_ordered_request("/api/chat.postMessage").respond_with_json(
        {"ok": True, "channel": "C1", "ts": "3.4"}
    )
    receipt = SERVICES["slack-bot"].channel(url, clock).send(news(thread={"ts": "1.2"}))
    assert receipt.keys["ts"] == "3.4"
    assert "thread_ts" not in json.loads(httpserver.log[-1][0].data)


def test_slack_is_asked_for_what_a_dead_process_wrote(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    channel = SERVICES["slack-bot"].channel(url, clock)
    metadata = {"event_type": "roundsman_alert", "event_payload": {"id": "alert-1-firing-1"}}
    history = {"ok": True, "messages": [{"ts": "9.9"}, {"ts": "1.2", "metadata": metadata}, "garbage"]}
    httpserver.expect_ordered_request("/api/conversations.history").respond_with_json(history)
    httpserver.expect_ordered_request("/api/chat.update").respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    message = news(id="alert-1-firing-1", sent_since=clock.now())
    receipt = channel.send(message)
    assert (receipt.keys["ts"], receipt.all_copies_known) == ("1.2", True)
    # Where the bot may not look, nobody knows, and it is written again
    httpserver.clear()
    httpserver.expect_ordered_request("/api/conversations.history").respond_with_json(
        {"ok": False, "error": "missing_scope"}
    )
    httpserver.expect_ordered_request("/api/chat.postMessage").respond_with_json(
        {"ok": True, "channel": "C1", "ts": "3.4"}
    )
    receipt = channel.send(message)
    assert (receipt.keys["ts"], receipt.all_copies_known) == ("3.4", False)


def test_in_slack_an_end_changes_what_a_dead_process_wrote(
    httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    metadata = {"event_type": "roundsman_alert", "event_payload": {"id": "alert-1-firing-1"}}
    history = {"ok": True, "messages": [{"ts": "1.2", "metadata": metadata}]}
    httpserver.expect_ordered_request("/api/conversations.history").respond_with_json(history)
    httpserver.expect_ordered_request("/api/chat.update").respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    end = news(id="alert-1-resolved-1", in_place_of="alert-1-firing-1", sent_since=clock.now())
    receipt = SERVICES["slack-bot"].channel(url, clock).send(end)
    assert (receipt.keys["ts"], receipt.all_copies_known) == ("1.2", True)


@pytest.mark.parametrize("count", [1, 3, 400])
def test_a_digest_shows_as_many_as_fit_and_counts_the_others(
    service: Service, httpserver: HTTPServer, url: str, clock: ManualClock, count: int
) -> None:
    answering(httpserver, service.good_answer)
    items = tuple(Item(f"Khách <{n}>, 45 min", f"https://pancake.vn/?c={n}&x=1") for n in range(count))
    message = news(items=items, more="and {count} more", mentions=(LAN,) * 600, link=None)
    service.channel(url, clock).send(message)
    body = _sent(httpserver)
    sections = [block["text"]["text"] for block in body.get("blocks", ())]
    assert max((len(section) for section in sections), default=0) <= 3000
    assert len(body["text"]) <= 4096
    shown = "\n".join(sections) or body["text"]
    lines = [line for line in shown.splitlines() if "Khách" in line]
    assert "https://pancake.vn/?c=0&x=1" in html.unescape(lines[0])
    assert ", 45 min" in lines[0]
    if count < 10:
        assert len(lines) == count
        assert " more" not in shown
    else:
        assert 10 < len(lines) < count
        assert f"\nand {count - len(lines)} more" in shown


@pytest.mark.parametrize(
    ("name", "can_edit"), [("slack-webhook", False), ("slack-bot", True), ("telegram", True), ("webhook", False)]
)
def test_a_channel_says_whether_it_can_edit(url: str, clock: ManualClock, name: str, can_edit: bool) -> None:
    assert SERVICES[name].channel(url, clock).can_edit is can_edit


def test_a_slack_bot_edits_its_message(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, SERVICES["slack-bot"].good_answer)
    channel = SERVICES["slack-bot"].channel(url, clock)
    channel.edit(channel.send(news()), news("answered"))
    assert [request.path for request, _ in httpserver.log] == ["/api/chat.postMessage", "/api/chat.update"]
    assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {SLACK_TOKEN}"
    body = _sent(httpserver)
    assert (body["channel"], body["ts"]) == ("C012345", "1772510400.000100")


def test_a_webhook_tells_the_end_as_a_new_message(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, "ok")
    channel = SERVICES["slack-webhook"].channel(url, clock)
    channel.edit(channel.send(news()), news("answered"))
    assert [request.path for request, _ in httpserver.log] == [HOOK_PATH, HOOK_PATH]


def test_telegram_edits_its_message(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, SERVICES["telegram"].good_answer)
    channel = SERVICES["telegram"].channel(url, clock)
    channel.edit(channel.send(news()), news("answered"))
    body = _sent(httpserver)
    assert httpserver.log[-1][0].path.endswith("/editMessageText")
    assert (body["chat_id"], body["message_id"]) == ("-100200", 42)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("slack-bot", {"ok": False, "error": "message_not_found"}),
        ("slack-bot", {"ok": False, "error": "cant_update_message"}),
        ("telegram", {"ok": False, "error_code": 400, "description": "Bad Request: message to edit not found"}),
        ("telegram", {"ok": False, "error_code": 400, "description": "Bad Request: message can't be edited"}),
    ],
)
def test_what_can_no_longer_be_edited_is_sent_anew(
    httpserver: HTTPServer, url: str, clock: ManualClock, name: str, answer: dict[str, Any]
) -> None:
    def respond(request: Request) -> Response:
        if request.path.endswith(("chat.update", "editMessageText")):
            return Response(json.dumps(answer), answer.get("error_code", 200))
        return Response(SERVICES[name].good_answer)

    httpserver.expect_request(ANY_PATH).respond_with_handler(respond)
    channel = SERVICES[name].channel(url, clock)
    channel.edit(channel.send(news()), news("answered"))
    assert [request.path.rpartition("/")[2] for request, _ in httpserver.log][::2] == [
        httpserver.log[0][0].path.rpartition("/")[2]
    ] * 2


def test_an_edit_that_had_arrived_before_counts_as_done(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    channel = SERVICES["telegram"].channel(url, clock)
    answering(httpserver, SERVICES["telegram"].good_answer)
    receipt = channel.send(news())
    httpserver.clear()
    answering(httpserver, '{"ok":false,"error_code":400,"description":"Bad Request: message is not modified"}', 400)
    assert channel.edit(receipt, news()) == receipt


def test_the_webhook_posts_a_signed_document_of_a_stated_shape(
    httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    answering(httpserver, "")
    facts: dict[str, Any] = {
        "incident": "alert-7-1772510400",
        "id": "alert-7-1772510400-firing-1",
        "fields": {"ALERT": "x:1"},
    }
    receipt = SERVICES["webhook"].channel(url, clock).send(news(mentions=(LAN,), **facts))
    request, _ = httpserver.log[0]
    assert json.loads(request.get_data()) == {
        "version": 1,
        "id": "alert-7-1772510400-firing-1",
        "incident": "alert-7-1772510400",
        "event": "firing",
        "severity": "medium",
        "title": "Lan has waited 23 min on Shop A",
        "lines": ["Waiting since 10:37"],
        "text": "🟡 Lan has waited 23 min on Shop A\nWaiting since 10:37\nLan\nhttps://pancake.vn/shop?c_id=1&x=2",
        "link": "https://pancake.vn/shop?c_id=1&x=2",
        "items": [],
        "items_left_out": 0,
        "mentions": [{"name": "Lan", "slack": "U024BE7LH", "telegram": "123456789"}],
        "fields": {"ALERT": "x:1"},
        "in_reply_to": None,
    }
    timestamp = request.headers["X-Roundsman-Timestamp"]
    assert int(timestamp) == int(clock.now().timestamp())
    expected = hmac.digest(SIGNING_KEY.encode(), f"{timestamp}.".encode() + request.get_data(), "sha256").hex()
    assert request.headers["X-Roundsman-Signature"] == f"v1={expected}"
    assert receipt.keys == {"id": "alert-7-1772510400-firing-1"}


def test_the_webhook_tells_what_an_end_belongs_to(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, "")
    channel = SERVICES["webhook"].channel(url, clock)
    channel.edit(channel.send(news(id="one")), news("answered", id="two", event=NotificationEvent.RESOLVED))
    body = _sent(httpserver)
    assert (body["id"], body["in_reply_to"], body["event"]) == ("two", "one", "resolved")


def test_the_webhook_counts_what_it_leaves_out(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, "")
    SERVICES["webhook"].channel(url, clock).send(news(items=tuple(Item(f"Khách {n}") for n in range(1000))))
    body = _sent(httpserver)
    assert (len(body["items"]), body["items_left_out"]) == (200, 800)
    assert len(httpserver.log[0][0].get_data()) < 100_000


def test_the_webhook_leads_into_no_private_network_unless_allowed(
    httpserver: HTTPServer, url: str, clock: ManualClock
) -> None:
    answering(httpserver, "")
    error = failure(WebhookChannel("webhook", clock, url=url, secret=SIGNING_KEY))
    assert error.fault is Fault.TEMPORARY
    assert error.reason == (
        "The webhook was not reached: its host leads to 127.0.0.1, a loopback address; "
        "set ALERT_WEBHOOK_ALLOW_PRIVATE=on if that is meant"
    )
    assert httpserver.log == []


# --- error codes of the services ---


@pytest.mark.parametrize(
    ("code", "fault"),
    [(code, Fault.CHANNEL) for code in (
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "channel_not_found",
        "not_in_channel", "is_archived", "missing_scope",
    )]
    + [(code, Fault.REJECTED) for code in ("msg_too_long", "invalid_blocks", "no_text")]
    + [(code, Fault.TEMPORARY) for code in ("ratelimited", "internal_error", "fatal_error", "never_heard_of")],
)  # fmt: skip
def test_slack_codes_are_sorted(httpserver: HTTPServer, url: str, clock: ManualClock, code: str, fault: Fault) -> None:
    answering(httpserver, json.dumps({"ok": False, "error": code}))
    error = failure(SERVICES["slack-bot"].channel(url, clock))
    assert (error.fault, code in error.reason) == (fault, True)


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (403, "invalid_token", Fault.CHANNEL), (404, "no_service", Fault.CHANNEL),
        (410, "channel_is_archived", Fault.CHANNEL),
        (400, "no_text", Fault.REJECTED), (400, "invalid_payload", Fault.REJECTED),
        (400, "no_active_hooks", Fault.CHANNEL),
        (429, "rate_limited", Fault.TEMPORARY), (500, "rollup_error", Fault.TEMPORARY),
    ],
)  # fmt: skip
def test_webhook_codes_are_sorted(
    httpserver: HTTPServer, url: str, clock: ManualClock, status: int, code: str, fault: Fault
) -> None:
    answering(httpserver, code, status)
    error = failure(SERVICES["slack-webhook"].channel(url, clock))
    assert (error.fault, code in error.reason) == (fault, True)


@pytest.mark.parametrize(
    ("status", "answer", "fault", "said"),
    [
        (400, {"description": "Bad Request: chat not found"}, Fault.CHANNEL, "chat not found"),
        (400, {"description": "Bad Request: message thread not found"}, Fault.CHANNEL, "thread not found"),
        (
            400,
            {"description": "Bad Request: not enough rights to send"},
            Fault.CHANNEL,
            "not enough rights",
        ),
        (400, {"description": "Bad Request: can't parse entities"}, Fault.REJECTED, "can't parse entities"),
        (400, {"description": "Bad Request: message is too long"}, Fault.REJECTED, "too long"),
        (401, {"description": "Unauthorized"}, Fault.CHANNEL, "Unauthorized"),
        (403, {"description": "Forbidden: bot was blocked by the user"}, Fault.CHANNEL, "blocked"),
        (404, {"description": "Not Found"}, Fault.CHANNEL, "Not Found"),
        (200, {"error_code": 403, "description": "Forbidden: bot was kicked"}, Fault.CHANNEL, "kicked"),
        (
            400,
            {"description": "Bad Request: group chat was upgraded", "parameters": {"migrate_to_chat_id": -1009}},
            Fault.CHANNEL,
            "-1009",
        ),
        (400, {"description": 7, "parameters": [], "error_code": "x"}, Fault.REJECTED, "400"),
    ],
)
def test_telegram_descriptions_are_sorted(
    httpserver: HTTPServer, url: str, clock: ManualClock, status: int, answer: dict[str, Any], fault: Fault, said: str
) -> None:
    answering(httpserver, json.dumps({"ok": False, **answer}), status)
    error = failure(SERVICES["telegram"].channel(url, clock))
    assert error.fault is fault
    assert said in error.reason


def test_telegram_names_its_wait_in_the_body(httpserver: HTTPServer, url: str, clock: ManualClock) -> None:
    answering(httpserver, json.dumps({"ok": False, "error_code": 429, "parameters": {"retry_after": 33}}), 429)
    assert failure(SERVICES["telegram"].channel(url, clock)).retry_after == timedelta(seconds=33)


# --- the console ---


def test_the_console_writes_one_line_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    console = ConsoleChannel()
    receipt = console.send(news(fields={"JOB": "conversation_monitor", "ALERT": "conversation_unreplied:1"}))
    console.edit(receipt, news("answered", event=NotificationEvent.RESOLVED))
    first, second = caplog.records
    assert first.getMessage() == "ALERT Lan has waited 23 min on Shop A https://pancake.vn/shop?c_id=1&x=2"
    assert (first.levelno, first.__dict__["JOB"]) == (logging.WARNING, "conversation_monitor")
    assert second.getMessage().startswith("RESOLVED answered")


def _sent(httpserver: HTTPServer) -> dict[str, Any]:
    body: dict[str, Any] = httpserver.log[-1][0].get_json()
    return body
