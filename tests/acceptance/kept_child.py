"""The victim of `test_kill_keeping.py`: one day of alerts that are held, released, repeated, raised and ended.

Started once, it imports everything and forks one life after another, each with one line from stdin: the store, the
file of progress, the service and its address, the point at which to die, if any, and whether all has ended meanwhile.
A life goes through the day from where the last one died, and writes the names of its points when it comes to the end. A
step that was begun is begun again.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crash_points import Points, watch_commits

from roundsman.alerts.book import AlertBook
from roundsman.alerts.channels.base import Channel, Receipt
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.channels.telegram_api import TelegramApi
from roundsman.alerts.condition import Condition, Escalation
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.keeper import AlertKeeper
from roundsman.alerts.message import Message
from roundsman.alerts.rate import Rate
from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import Route, RouteLevel, Rules
from roundsman.alerts.sender import Sender
from roundsman.alerts.silencing import Silencer
from roundsman.alerts.templates import Language
from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.alert_answers import AlertAnswers, Author
from roundsman.repositories.alerts import AlertRepository, Severity
from roundsman.repositories.audience import EVERYBODY, Audience
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.silences import NewSilence

KIND = "conversation_unreplied"
MORNING = datetime(2026, 3, 3, 1, tzinfo=UTC)  # 08:00 in Hanoi
SALES = Audience("Sales", digest_from=2)


class Office:
    """Closed until two hours after the beginning."""

    name = "office"

    def is_open(self, at: datetime) -> bool:
        return at >= self.opens_at(at)

    def opens_at(self, at: datetime) -> datetime:
        return MORNING + timedelta(hours=2)


RULES = Rules(
    (
        Route("quiet", (Matcher.parse("team=Sales"),), hours=Office()),
        Route(
            "loud", (Matcher.parse("kind=job_failing"),), repeat=timedelta(hours=4),
            levels=(RouteLevel(2, timedelta(hours=1)),),
        ),
    )
)  # fmt: skip


class Watched:
    """The channel with points around its calls."""

    def __init__(self, channel: Channel, points: Points) -> None:
        self._channel, self._points = channel, points
        self.name, self.identity, self.can_edit = channel.name, channel.identity, channel.can_edit
        self.rates: tuple[Rate, ...] = ()

    def send(self, message: Message) -> Receipt:
        with self._points.around("send"):
            return self._channel.send(message)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        with self._points.around("edit"):
            return self._channel.edit(receipt, message)


def channel_of(service: str, address: str, clock: ManualClock) -> Channel:
    if service == "slack":
        return SlackChannel("chat", clock, bot_token="xoxb-1-abcdefghijk", channel="C1", api_url=f"{address}/api/")
    return TelegramChannel("chat", clock, bot_token="1:abcdefghijk", target="C1", api_url=address)


def watch_calls(points: Points) -> None:
    """Points around each call of the Bot API."""
    call = TelegramApi.call

    def watched(api: TelegramApi, method: str, *more: Any, **also: Any) -> Any:
        with points.around(method):
            return call(api, method, *more, **also)

    TelegramApi.call = watched  # type: ignore[method-assign, assignment]


class Day:
    """One life's view of it."""

    def __init__(self, url: str, service: str, address: str, points: Points) -> None:
        self.clock = ManualClock(MORNING)
        self.store = Store(StoreOptions(parse_url(url)))
        watch_commits(self.store, points)
        watch_calls(points)
        self.channel: Channel = Watched(channel_of(service, address, self.clock), points)
        self.book = AlertBook(self.store, self.clock, ["chat"], lambda: None, RULES)
        self.keeper = AlertKeeper(self.store, self.clock, self.book)
        self.sender = Sender(
            self.store, self.clock, Owner.this_process(), [self.channel], language=Language.ENGLISH,
            zone=ZoneInfo("Asia/Ho_Chi_Minh"), keep=self.keeper.keep,
        )  # fmt: skip
        self.sender.register()

    def fire(self, *names: str, audience: Audience = EVERYBODY, kind: str = KIND) -> None:
        """One after another: each is a transaction of its own."""
        for name in names:
            facts = {"customer_name": f"incident-{name}-"}
            with self.book.transaction("monitor") as desk:
                desk.fire(Condition(kind, name, Severity.MEDIUM, MORNING, {"name": name}, facts, audience=audience))

    def end(self, *names: str, kind: str = KIND) -> None:
        for name in names:
            with self.book.transaction("monitor") as desk:
                desk.resolve(f"{kind}:{name}", "answered", answered_by="Lan")

    def rise(self, name: str) -> None:
        with self.book.transaction("monitor") as desk:
            desk.escalate(Escalation(f"{KIND}:{name}", 2))

    def silence(self) -> None:
        draft = NewSilence(("name=silenced",), "Minh", "why", self.clock.now(), self.clock.now() + timedelta(hours=1))
        with self.store.write() as connection:
            Silencer().add(connection, draft, self.clock.now())

    def snooze(self, name: str) -> None:
        now = self.clock.now()
        with self.store.write() as connection:
            found = {alert.subject: alert.id for alert in AlertRepository().all_open(connection)}
            AlertAnswers().snooze(connection, found[name], Author("Lan"), now, until=MORNING + timedelta(hours=3))

    def deliver(self) -> None:
        self.sender.wake()
        while self.sender.run_once("chat") is not Delivered.NOTHING:
            pass


STEPS: Mapping[float, Callable[[Day], None]] = {
    0.00: lambda day: day.silence(),
    0.01: lambda day: day.fire("told", "snoozed", "silenced"),
    0.015: lambda day: day.fire("failing", kind="job_failing"),
    0.02: lambda day: day.fire("quiet", "quiet2", "gone", audience=SALES),
    0.03: lambda day: day.deliver(),
    0.04: lambda day: day.snooze("snoozed"),
    0.05: lambda day: day.rise("told"),
    0.06: lambda day: day.end("gone"),
    1.10: lambda day: day.deliver(),  # the silence is over, the job has risen by its route
    2.10: lambda day: day.deliver(),  # the office is open
    3.10: lambda day: day.deliver(),  # so is the snooze
    3.20: lambda day: day.end("told", "quiet"),
    3.30: lambda day: day.deliver(),
    5.10: lambda day: day.deliver(),  # the job is told again
    5.20: lambda day: day.end("quiet2", "snoozed", "silenced"),
    5.30: lambda day: day.end("failing", kind="job_failing"),
    5.40: lambda day: day.deliver(),
}  # fmt: skip


def live(url: str, progress: Path, service: str, address: str, kill_at: str | None, *, is_over: bool) -> None:
    points = Points(kill_at)
    day = Day(url, service, address, points)
    if is_over:
        day.clock.advance(timedelta(hours=6))
        day.end("told", "snoozed", "silenced", "quiet", "quiet2", "gone")
        day.end("failing", kind="job_failing")
        day.deliver()
        return
    done = int(progress.read_text() or 0) if progress.exists() else 0
    for number, (hours, step) in enumerate(STEPS.items()):
        day.clock.advance(MORNING + timedelta(hours=hours) - day.clock.now())
        if number < done:
            continue
        step(day)
        written = progress.with_suffix(".new")
        written.write_text(str(number + 1))
        written.replace(progress)
    progress.with_suffix(".points").write_text(json.dumps(points.names))


def main() -> None:
    logging.disable()  # two hundred lives say the same
    for line in sys.stdin:
        url, progress, service, address, kill_at, is_over = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                live(url, Path(progress), service, address, kill_at, is_over=is_over)
            except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer to the test


main()
