"""E-mail against a real mail server: what it sends, how it takes each answer, and what never leaks."""

import base64
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alert_samples import raw_server, reset
from certificates import certificate_for
from mail_server import PASSWORD, USER, MailServer, mail_server

from roundsman.alerts.channels.base import DeliveryError, Fault
from roundsman.alerts.channels.email import EmailChannel, Security
from roundsman.alerts.channels.inert import JOINER
from roundsman.alerts.channels.mail_body import LONGEST_TEXT
from roundsman.alerts.message import Item, Message, one_line
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention
from roundsman.repositories.notifications import NotificationEvent

LAN, MINH = "lan@example.org", "minh@example.org"
SOON = timedelta(milliseconds=300)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS; its certificate is for localhost and trusted by everybody in this test."""
    file = certificate_for("localhost", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def channel_to(port: int, clock: ManualClock, **changes: Any) -> EmailChannel:
    facts: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "security": Security.NONE,
        "sender": "alerts@shop.example",
        "recipients": (LAN, MINH),
    } | changes
    return EmailChannel("email", clock, **facts)


def news(title: str = "Lan has waited 23 min on Shop A", **changes: Any) -> Message:
    facts: dict[str, Any] = {
        "lines": ("Waiting since 10:37",),
        "severity": Severity.HIGH,
        "event": NotificationEvent.FIRING,
        "link": "https://pancake.vn/shop?c_id=1&x=2",
        "link_label": "Open the conversation",
        "incident": "alert-7-1772510400",
        "id": "alert-7-1772510400-firing-1",
    } | changes
    return Message(title, **facts)


def end() -> Message:
    return news("answered by Hoa", event=NotificationEvent.RESOLVED, id="alert-7-1772510400-resolved-1")


def failure(channel: EmailChannel) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        channel.send(news())
    return caught.value


# --- what is sent ---


def test_one_mail_goes_to_all_as_text_and_as_html(server: MailServer, clock: ManualClock) -> None:
    receipt = channel_to(server.port, clock).send(news(mentions=(Mention("Care"),)))
    (mail,) = server.mails
    assert server.recipients == [[LAN, MINH]]
    assert (mail["From"], mail["To"]) == ("Roundsman <alerts@shop.example>", f"{LAN}, {MINH}")
    assert mail["Subject"] == "🟠 Lan has waited 23 min on Shop A"
    assert mail["Date"].datetime == clock.now()
    assert (mail["Auto-Submitted"], mail["Importance"]) == ("auto-generated", "high")
    assert server.text().splitlines() == [
        "🟠 Lan has waited 23 min on Shop A", "Waiting since 10:37", "Care", "https://pancake.vn/shop?c_id=1&x=2",
    ]  # fmt: skip
    assert "<b>🟠 Lan has waited 23 min on Shop A</b>" in server.html()
    assert '<a href="https://pancake.vn/shop?c_id=1&amp;x=2">Open the conversation</a>' in server.html()
    assert receipt.words == "accepted by 127.0.0.1 for 2"


def test_an_end_and_a_higher_level_lie_below_their_alert(server: MailServer, clock: ManualClock) -> None:
    channel = channel_to(server.port, clock)
    receipt = channel.send(news())
    channel.send(news("Lan has waited 45 min on Shop A", id="alert-7-1772510400-firing-2"))
    channel.edit(receipt, end())
    first, second, answer = server.mails
    ancestor = first["References"]
    assert second["References"] == ancestor
    assert answer["References"] == f"{ancestor} {first['Message-ID']}"
    assert answer["In-Reply-To"] == first["Message-ID"]
    assert answer["Subject"] == "Re: 🟠 Lan has waited 23 min on Shop A"
    assert server.text().startswith("✅ answered by Hoa")
    assert answer["Importance"] is None
    assert len({mail["Message-ID"] for mail in server.mails} | {ancestor}) == 4


def test_a_repeat_has_the_same_id_and_another_alert_has_another(server: MailServer, clock: ManualClock) -> None:
    channel = channel_to(server.port, clock)
    for message in (news(), news(), news(incident="alert-8-1772510400", id="alert-8-1772510400-firing-1")):
        channel.send(message)
    one, repeat, other = (mail["Message-ID"] for mail in server.mails)
    assert one == repeat
    assert one != other
    assert re.fullmatch(r"<[0-9a-f]{24}@shop\.example>", one)


def test_a_test_message_belongs_to_nothing(server: MailServer, clock: ManualClock) -> None:
    channel = channel_to(server.port, clock)
    for _ in range(2):
        channel.send(news(incident="", id=""))
    one, two = server.mails
    assert one["References"] is None
    assert one["Message-ID"] != two["Message-ID"]


def test_a_long_domain_does_not_break_the_line_of_an_id(server: MailServer, clock: ManualClock) -> None:
    channel = channel_to(server.port, clock, sender=f"a@{'x' * 60}.{'y' * 60}.example")
    channel.edit(channel.send(news()), end())
    assert server.mails[1]["In-Reply-To"] == server.mails[0]["Message-ID"]
    assert server.mails[0]["Message-ID"].endswith("@roundsman.invalid>")


def test_names_are_text(server: MailServer, clock: ManualClock) -> None:
    nasty = '<b>Lan</b> & "co" <script>x</script>\r\nBcc: all@example.org\x1b[31m'
    channel_to(server.port, clock).send(news(one_line(f"{nasty} has waited"), lines=(one_line(nasty),)))
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert "<script>" not in server.html()
    assert "&lt;b&gt;Lan&lt;/\u2060b&gt; &amp; &quot;co&quot;" in server.html()


def test_long_texts_are_cut(server: MailServer, clock: ManualClock) -> None:
    channel_to(server.port, clock).send(news("<" * 5000, lines=("&" * 50_000, "x" * 5000)))
    assert len(server.mails[0]["Subject"]) <= 200
    assert len(server.text()) <= LONGEST_TEXT + 1
    assert len(server.html()) <= LONGEST_TEXT + 500
    assert not re.search(r"&(?!lt;|amp;)", server.html()), "an entity was cut in two"


@pytest.mark.parametrize("count", [3, 1000])
def test_a_digest_shows_as_many_as_fit_and_counts_the_others(
    server: MailServer, clock: ManualClock, count: int
) -> None:
    items = tuple(Item(f"Khách <{n}>, 45 min", f"https://pancake.vn/?c={n}&x=1") for n in range(count))
    channel_to(server.port, clock).send(news(items=items, more="and {count} more", link=None))
    for shown in (server.text(), server.html()):
        lines = [line for line in shown.splitlines() if "Khách" in line]
        assert "c=0&" in lines[0]
        assert len(lines) == count or f"and {count - len(lines)} more" in shown
        assert len(lines) == count or 10 < len(lines) < count


# --- encryption and login ---


def test_starttls_verifies_the_server_before_it_logs_in(trusted: ssl.SSLContext, clock: ManualClock) -> None:
    login: dict[str, Any] = {"security": Security.STARTTLS, "user": USER, "password": PASSWORD}
    with mail_server(starttls=trusted, require_starttls=True) as server:
        channel_to(server.port, clock, host="localhost", **login).send(news())
        assert (server.logins, len(server.mails)) == ([USER], 1)
        error = failure(channel_to(server.port, clock, host="127.0.0.1", **login))
        assert (error.fault, error.reason) == (
            Fault.TEMPORARY, "The mail server was not reached: its certificate is not trusted",
        )  # fmt: skip
        assert len(server.logins) == 1


def test_tls_from_the_first_byte_verifies_too(trusted: ssl.SSLContext, clock: ManualClock) -> None:
    with mail_server(tls=trusted) as server:
        channel_to(server.port, clock, host="localhost", security=Security.TLS).send(news())
        assert len(server.mails) == 1
        error = failure(channel_to(server.port, clock, security=Security.TLS))
        assert "certificate is not trusted" in error.reason


def test_a_server_without_starttls_gets_neither_password_nor_message(server: MailServer, clock: ManualClock) -> None:
    error = failure(channel_to(server.port, clock, security=Security.STARTTLS, user=USER, password=PASSWORD))
    assert (error.fault, error.reason) == (
        Fault.CHANNEL, "The mail server does not offer STARTTLS; change its settings here",
    )  # fmt: skip
    assert (server.logins, server.mails) == ([], [])


def test_a_server_without_logins_is_a_fault_of_the_settings(clock: ManualClock) -> None:
    with mail_server(logins=False) as server:
        error = failure(channel_to(server.port, clock, user=USER, password=PASSWORD))
    assert (error.fault, "login" in error.reason) == (Fault.CHANNEL, True)


def test_a_wrong_password_switches_the_channel_off(server: MailServer, clock: ManualClock) -> None:
    error = failure(channel_to(server.port, clock, user=USER, password="wrongSecretPassword"))
    assert error.fault is Fault.CHANNEL
    assert "answered 535" in error.reason


# --- answers ---


@pytest.mark.parametrize(
    ("step", "answer", "fault"),
    [
        ("MAIL", "421 too busy", Fault.TEMPORARY), ("MAIL", "450 later", Fault.TEMPORARY),
        ("MAIL", "451 local error", Fault.TEMPORARY), ("MAIL", "452 no room", Fault.TEMPORARY),
        ("MAIL", "530 log in first", Fault.CHANNEL), ("MAIL", "550 who are you", Fault.CHANNEL),
        ("MAIL", "552 too large", Fault.REJECTED), ("MAIL", "553 no such sender", Fault.CHANNEL),
        ("DATA", "421 going down", Fault.TEMPORARY), ("DATA", "451 greylisted", Fault.TEMPORARY),
        ("DATA", "550 spam", Fault.REJECTED), ("DATA", "552 too large", Fault.REJECTED),
        ("DATA", "554 no", Fault.REJECTED), ("AUTH", "454 not now", Fault.TEMPORARY),
        ("AUTH", "535 wrong", Fault.CHANNEL), ("AUTH", "534 too weak", Fault.CHANNEL),
    ],
)  # fmt: skip
def test_each_answer_is_sorted_by_what_it_means(
    server: MailServer, clock: ManualClock, step: str, answer: str, fault: Fault
) -> None:
    server.answers[step] = answer
    login = {"user": USER, "password": PASSWORD} if step == "AUTH" else {}
    error = failure(channel_to(server.port, clock, **login))
    assert error.fault is fault
    assert error.reason == f"The mail server answered {answer}"
    assert server.mails == []


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        (("550 unknown", "550 unknown"), Fault.REJECTED),
        (("550 unknown", "450 greylisted"), Fault.TEMPORARY),
        (("450 greylisted", "450 greylisted"), Fault.TEMPORARY),
        (("530 log in first", "530 log in first"), Fault.CHANNEL),
    ],
)
def test_a_message_that_is_taken_for_nobody_is_no_delivery(
    server: MailServer, clock: ManualClock, answers: tuple[str, str], fault: Fault
) -> None:
    server.answers.update({LAN: answers[0], MINH: answers[1]})
    error = failure(channel_to(server.port, clock))
    assert error.fault is fault
    assert error.reason == f"The mail server took it for nobody: {LAN}: {answers[0]}; {MINH}: {answers[1]}"


def test_a_message_that_is_taken_for_some_is_delivered_and_says_who_is_missing(
    server: MailServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers[MINH] = "550 no such user"
    receipt = channel_to(server.port, clock).send(news())
    assert server.recipients == [[LAN]]
    assert receipt.words == f"accepted by 127.0.0.1 for 1 of 2 recipients; refused: {MINH}: 550 no such user"
    (line,) = [record for record in caplog.records if record.name.startswith("roundsman")]
    assert (line.levelno, line.__dict__["CHANNEL"]) == (logging.WARNING, "email")
    assert MINH in line.getMessage()


# --- no answer ---


def _nothing(_: socket.socket) -> None:
    pass


def _garbage(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01 this is no SMTP\r\n")


def _http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def _endless_line(connection: socket.socket) -> None:
    connection.sendall(b"220 " + b"x" * 200_000)


def _not_today(connection: socket.socket) -> None:
    connection.sendall(b"554 no service here\r\n")


def _gone_after_the_greeting(connection: socket.socket) -> None:
    connection.sendall(b"220 welcome\r\n")
    connection.recv(100)


@pytest.mark.parametrize(
    "answer", [reset, _nothing, _garbage, _http, _endless_line, _not_today, _gone_after_the_greeting]
)
@pytest.mark.parametrize("security", list(Security))
def test_a_broken_connection_is_temporary(
    clock: ManualClock, answer: Callable[[socket.socket], None], security: Security
) -> None:
    with raw_server(answer, speaks_first=True) as url:
        error = failure(channel_to(_port(url), clock, security=security, timeout=SOON))
    assert error.fault is Fault.TEMPORARY
    assert error.reason.startswith("The mail server ")


@pytest.mark.parametrize("security", list(Security))
def test_a_server_that_never_speaks_is_given_up_in_time(clock: ManualClock, security: Security) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(channel_to(silent.getsockname()[1], clock, security=security, timeout=SOON))
    assert error.reason == "The mail server was not reached: no answer in time"


def test_a_greeting_that_drips_is_given_up_in_time(clock: ManualClock) -> None:
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not ended.wait(0.05):
            connection.sendall(b"2")

    with raw_server(drip, speaks_first=True) as url:
        error = failure(channel_to(_port(url), clock, timeout=SOON))
        ended.set()
    assert error.reason == "The mail server was not reached: no answer in time"


def test_a_farewell_that_fails_does_not_undo_the_delivery(clock: ManualClock) -> None:
    def take_and_vanish(connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        connection.sendall(b"220 hello\r\n")
        while line := stream.readline().lower():
            if line.startswith(b"quit"):
                return
            if not line.startswith(b"data"):
                connection.sendall(b"250 OK\r\n")
            else:
                connection.sendall(b"354 go on\r\n")
                while stream.readline() != b".\r\n":
                    pass
                connection.sendall(b"250 taken\r\n")

    with raw_server(take_and_vanish, speaks_first=True) as url:
        assert channel_to(_port(url), clock).send(news()).words.startswith("accepted")


def test_a_closed_port_and_an_unknown_host_are_told_apart(clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failure(channel_to(port, clock)).reason == "The mail server was not reached: connection refused"
    unknown = failure(channel_to(port, clock, host="no-such-host.invalid"))
    assert unknown.fault is Fault.TEMPORARY


# --- secrets ---


def test_no_secret_is_in_an_error_a_log_line_or_a_repr(
    server: MailServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = channel_to(server.port, clock, user=USER, password=PASSWORD)
    both = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    alone = base64.b64encode(PASSWORD.encode()).decode()
    texts = [repr(channel), str(channel), channel.identity, repr(channel.rates)]
    for code in (454, 535, 550):
        server.answers["AUTH"] = f"{code} you said {PASSWORD} or AUTH PLAIN {both} or {alone}"
        error = failure(channel)
        texts += [str(error), repr(error), error.reason, repr(error.__context__), repr(error.__cause__)]
    texts += [record.getMessage() for record in caplog.records if record.name.startswith("roundsman")]
    for secret in (PASSWORD, both, alone):
        assert not any(secret in text for text in texts), secret


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_no_form_of_a_mail_has_a_link_that_a_name_looks_like(server: MailServer, clock: ManualClock) -> None:
    name = "free-gift.example https://evil.example/x www.example.com"
    channel_to(server.port, clock).send(
        news(name, lines=(name,), items=(Item(name),), mentions=(Mention(name),), link=None)
    )
    (mail,) = server.mails
    plain = mail.get_body(("plain",))
    assert plain is not None
    for told in (server.html(), plain.get_content()):
        assert not re.search(r"\w\.[a-z]{2,}|\w://", told), told
        assert told.replace(JOINER, "").count(name) == 4
