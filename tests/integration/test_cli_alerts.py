"""`roundsman alerts` as a person calls it, in this process, on a real store."""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from alert_samples import KIND, unreplied
from pytest_httpserver import HTTPServer
from sqlalchemy.engine import URL

from roundsman.alerts.book import AlertBook
from roundsman.alerts.condition import Escalation
from roundsman.cli import main
from roundsman.cli.alert_why import words_of
from roundsman.clock import SystemClock
from roundsman.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from roundsman.repositories.alert_log import LogEntry, LogEvent
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.notification_claims import Claim, NotificationClaims
from roundsman.repositories.schema import ensure_schema

Call = Callable[..., tuple[int, str, str]]
TOKEN = "xoxb-123456789012-secretsecret"


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook, sys.unraisablehook = kept
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main((), ("alerts", *arguments))
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, said.out, said.err

    return run


@contextmanager
def own_store(folder: Path) -> Iterator[Store]:
    """The store that the commands use."""
    (folder / "var").mkdir(exist_ok=True)
    url = URL.create("sqlite", database=str(folder / "var" / "roundsman.db"))
    with closing(Store(StoreOptions(url))) as store:
        ensure_schema(store, backups=folder / "backups", clock=SystemClock())
        yield store


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> HTTPServer:
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_CHANNEL", "C0123456789")
    monkeypatch.setenv("SLACK_API_URL", httpserver.url_for("/api/"))
    return httpserver


def test_without_alerts_the_list_says_so(call: Call) -> None:
    assert call("list") == (EXIT_DONE, "No open alerts.\n", "")
    assert call("list", "--all") == (EXIT_DONE, "No alerts.\n", "")
    code, out, _ = call("list", "--json")
    assert (code, json.loads(out)) == (EXIT_DONE, [])


def test_the_list_shows_what_is_open_and_with_all_what_was(call: Call, tmp_path: Path) -> None:
    clock = SystemClock()
    with own_store(tmp_path) as store:
        book = AlertBook(store, clock, ["console", "slack"], lambda: None)
        with book.transaction("conversation_monitor") as desk:
            desk.fire(unreplied("c-1", clock.now(), customer_name="Trần \x1b[31mMinh"))
            desk.fire(unreplied("c-2", clock.now(), timedelta(hours=3)))
            desk.resolve(f"{KIND}:c-2", "answered", answered_by="Hoa")
    code, out, _ = call("list")
    assert code == EXIT_DONE
    assert "c-1 (Trần" in out
    assert [line.strip().split("  ")[-1] for line in out.splitlines()[1:3]] == ["console pending", "slack pending"]
    assert "\x1b[31m" not in out
    assert "c-2" not in out
    assert "resolved: answered" in call("list", "--all")[1]
    (alert,) = json.loads(call("list", "--json")[1])
    assert (alert["kind"], alert["subject"], alert["status"]) == (KIND, "c-1", "firing")
    assert alert["since"].endswith("Z")
    assert [entry["channel"] for entry in alert["notifications"]] == ["console", "slack"]
    assert len(json.loads(call("list", "--all", "--json")[1])) == 2


def test_the_trail_of_an_alert_tells_who_was_told_and_who_was_not(call: Call, tmp_path: Path) -> None:
    clock, claims = SystemClock(), NotificationClaims()
    sales = Audience("Sales", ("slack", "pager"), (Mention("Lan", "U024BE7LH"),))
    with own_store(tmp_path) as store:
        book = AlertBook(store, clock, ["console", "slack"], lambda: None)
        with book.transaction("conversation_monitor") as desk:
            desk.fire(replace(unreplied("c-1", clock.now()), level=0, audience=sales))
            desk.fire(unreplied("c-2", clock.now()))
        with store.write() as connection:
            mine = claims.claim(connection, "slack", "me", clock.now(), timedelta(minutes=1))
            assert mine is not None
            claims.sent(connection, mine, {"words": "message 1.2 in C1"}, clock.now())
        with book.transaction("conversation_monitor") as desk:
            desk.escalate(Escalation(f"{KIND}:c-1", 2))
            desk.resolve(f"{KIND}:c-2", "answered")
    number = {alert["subject"]: str(alert["id"]) for alert in json.loads(call("list", "--all", "--json")[1])}
    code, out, _ = call("why", number["c-1"])
    said = [line.partition("  ")[2].strip() for line in out.splitlines()]
    assert (code, out.splitlines()[0]) == (EXIT_DONE, f"Alert {number['c-1']}: {KIND}:c-1, medium, level 2, firing")
    assert said[1:] == [
        "it began",
        "opened as a warning, for Sales calling Lan on slack but not on pager, which is not configured",
        "rose to level 2, for everybody on console, slack",
        "slack warning pending",
        "console level 2 pending",
        "slack level 2 pending",
    ]
    trail = json.loads(call("why", number["c-2"], "--json")[1])
    assert [entry["event"] for entry in trail["trail"]][:2] == ["opened", "told"]
    assert "told on slack: message 1.2 in C1" in call("why", number["c-2"])[1]
    assert "not told on console: it was over before it was told" in call("why", number["c-2"])[1]
    assert "resolved: answered" in call("why", number["c-2"])[1]
    code, _, err = call("why", "99")
    assert (code, err) == (
        EXIT_USAGE,
        "roundsman: There is no alert 99; `alerts list --all` shows those that are kept.\n",
    )


def test_people_acknowledge_and_snooze(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "hoa")
    clock = SystemClock()
    with own_store(tmp_path) as store:
        book = AlertBook(store, clock, ["console"], lambda: None)
        with book.transaction("conversation_monitor") as desk:
            desk.fire(unreplied("c-1", clock.now()))
            desk.fire(unreplied("c-2", clock.now()))
            desk.resolve(f"{KIND}:c-2", "answered")
    first, over = (str(alert["id"]) for alert in json.loads(call("list", "--all", "--json")[1])[::-1])
    code, out, _ = call("snooze", first, "--for", "2h")
    assert (code, out.startswith(f"Alert {first} is snoozed by hoa until ")) == (EXIT_DONE, True)
    assert "snoozed by hoa until" in " ".join(call("list")[1].split())
    assert call("ack", first, "--note", "calling her") == (EXIT_DONE, f"Alert {first} is acknowledged by hoa.\n", "")
    assert "acknowledged by hoa: calling her" in call("why", first)[1]
    (alert,) = json.loads(call("list", "--json")[1])
    assert (alert["status"], alert["taken_by"], alert["taken_until"]) == ("acknowledged", "hoa", None)
    for arguments, sentence in (
        (("ack", over), f"Alert {over} is over already"),
        (("ack", "99"), "There is no alert 99"),
        (("snooze", first, "--for", "soon"), "--for: 'soon' is no duration; write for example 30s, 5m or 1h30m."),
        (("snooze", first, "--for", "0s"), "--for: '0s' is not longer than nothing."),
        (("snooze", first, "--for", "90d"), "--for: '90d' is longer than 30d; give a shorter time."),
        (("ack", first, "--note", "x" * 501), "--note is 501 characters long"),
    ):
        code, out, err = call(*arguments)
        assert (code, out, err.count("\n")) == (EXIT_USAGE, "", 1)
        assert sentence in err


def open_two(folder: Path) -> tuple[str, str]:
    """Two alerts, both about customers of the policy `shop`."""
    clock = SystemClock()
    with own_store(folder) as store:
        book = AlertBook(store, clock, ["console"], lambda: None)
        with book.transaction("conversation_monitor") as desk:
            for name in ("c-1", "c-2"):
                desk.fire(unreplied(name, clock.now(), policy="shop"))
        with store.read() as connection:
            first, second = sorted(alert.id for alert in AlertRepository().all_open(connection))
    return str(first), str(second)


def test_people_take_over_and_deal_with_alerts(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = open_two(tmp_path)
    monkeypatch.setenv("SUDO_USER", "hoa")
    call("ack", first)
    assert call("ack", first)[1] == f"Alert {first} is acknowledged by hoa.\n", "to say it twice does no harm"
    monkeypatch.setenv("SUDO_USER", "minh")
    for arguments in (("ack", first), ("snooze", first, "--for", "1h")):
        code, _, err = call(*arguments)
        assert (code, err) == (
            EXIT_USAGE, f"roundsman: hoa has alert {first} already; `alerts claim {first}` takes it over.\n",
        )  # fmt: skip
    assert call("claim", first) == (EXIT_DONE, f"Alert {first} is minh's now.\n", "")
    assert "claimed by minh from hoa" in call("why", first)[1]
    assert call("resolve", first, "--note", "called her")[1] == f"Alert {first} is resolved by minh.\n"
    assert "resolved by minh: called her" in call("why", first)[1]
    assert call("resolve", first)[0] == EXIT_USAGE
    assert call("resolve", second)[0] == EXIT_DONE
    assert call("list")[1] == "No open alerts.\n"


POLICIES = """
[calendar.shop]
zone = "UTC"
mon-sun = ["00:00-00:01"]

[calendar.lan]
zone = "UTC"
mon-sun = ["12:00-12:01"]

[staff.lan]
name = "Lan"
calendar = "lan"

[[policy]]
name = "shop"
calendar = "shop"
first_response = "15m"
"""


def test_a_snooze_until_the_next_shift_follows_the_calendars(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_two(tmp_path)
    assert call("snooze", first, "--until-shift")[0] == EXIT_USAGE, "without policies there are no shifts"
    (tmp_path / "policies.toml").write_text(POLICIES, encoding="utf-8")
    monkeypatch.setenv("POLICIES_FILE", str(tmp_path / "policies.toml"))
    monkeypatch.setenv("ROUNDSMAN_TIME_ZONE", "UTC")
    monkeypatch.setenv("SUDO_USER", "lan")
    code, out, err = call("snooze", first, "--until-shift")
    assert (code, err) == (EXIT_DONE, "")
    assert re.fullmatch(rf"Alert {first} is snoozed by Lan until \S+ 12:00:00\.\n", out), out
    monkeypatch.setenv("SUDO_USER", "minh")
    assert call("snooze", second, "--until-shift")[1].endswith(" 00:00:00.\n"), "by the policy's calendar"
    for wrong in ((), ("--for", "1h", "--until-shift")):
        code, _, err = call("snooze", first, *wrong)
        assert (code, err) == (EXIT_USAGE, "roundsman: Say for how long: --for 30m, or --until-shift.\n")


def test_the_list_tells_why_a_delivery_failed_or_waits_and_until_when(call: Call, tmp_path: Path) -> None:
    clock, repository = SystemClock(), NotificationClaims()
    now = clock.now()
    with own_store(tmp_path) as store:
        book = AlertBook(store, clock, ["console", "slack", "telegram", "mail"], lambda: None)
        with book.transaction("conversation_monitor") as desk:
            desk.fire(unreplied("c-1", now))
        again = now + timedelta(hours=1)
        with store.write() as connection:

            def claim(channel: str) -> Claim:
                mine = repository.claim(connection, channel, "me", clock.now(), timedelta(minutes=1))
                assert mine is not None
                return mine

            repository.retry(connection, claim("slack"), again, "Slack answered HTTP 503")
            repository.failed(connection, claim("telegram"), "Telegram answered HTTP 400", now)
            repository.retry(connection, claim("mail"), now, "it said no")
            ChannelRepository().register(connection, {"mail": "as it was"})
            ChannelRepository().switch_off(connection, "mail", "it said no", now)
    out = " ".join(call("list")[1].split())
    assert "console pending" in out
    assert f"slack pending, tried 1 time, next at {again:%H:%M:%S}: Slack answered HTTP 503" in out
    assert "telegram failed: Telegram answered HTTP 400" in out
    assert "mail pending, the channel is off" in out
    assert "Channel mail is switched off: it said no." in out


def test_why_tells_where_news_went_on_and_where_nobody_took_it() -> None:
    at = SystemClock().now()

    def words(event: LogEvent, **detail: object) -> str:
        return words_of(
            LogEntry(1, at, event, 1, "slack", {"news": "firing", "reason": "HTTP 503", **detail}), ZoneInfo("UTC")
        )

    assert words(LogEvent.GAVE_UP, goes_on_to="email") == "gave up telling on slack: HTTP 503; goes on to email"
    assert words(LogEvent.GAVE_UP) == "gave up telling on slack: HTTP 503; no other channel is left"
    assert words(LogEvent.GAVE_UP, news="resolved") == "gave up telling of its end on slack: HTTP 503"
    assert words(LogEvent.UNTAKEN, tries=3) == "tried on slack 3 times in vain: HTTP 503; no other channel is left"


def test_a_test_message_arrives_and_switches_the_channel_on_again(
    call: Call, slack: HTTPServer, tmp_path: Path
) -> None:
    with own_store(tmp_path) as store, store.write() as connection:
        ChannelRepository().register(connection, {"slack": "as it was"})
        ChannelRepository().switch_off(connection, "slack", "token_revoked", SystemClock().now())
    assert "Channel slack is switched off: token_revoked." in call("list")[1]
    slack.expect_request("/api/chat.postMessage").respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    assert call("test", "slack") == (
        EXIT_DONE, "slack: delivered, message 1.2 in C1. The channel is switched on again.\n", "",
    )  # fmt: skip
    assert "Test message" in slack.log[0][0].get_json()["text"]
    assert "switched off" not in call("list")[1]


def test_a_test_message_that_does_not_arrive_is_a_failure_with_its_reason(call: Call, slack: HTTPServer) -> None:
    slack.expect_request("/api/chat.postMessage").respond_with_json({"ok": False, "error": "invalid_auth"})
    code, out, err = call("test", "slack")
    assert (code, out) == (EXIT_FAILED, "")
    assert "The test message on slack did not arrive: Slack answered HTTP 200 OK: invalid_auth." in err
    assert TOKEN not in err


@pytest.mark.parametrize(
    ("channel", "says"),
    [
        ("slack", "set SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN with SLACK_CHANNEL"),
        ("telegram:-100", "set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID"),
        ("pigeon", "There is no channel 'pigeon'; the kinds are console, in_app, slack, telegram, email, webhook."),
    ],
)
def test_a_channel_that_is_not_there_is_one_sentence(call: Call, channel: str, says: str) -> None:
    code, out, err = call("test", channel)
    assert (code, out) == (EXIT_USAGE, "")
    assert says in err
    assert err.count("\n") == 1


def test_the_console_can_be_tested_too(call: Call) -> None:
    code, out, _ = call("test", "console")
    assert (code, out) == (EXIT_DONE, "console: delivered, a line in the log.\n")


# --- the inbox ---


def test_the_inbox_is_shown_and_marked_as_read(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_CHANNELS", "in_app")
    assert call("inbox") == (EXIT_DONE, "No messages.\n", "")
    assert call("test", "in_app")[:2] == (EXIT_DONE, "in_app: delivered, message 1 of the inbox.\n")
    call("test", "in_app")
    code, out, _ = call("inbox")
    assert (code, out.count("Test message: Roundsman reaches you here")) == (EXIT_DONE, 2)
    newest, oldest = json.loads(call("inbox", "--json")[1])
    assert (newest["id"], oldest["id"], oldest["event"], oldest["read_at"]) == (2, 1, "firing", None)
    assert oldest["fields"] == {"ALERT": "test"}
    assert call("read", "1") == (EXIT_DONE, "Marked as read: 1.\n", "")
    assert call("read", "1", "1") == (EXIT_DONE, "Marked as read: 0.\n", "")
    (unread,) = json.loads(call("inbox", "--unread", "--json")[1])
    assert unread["id"] == 2
    assert json.loads(call("inbox", "--limit", "1", "--json")[1])[0]["id"] == 2
    assert call("read", "--all") == (EXIT_DONE, "Marked as read: 1.\n", "")
    assert call("inbox", "--unread") == (EXIT_DONE, "No unread messages.\n", "")
    assert json.loads(call("inbox", "--unread", "--json")[1]) == []


def test_an_inbox_that_is_not_in_use_says_so(call: Call) -> None:
    assert call("inbox")[1].splitlines()[1] == "The channel in_app is not in use; name it in ALERT_CHANNELS."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("read",), "Name the messages by their ids, or choose --all"),
        (("read", "1", "--all"), "Name the messages by their ids, or choose --all"),
        (("read", "7"), "There is no message 7 in the inbox"),
    ],
)
def test_what_cannot_be_marked_is_one_sentence(call: Call, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out, words in err) == (EXIT_USAGE, "", True)
