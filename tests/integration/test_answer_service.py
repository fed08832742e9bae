"""Answers in the whole program: built from the settings, heard by its service, switched on and off by a reload."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from alert_samples import unreplied
from fake_slack_app import APP_TOKEN, BOT_TOKEN, CHANNEL, FakeSlackApp, slack_app
from fake_telegram import CHAT, TOKEN, FakeTelegram, telegram

from config import load
from roundsman.app.composition import App
from roundsman.clock import SystemClock
from roundsman.repositories.alerts import Alert, AlertRepository

STAFF = """
[staff.lan]
name = "Lan"
telegram = "77"
slack = "U0LAN"
"""


@pytest.fixture
def servers() -> Iterator[tuple[FakeTelegram, FakeSlackApp]]:
    with ExitStack() as stack:
        yield stack.enter_context(telegram()), stack.enter_context(slack_app())


@pytest.fixture
def environ(servers: tuple[FakeTelegram, FakeSlackApp], tmp_path: Path) -> dict[str, str]:
    (tmp_path / "policies.toml").write_text(STAFF, encoding="utf-8")
    chat, slack = servers
    return {
        "ROUNDSMAN_STATE_DIR": str(tmp_path / "state"),
        "POLICIES_FILE": str(tmp_path / "policies.toml"),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": CHAT,
        "TELEGRAM_API_URL": chat.url,
        "TELEGRAM_ANSWERS": "on",
        "SLACK_BOT_TOKEN": BOT_TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "SLACK_CHANNEL": CHANNEL,
        "SLACK_API_URL": f"{slack.url}/api/",
        "ALERT_ANSWERERS": "telegram:99=An",
    }


@pytest.fixture
def app(environ: Mapping[str, str], tmp_path: Path) -> Iterator[App]:
    """With its sender and its listeners at work, and one alert told on both services."""
    with closing(App(load(environ, tmp_path), (), (), SystemClock())) as made:
        made.sender.start()
        made.listening.start()
        with made.book.transaction("monitor") as desk:
            desk.fire(unreplied("1", made.clock.now()))
        yield made
        made.listening.stop()
        made.sender.stop()


def alert(app: App) -> Alert:
    with app.store.read() as connection:
        return AlertRepository().latest(connection)[0]


def test_an_answer_on_one_service_is_shown_on_both(app: App, servers: tuple[FakeTelegram, FakeSlackApp]) -> None:
    chat, slack = (server.chat for server in servers)
    chat.wait_for(lambda: chat.messages)
    slack.wait_for(lambda: slack.messages)
    servers[0].press("Acknowledge", "77")
    for each in (chat, slack):
        each.wait_for(lambda each=each: "Acknowledged by Lan" in each.newest.text)  # type: ignore[misc]  # bound early
    servers[1].press("Dealt with", "U0LAN")
    for each in (chat, slack):
        each.wait_for(lambda each=each: not each.newest.buttons)  # type: ignore[misc]  # bound early
        assert "resolved by Lan" in each.newest.text
    assert alert(app).resolution == "resolved by Lan"
    assert app.listening.ill() is None


def test_a_reload_changes_who_may_answer_and_whether_anybody_listens(
    app: App, servers: tuple[FakeTelegram, FakeSlackApp], environ: Mapping[str, str], tmp_path: Path
) -> None:
    server, slack = servers
    server.chat.wait_for(lambda: server.chat.messages)
    server.press("Acknowledge", "88")
    server.chat.wait_for(lambda: server.toasts)
    app.reconfigure(load({**environ, "ALERT_ANSWERERS": "telegram:88=Minh"}, tmp_path))
    server.press("I take it", "88")
    server.chat.wait_for(lambda: len(server.toasts) == 2)
    assert [each["text"].split(";")[0] for each in server.toasts] == ["You may not answer here", "Yours now."]
    slack.chat.wait_for(lambda: slack.sockets)
    still_shown = server.chat.newest.buttons["2 h"]  # the next change of the message has none
    app.reconfigure(load({**environ, "TELEGRAM_ANSWERS": "off", "SLACK_APP_TOKEN": ""}, tmp_path))
    slack.chat.wait_for(lambda: not slack.sockets)
    server.send_data(still_shown, "77")
    app.reconfigure(load(environ, tmp_path))
    server.chat.wait_for(lambda: len(server.toasts) == 3)
    assert server.toasts[-1]["text"].startswith("Minh has it already"), "it waited at Telegram until we asked again"
    slack.chat.wait_for(lambda: slack.sockets)


def test_without_answers_in_the_settings_nothing_runs_for_them(environ: Mapping[str, str], tmp_path: Path) -> None:
    silent = {**environ, "TELEGRAM_ANSWERS": "off", "SLACK_APP_TOKEN": ""}
    before = threading.active_count()
    with closing(App(load(silent, tmp_path), (), (), SystemClock())) as app:
        app.listening.start()
        assert threading.active_count() == before
        assert app.listening.ill() is None
        app.listening.stop()


def test_a_command_tells_the_daemon_by_the_store(
    app: App, servers: tuple[FakeTelegram, FakeSlackApp], environ: Mapping[str, str], tmp_path: Path
) -> None:
    from roundsman.alerts.action import Action
    from roundsman.alerts.answerers import Answerer

    chat = servers[0].chat
    chat.wait_for(lambda: chat.messages)
    with closing(App(load(environ, tmp_path), (), (), SystemClock())) as command:
        until = command.clock.now() + timedelta(hours=1)
        command.answers.answer(alert(app).id, Action.SNOOZE, Answerer("Minh"), until=until)
    chat.wait_for(lambda: "Snoozed by Minh until" in chat.newest.text)
