"""Ten thousand alerts at once, told to Slack and Telegram over HTTP by the real channels, on days with faults."""

import re
from datetime import timedelta

import pytest
from alert_samples import ZONE, unreplied
from fake_chats import FakeChats, chats

from roundsman.alerts.book import AlertBook
from roundsman.alerts.channels.base import Channel
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.condition import Condition
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.keeper import AlertKeeper
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import EVERYBODY, Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.notifications import NotificationRepository

ROUNDS, IN_A_ROUND, ALONE, CRITICAL = 19, 500, 400, 100
EVERYTHING = ROUNDS * IN_A_ROUND + ALONE + CRITICAL
SALES = Audience("Sales", digest_from=5)
STEP = timedelta(milliseconds=250)
GROUPS = ("-1001", "-1002")


def condition(number: int, clock: ManualClock, severity: Severity, audience: Audience) -> Condition:
    facts = vars(unreplied(f"c{number}", clock.now(), timedelta(minutes=20 + number % 90)))
    return Condition(**{**facts, "severity": severity, "audience": audience})


def burst(book: AlertBook, clock: ManualClock) -> None:
    """Rounds of many, then one by one, and the critical ones at the very end."""
    number = 0
    sizes = [IN_A_ROUND] * ROUNDS + [1] * ALONE
    for size in sizes:
        with book.transaction("monitor") as desk:
            audience = SALES if size > 1 else EVERYBODY
            desk.fire_all([condition(number + each, clock, Severity.MEDIUM, audience) for each in range(size)])
        number += size
    for _ in range(CRITICAL):
        with book.transaction("monitor") as desk:
            desk.fire(condition(number, clock, Severity.CRITICAL, EVERYBODY))
        number += 1


def told_of(text: str) -> int:
    """How many alerts a message is about, by its own words."""
    found = re.search(r"(\d+) customers have waited too long", text)
    return int(found[1]) if found else 1


def deliver_everything(sender: Sender, store: Store, clock: ManualClock) -> None:
    for _ in range(200_000):
        came_of_it = [sender.run_once(channel.name) for channel in sender.channels]
        clock.advance(STEP)
        if set(came_of_it) == {Delivered.NOTHING}:
            with store.read() as connection:
                if not NotificationRepository().backlog(connection):
                    return
            sender.wake()
    pytest.fail("there is no end to it")


def is_critical(text: str) -> bool:
    return "🔴" in text


def assert_all_were_told(server: FakeChats) -> None:
    assert set(server.texts) == {"slack:C1", *(f"telegram:{group}" for group in GROUPS)}
    for chat, texts in server.texts.items():
        assert sum(map(told_of, texts)) == EVERYTHING, chat
        urgent = [is_critical(text) for text in texts]
        assert urgent == sorted(urgent, reverse=True), f"{chat}: something else was told before the critical ones"
        assert sum(told_of(text) for text in texts if is_critical(text)) == CRITICAL
        assert len(texts) < 120, f"{chat} got {len(texts)} messages"


@pytest.mark.slow
@pytest.mark.parametrize("store_name", ["sqlite_store", pytest.param("postgres_store", marks=pytest.mark.postgres)])
def test_ten_thousand_alerts_are_told_within_the_rates_and_the_critical_ones_first(
    request: pytest.FixtureRequest, store_name: str, clock: ManualClock
) -> None:
    store: Store = request.getfixturevalue(store_name)
    with chats(clock.monotonic, seed=5, faults=0.15) as server:
        channels: list[Channel] = [
            SlackChannel("slack", clock, bot_token="xoxb-1-abcdefghijk", channel="C1", api_url=f"{server.url}/api/"),
            *(
                TelegramChannel(f"telegram:{group}", clock, bot_token="1:abcdefghijk", target=group, api_url=server.url)
                for group in GROUPS
            ),
        ]
        book = AlertBook(store, clock, [each.name for each in channels], lambda: None)
        keeper = AlertKeeper(store, clock, book)
        sender = Sender(
            store, clock, Owner.this_process(), channels, language=Language.ENGLISH, zone=ZONE, keep=keeper.keep
        )
        sender.register()
        burst(book, clock)
        deliver_everything(sender, store, clock)
        assert server.provoked == []
        assert set(server.met) == {"asked_to_wait", "unavailable", "reset", "slow"}
        assert_all_were_told(server)
