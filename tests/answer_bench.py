"""An alert that was told on a fake chat, a desk, and a listener: what the tests of answers work with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from alert_samples import KIND, ZONE, book_of, sender_of, unreplied
from fake_slack_app import APP_TOKEN, BOT_TOKEN, CHANNEL, FakeSlackApp, slack_app
from fake_telegram import CHAT, TOKEN, FakeTelegram, telegram
from shift_samples import local

from roundsman.alerts.answerers import Answerers
from roundsman.alerts.answers import AnswerDesk, Texts
from roundsman.alerts.channels.base import Channel
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.listeners.base import Listener
from roundsman.alerts.listeners.slack import SlackListener
from roundsman.alerts.listeners.telegram import TelegramListener
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import ManualClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.policies.staff import Staff
from roundsman.monitor.closing import ClosingOfWaits
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.audience import EVERYBODY, Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.identity import identity_of

ME = "here/boot/1/1"
STAFF = {
    "lan": Staff("lan", "Lan", slack="U0LAN", telegram="77"),
    "minh": Staff("minh", "Minh", slack="U0MINH", telegram="88"),
    "hoa": Staff("hoa", "Hoa", slack="hoa", telegram="@hoa"),
}
"""Hoa's are names, not ids."""
SOON, BRIEF = timedelta(milliseconds=400), timedelta(milliseconds=50)


@dataclass
class Bench:
    """A store, a sender, a desk, and one service."""

    store: Store
    clock: ManualClock
    server: FakeTelegram | FakeSlackApp
    channel: Channel
    seal: Seal
    make_listener: Callable[[Store], Listener]
    users: dict[str, str]
    """Ids by the names of people; of a stranger as well."""
    policies: PolicyBook = field(default_factory=lambda: PolicyBook(Policy("all", SOON, SOON), staff=STAFF))
    language: Language = Language.ENGLISH
    woken: int = 0

    def __post_init__(self) -> None:
        self.sender: Sender = sender_of(self.store, self.clock, [self.channel])
        self.sender.register()
        self.listener = self.make_listener(self.store)
        self.desk = self.desk_on(self.store)

    def desk_on(self, store: Store) -> AnswerDesk:
        return AnswerDesk(
            store,
            self.clock,
            self._wake,
            answerers=lambda: Answerers.of(self.policies.staff.values(), {("telegram", "99"): "An"}),
            policies=lambda: self.policies,
            texts=lambda: Texts(self.language, ZONE),
            closings={KIND: ClosingOfWaits()},
        )

    def _wake(self) -> None:
        self.woken += 1

    # --- alerts ---

    def fire(self, *subjects: str, audience: Audience = EVERYBODY, policy: str | None = None) -> None:
        """Open alerts, and tell of them."""
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.fire_all(
                [replace(unreplied(each, self.clock.now(), policy=policy), audience=audience) for each in subjects]
            )
        self.deliver()

    def resolve(self, subject: str) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.resolve(f"{KIND}:{subject}", "answered", answered_at="now", answered_by="Hoa", waited_minutes=24)
        self.deliver()

    def deliver(self) -> int:
        """Send all that is due, whatever the rates; returns how many messages that were."""
        done = 0
        while True:
            self.clock.advance(timedelta(seconds=5))
            if self.sender.run_once(self.channel.name) is Delivered.NOTHING:
                return done
            done += 1

    def at(self, wall_clock: str) -> None:
        """Let it become so late."""
        self.clock.advance(local(wall_clock) - self.clock.now())

    def alert(self, subject: str = "1") -> Alert:
        with self.store.read() as connection:
            found = [each for each in AlertRepository().latest(connection) if each.subject == subject]
        return found[0]

    def trail(self, subject: str = "1") -> list[tuple[str, str | None, str | None]]:
        """(event, by, via) of what people did."""
        with self.store.read() as connection:
            entries = AlertLog().of_alert(connection, self.alert(subject).id)
        return [
            (each.event.value, each.detail["by"], each.detail.get("via")) for each in entries if "by" in each.detail
        ]

    # --- people ---

    def press(self, label: str, who: str = "Lan", message: str | None = None, press: str | None = None) -> str:
        """Press a button, and hear what came of it; the listener runs."""
        return self.heard(lambda: self.server.press(label, self.users[who], who, message, press=press))

    def heard(self, act: Callable[[], None]) -> str:
        """What is said because of something."""
        said = self.server.chat.said
        before = len(said)
        act()
        self.server.chat.wait_for(lambda: len(said) > before)
        return said[-1][1]

    @property
    def labels(self) -> list[str]:
        return list(self.server.chat.newest.buttons)


@contextmanager
def telegram_bench(store: Store, clock: ManualClock) -> Iterator[Bench]:
    with telegram() as server:
        seal = Seal(TOKEN, lambda: identity_of(store))
        channel = TelegramChannel("telegram", clock, bot_token=TOKEN, target=CHAT, api_url=server.url, seal=seal)

        def listener(on: Store) -> Listener:
            return TelegramListener(
                on,
                clock,
                ME,
                bot_token=TOKEN,
                seal=seal,
                api_url=server.url,
                poll=timedelta(seconds=1),
                timeout=SOON,
                first_pause=BRIEF,
            )

        users = {"Lan": "77", "Minh": "88", "An": "99", "stranger": "666"}
        yield Bench(store, clock, server, channel, seal, listener, users)


@contextmanager
def slack_bench(store: Store, clock: ManualClock) -> Iterator[Bench]:
    with slack_app() as server:
        seal = Seal(BOT_TOKEN, lambda: identity_of(store))
        api = f"{server.url}/api/"
        channel = SlackChannel("slack", clock, bot_token=BOT_TOKEN, channel=CHANNEL, api_url=api, seal=seal)

        def listener(_on: Store) -> Listener:
            return SlackListener(
                clock,
                app_token=APP_TOKEN,
                bot_token=BOT_TOKEN,
                seal=seal,
                api_url=api,
                ping=timedelta(milliseconds=200),
                timeout=SOON,
                first_pause=BRIEF,
                confirm_within=BRIEF,
            )

        users = {"Lan": "U0LAN", "Minh": "U0MINH", "stranger": "U0EVE"}
        yield Bench(store, clock, server, channel, seal, listener, users)


BENCHES = {"telegram": telegram_bench, "slack": slack_bench}
