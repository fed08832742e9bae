"""From an alert to a mailbox, a webhook and the inbox: what is told belongs together wherever it arrives."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from alert_samples import KIND, ZONE, book_of, sender_of, unreplied
from mail_server import mail_server
from pytest_httpserver import HTTPServer

from roundsman.alerts.channels.base import Channel
from roundsman.alerts.channels.email import EmailChannel, Security
from roundsman.alerts.channels.in_app import InAppChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.channels.webhook import WebhookChannel
from roundsman.alerts.condition import Escalation
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language, render_test
from roundsman.clock import ManualClock
from roundsman.repositories.engine import Store
from roundsman.repositories.inbox import InboxRepository


def live_through_an_incident(store: Store, clock: ManualClock, channels: Sequence[Channel]) -> None:
    """A customer waits, waits longer, and is answered."""
    sender = sender_of(store, clock, channels)
    sender.register()
    book = book_of(store, clock, sender)
    with book.transaction("monitor") as desk:
        desk.fire(unreplied("1", clock.now()))
    deliver(sender)
    clock.advance(timedelta(minutes=20))
    with book.transaction("monitor") as desk:
        desk.escalate(Escalation(f"{KIND}:1", 2))
    deliver(sender)
    clock.advance(timedelta(minutes=5))
    with book.transaction("monitor") as desk:
        desk.resolve(f"{KIND}:1", "answered", answered_at="now", answered_by="Hoa", waited_minutes=48)
    deliver(sender)


def deliver(sender: Sender) -> None:
    for channel in sender.channels:
        while (delivered := sender.run_once(channel.name)) is not Delivered.NOTHING:
            assert delivered is Delivered.SENT


def test_all_mails_of_an_incident_lie_below_one_ancestor(store: Store, clock: ManualClock) -> None:
    with mail_server() as server:
        email = EmailChannel(
            "email",
            clock,
            host="127.0.0.1",
            port=server.port,
            security=Security.NONE,
            sender="alerts@shop.example",
            recipients=("lan@example.org",),
        )
        live_through_an_incident(store, clock, [email])
    first, second, end = server.mails
    ancestor = first["References"]
    assert {mail["References"].split()[0] for mail in server.mails} == {ancestor}
    assert (end["Subject"], end["In-Reply-To"]) == (f"Re: {second['Subject']}", second["Message-ID"])
    assert first["Message-ID"] != second["Message-ID"]
    assert "answered by Hoa after 48 min" in server.text()


def test_a_webhook_can_tell_which_posts_belong_together(
    store: Store, clock: ManualClock, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/").respond_with_data("")
    url = httpserver.url_for("/")
    webhook = WebhookChannel("webhook", clock, url=url, secret="a secret of sixteen", allow_private=True)
    live_through_an_incident(store, clock, [webhook])
    posts = [request.get_json() for request, _ in httpserver.log]
    (incident,) = {post["incident"] for post in posts}
    assert re.fullmatch(r"alert-\d+-\d{10}", incident)
    assert [post["id"] for post in posts] == [
        f"{incident}-firing-1", f"{incident}-firing-2", f"{incident}-resolved-2",
    ]  # fmt: skip
    assert [post["in_reply_to"] for post in posts] == [None, None, f"{incident}-firing-2"]


def test_the_inbox_holds_a_message_a_level_and_all_of_them_end(store: Store, clock: ManualClock) -> None:
    live_through_an_incident(store, clock, [InAppChannel("in_app", clock, store)])
    with store.read() as connection:
        found = InboxRepository().latest(connection, 10)
    assert [message.content.event for message in found] == ["resolved", "resolved"]
    assert all("answered by Hoa" in message.content.title for message in found)
    assert all(message.changed_at == clock.now() for message in found)


def test_two_topics_of_a_group_share_its_rate(store: Store, clock: ManualClock, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/bot1:abcdefghijk/sendMessage").respond_with_json(
        {"ok": True, "result": {"message_id": 5}}
    )
    url = httpserver.url_for("").rstrip("/")
    channels = [
        TelegramChannel(f"telegram:{topic}", clock, bot_token="1:abcdefghijk", target=f"-100:{topic}", api_url=url)
        for topic in (7, 8)
    ]
    sender = sender_of(store, clock, channels)
    sender.register()
    with book_of(store, clock, sender).transaction("monitor") as desk:
        desk.fire_all([unreplied(str(number), clock.now()) for number in range(4)])
    done = [sender.run_once(channel.name) for _ in range(4) for channel in channels]
    assert (done.count(Delivered.SENT), done.count(Delivered.NOT_YET)) == (5, 3)
    assert {request.get_json()["message_thread_id"] for request, _ in httpserver.log} == {7, 8}
    clock.advance(timedelta(seconds=4))
    assert [sender.run_once(channel.name) for channel in channels].count(Delivered.SENT) == 1


@pytest.mark.parametrize("topic", ["", ":7"])
def test_a_topic_is_named_only_where_there_is_one(clock: ManualClock, httpserver: HTTPServer, topic: str) -> None:
    httpserver.expect_request("/bot1:abcdefghijk/sendMessage").respond_with_json({"ok": True, "result": {}})
    url = httpserver.url_for("").rstrip("/")
    channel = TelegramChannel("telegram", clock, bot_token="1:abcdefghijk", target=f"-100{topic}", api_url=url)
    channel.send(render_test(Language.ENGLISH, clock.now(), ZONE))
    assert httpserver.log[0][0].get_json().get("message_thread_id") == (7 if topic else None)
