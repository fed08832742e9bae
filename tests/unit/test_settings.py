"""Settings: good and bad values, contradictions, sources. Every fault is one sentence that names its field."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config import Secret, Settings, SettingsError, SlackSettings, TelegramSettings, load

TOKEN = "123456789:AAE-secret-secret-secret-secret-abc"
WEBHOOK = "https://hooks.slack.com/services/T000/B000/secret"
SLACK_TOKEN = "xoxb-1234-5678-secret"
NOWHERE = Path("/nonexistent")


def settings(environ: Mapping[str, str] | None = None, directory: Path = NOWHERE) -> Settings:
    return load(environ or {}, directory)


def faults(environ: Mapping[str, str], directory: Path = NOWHERE) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, directory)
    found = list(error.value.faults)
    assert all(fault.endswith((".", "?")) and "\n" not in fault for fault in found)
    return found


def test_with_nothing_set_it_runs_on_sqlite_with_console_alerts() -> None:
    found = settings()
    assert found.app_env == "development"
    assert found.state_dir == NOWHERE / "var"
    assert found.time_zone == ZoneInfo("UTC")
    assert found.log_level == "info"
    assert found.shutdown_deadline == timedelta(seconds=25)
    assert found.store.url == Secret("sqlite:////nonexistent/var/roundsman.db")
    assert (found.store.pool_size, found.store.ssl, found.store.ssl_verify) == (5, False, True)
    assert (found.conversation.clock, found.conversation.comments) == ("human", False)
    assert found.conversation.threshold == timedelta(minutes=15)
    assert (found.alerts.channels, found.alerts.language) == (("console",), "en")
    assert (found.alerts.set_up, dict(found.jobs), found.notes) == ((), {}, ())


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("APP_ENV", "Staging", lambda s: s.app_env == "staging"),
        ("NODE_ENV", "test", lambda s: s.app_env == "test"),
        ("ROUNDSMAN_STATE_DIR", "/srv/x", lambda s: s.state_dir == Path("/srv/x")),
        ("ROUNDSMAN_STATE_DIR", "state", lambda s: s.state_dir == NOWHERE / "state"),
        (
            "ROUNDSMAN_STATE_DIR",
            "/srv/a b%?#",
            lambda s: s.store.url.reveal().endswith("/srv/a%20b%25%3F%23/roundsman.db"),
        ),
        ("STATE_DIRECTORY", "/var/lib/r:/var/lib/s", lambda s: s.state_dir == Path("/var/lib/r")),
        ("ROUNDSMAN_TIME_ZONE", "Asia/Ho_Chi_Minh", lambda s: s.time_zone == ZoneInfo("Asia/Ho_Chi_Minh")),
        ("LOG_LEVEL", "WARN", lambda s: s.log_level == "warning"),
        ("LOG_LEVEL", "Debug", lambda s: s.log_level == "debug"),
        ("LOG_LEVEL", "", lambda s: s.log_level == "info"),
        ("ROUNDSMAN_SHUTDOWN_SECONDS", "2.5", lambda s: s.shutdown_deadline == timedelta(seconds=2.5)),
        ("CONVERSATION_CLOCK", "customer", lambda s: s.conversation.clock == "customer"),
        ("CONVERSATION_THRESHOLD_MINUTES", "0.5", lambda s: s.conversation.threshold == timedelta(seconds=30)),
        ("CONVERSATION_COMMENTS", "on", lambda s: s.conversation.comments),
        ("ALERT_LANGUAGE", "vi", lambda s: s.alerts.language == "vi"),
        ("ALERT_CHANNELS", " Console , console ", lambda s: s.alerts.channels == ("console",)),
        ("SLACK_WEBHOOK_URL", WEBHOOK, lambda s: s.alerts.of(SlackSettings).webhook_url == Secret(WEBHOOK)),
        ("SLACK_WEBHOOK_URL", WEBHOOK, lambda s: s.alerts.channels == ("console", "slack")),
        ("SLACK_WEBHOOK_URL", "http://127.0.0.1:8080/x", lambda s: s.alerts.of(SlackSettings) is not None),
        ("SLACK_WEBHOOK_URL", "http://[::1]:8080/x", lambda s: s.alerts.of(SlackSettings) is not None),
        ("DATABASE_URL", "sqlite:////srv/x.db", lambda s: s.store.url == Secret("sqlite:////srv/x.db")),
        ("DATABASE_URL", "sqlite:///x.db", lambda s: s.store.url == Secret("sqlite:////nonexistent/x.db")),
        ("DATABASE_URL", "postgres://u:p%40@h/n", lambda s: s.store.url == Secret("postgres://u:p%40@h/n")),
        ("DATABASE_URL", "postgresql:///n?host=/run/postgresql", lambda s: "/run" in s.store.url.reveal()),
        ("DB_POOL_SIZE", "20", lambda s: s.store.pool_size == 20),
        ("DB_SSL_REJECT_UNAUTHORIZED", "false", lambda s: not s.store.ssl_verify),
    ],
)
def test_a_good_value_is_read(name: str, value: str, read) -> None:  # type: ignore[no-untyped-def]  # lambdas above
    assert read(settings({name: value}))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("APP_ENV", "prod", "'prod' is not one of development, test, staging, production"),
        ("NODE_ENV", "dev", "'dev' is not one of"),
        ("ROUNDSMAN_STATE_DIR", "~/state", "write the whole path"),
        ("ROUNDSMAN_TIME_ZONE", "Berlin", "'Berlin' is no time zone; write one such as Europe/Berlin"),
        ("ROUNDSMAN_TIME_ZONE", "Europe", "is no time zone"),
        ("ROUNDSMAN_TIME_ZONE", "/etc/passwd", "is no time zone"),
        ("LOG_LEVEL", "loud", "'loud' is not one of debug, info, warning, error"),
        ("ROUNDSMAN_SHUTDOWN_SECONDS", "0", "is not a number of seconds above 0"),
        ("ROUNDSMAN_SHUTDOWN_SECONDS", "25s", "'25s' is not a number of seconds"),
        ("CONVERSATION_CLOCK", "bot", "is not one of human, customer"),
        ("CONVERSATION_THRESHOLD_MINUTES", "fifteen", "'fifteen' is not a number of minutes above 0"),
        ("CONVERSATION_THRESHOLD_MINUTES", "-1", "is not a number of minutes above 0"),
        ("CONVERSATION_THRESHOLD_MINUTES", "nan", "is not a number"),
        ("CONVERSATION_THRESHOLD_MINUTES", "1e3", "is not a number"),
        ("CONVERSATION_THRESHOLD_MINUTES", "٣", "is not a number"),
        ("CONVERSATION_THRESHOLD_MINUTES", "9" * 500, "9...' is not a number"),
        ("CONVERSATION_COMMENTS", "maybe", "'maybe' is neither on nor off"),
        ("ALERT_LANGUAGE", "de", "is not one of en, vi"),
        (
            "ALERT_CHANNELS",
            "pigeon",
            "is not a comma-separated list of console, in_app, slack,",
        ),
        ("ALERT_CHANNELS", "slack", "names slack without SLACK_WEBHOOK_URL or SLACK_BOT_TOKEN"),
        ("ALERT_CHANNELS", "email", "names email without SMTP_TO"),
        ("ALERT_CHANNELS", "webhook", "names webhook without ALERT_WEBHOOK_URL"),
        ("SLACK_WEBHOOK_URL", "hooks.slack.com/services/secret", "is not a web address"),
        ("SLACK_WEBHOOK_URL", "http://hooks.slack.com/services/secret", "is not an https:// address"),
        ("SLACK_WEBHOOK_URL", "http://127.0.0.1.secret.example/x", "is not an https:// address"),
        ("SLACK_WEBHOOK_URL", "https://u:secret@x.example/", "leave them out"),
        ("SLACK_WEBHOOK_URL", "https://x:secret/", "is not a web address"),
        ("SLACK_BOT_TOKEN", "secret", "begins with xoxb-"),
        ("SLACK_CHANNEL", "#alerts", "is set without SLACK_BOT_TOKEN"),
        ("SLACK_CHANNEL", "two words", "is no Slack channel"),
        ("TELEGRAM_BOT_TOKEN", "secret", "copy the one that @BotFather gave"),
        ("TELEGRAM_CHAT_ID", "me", "is not a chat id"),
        ("TELEGRAM_CHAT_ID", "-1001:x", "is not a chat id"),
        ("DATABASE_URL", "mysql://u:secret@h/n", "is no database URL"),
        ("DATABASE_URL", "secret", "is no database URL"),
        ("DATABASE_URL", "postgresql://u:p@secret/word@h/n", "must be %-encoded"),
        ("DATABASE_URL", "postgresql://u:1/secret@h/n", "must be %-encoded"),
        ("DATABASE_URL", "postgresql://u:p@x/n?secret@h/n", "must be %-encoded"),
        ("DB_NAME", "postgresql://u:secret@h/n", "is no database name"),
        ("DATABASE_URL", "postgres://u:p/secret@h:x/n", "must be %-encoded"),
        ("DATABASE_URL", "postgres://u:secret@h", "names no database; end it with /NAME"),
        ("DATABASE_URL", "sqlite://", "names no SQLite file"),
        ("DATABASE_URL", "sqlite:///:memory:", "names no SQLite file"),
        ("DB_HOST", "my host", "is no host name"),
        ("DB_HOST", "db.example.org", "is set without DB_NAME; set DB_NAME as well"),
        ("DB_NAME", "roundsman", "is set without DB_HOST"),
        ("DB_PASS", "secret", "is set without DB_HOST and DB_NAME"),
        ("DB_PORT", "70000", "is not a whole number from 1 to 65535"),
        ("DB_POOL_SIZE", "0", "is not a whole number from 1"),
        ("DB_SSL", "verify", "is neither on nor off"),
        ("ROUNDSMAN_ENV_FILE", "none.env", "the file /nonexistent/none.env does not exist"),
        ("LOG_LEVEL", "in\x1b[2Jfo", "holds a control character"),
        ("DB_PASS", "\udce9secret", "is not UTF-8"),
        ("JOB_REPORT_SCHEDULE", "every\n1m", "holds a control character"),
    ],
)
def test_a_bad_value_is_one_sentence_that_begins_with_its_name(name: str, value: str, words: str) -> None:
    found = faults({name: value})
    assert any(words in fault for fault in found), found
    assert all(fault.startswith(name) for fault in found), found
    assert "secret" not in "".join(found)


def test_all_faults_come_at_once() -> None:
    found = faults({"LOG_LEVEL": "loud", "DB_PORT": "x", "CONVERSATION_TRESHOLD_MINUTES": "5", "SLACK_BOT_TOKEN": "t"})
    assert {fault.split(":")[0] for fault in found} == {
        "LOG_LEVEL", "DB_PORT", "CONVERSATION_TRESHOLD_MINUTES", "SLACK_BOT_TOKEN",
    }  # fmt: skip


# --- groups ---


def test_the_database_may_be_given_in_parts() -> None:
    found = settings(
        {"DB_HOST": "db", "DB_NAME": "n", "DB_USER": "u", "DB_PASS": "a/b@c:#%", "DB_PORT": "6000", "DB_SSL": "on"}
    )
    assert found.store.url == Secret("postgresql://u:a%2Fb%40c%3A%23%25@db:6000/n")
    assert found.store.ssl
    assert found.store.ssl_verify
    shown = {item.name: item for item in found.in_force}
    assert (shown["DATABASE_URL"].shown, shown["DATABASE_URL"].source) == (
        "postgresql://u:***@db:6000/n",
        "DB_ settings",
    )
    assert {"a/b@c:#%", "a%2Fb%40c%3A%23%25"} <= set(found.secrets())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::1", "postgresql://[::1]:5432/n"),
        ("/run/postgresql", "postgresql:///n?host=/run/postgresql&port=5432"),
    ],
)
def test_the_host_may_be_an_address_or_a_socket_folder(host: str, url: str) -> None:
    assert settings({"DB_HOST": host, "DB_NAME": "n"}).store.url == Secret(url)


def test_a_url_and_equal_parts_agree() -> None:
    both = {"DATABASE_URL": "postgres://u:p@h:5432/n", "DB_HOST": "h", "DB_NAME": "n", "DB_USER": "u", "DB_PASS": "p"}
    assert settings({**both, "DB_PORT": "5432"}).store.url == Secret("postgres://u:p@h:5432/n")


def test_a_url_and_other_parts_are_a_contradiction() -> None:
    found = faults({"DATABASE_URL": "postgres://u:p@h/n", "DB_HOST": "other", "DB_PASS": "secret", "DB_PORT": "6000"})
    assert found == [
        "DB_HOST: 'other' contradicts DATABASE_URL; remove one of the two.",
        "DB_PASS: the value contradicts DATABASE_URL; remove one of the two.",
        "DB_PORT: '6000' contradicts DATABASE_URL; remove one of the two.",
    ]


def test_a_webhook_and_a_bot_would_tell_everything_twice() -> None:
    (found,) = faults({"SLACK_WEBHOOK_URL": WEBHOOK, "SLACK_BOT_TOKEN": SLACK_TOKEN, "SLACK_CHANNEL": "C01"})
    assert found.startswith("SLACK_WEBHOOK_URL and SLACK_BOT_TOKEN are both set")


def test_a_bot_needs_its_channel() -> None:
    (found,) = faults({"SLACK_BOT_TOKEN": SLACK_TOKEN})
    assert found == "SLACK_BOT_TOKEN: is set without SLACK_CHANNEL; set the channel that it writes to."


def test_a_slack_bot_is_read() -> None:
    found = settings({"SLACK_BOT_TOKEN": SLACK_TOKEN, "SLACK_CHANNEL": "#a", "SLACK_API_URL": "http://localhost:1/"})
    assert found.alerts.of(SlackSettings) == SlackSettings(None, Secret(SLACK_TOKEN), "#a", "http://localhost:1/")


def test_telegram_is_read_with_several_chats_and_topics() -> None:
    found = settings({"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": "-100123, 42:7,@room,42:7"})
    assert found.alerts.of(TelegramSettings) == TelegramSettings(Secret(TOKEN), ("-100123", "42:7", "@room"))
    assert found.alerts.channels == ("console", "telegram")


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [("TELEGRAM_BOT_TOKEN", TOKEN, "TELEGRAM_CHAT_ID"), ("TELEGRAM_CHAT_ID", "42", "TELEGRAM_BOT_TOKEN")],
)
def test_half_of_telegram_is_a_fault(name: str, value: str, other: str) -> None:
    (found,) = faults({name: value})
    assert found.startswith(f"{name}: is set without {other}; ")


def test_a_channel_that_is_set_up_but_left_out_is_noted() -> None:
    assert settings({"SLACK_WEBHOOK_URL": WEBHOOK, "ALERT_CHANNELS": "console"}).notes == (
        "ALERT_CHANNELS leaves out slack, which is set up.",
    )


def test_a_wrong_token_is_not_also_called_missing() -> None:
    found = faults({"TELEGRAM_BOT_TOKEN": "x", "TELEGRAM_CHAT_ID": "1", "ALERT_CHANNELS": "telegram"})
    assert [fault.split(":")[0] for fault in found] == ["TELEGRAM_BOT_TOKEN"]


@pytest.mark.parametrize(
    "token",
    [{"SLACK_BOT_TOKEN": "xoxb-1234\n5678"}, {"SLACK_BOT_TOKEN_FILE": "missing"}],
)
def test_a_token_that_cannot_be_read_is_not_also_called_missing(token: dict[str, str]) -> None:
    (found,) = faults({**token, "SLACK_CHANNEL": "C01"})
    assert found.startswith("SLACK_BOT_TOKEN")


def test_a_credential_that_cannot_be_read_is_not_also_called_missing(tmp_path: Path) -> None:
    (tmp_path / "slack_bot_token").touch()
    (found,) = faults({"CREDENTIALS_DIRECTORY": str(tmp_path), "SLACK_CHANNEL": "C01"})
    assert "is empty" in found


def test_a_channel_that_cannot_be_read_is_not_also_called_missing() -> None:
    assert len(faults({"SLACK_BOT_TOKEN": SLACK_TOKEN, "SLACK_CHANNEL": "C\x1b01"})) == 1
    assert len(faults({"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": "4\x1b2"})) == 1


def test_app_env_wins_over_node_env_and_says_so() -> None:
    found = settings({"APP_ENV": "test", "NODE_ENV": "whatever"})
    assert found.app_env == "test"
    assert found.notes == ("NODE_ENV says otherwise than APP_ENV and has no effect.",)
    assert settings({"APP_ENV": "test", "NODE_ENV": "Test"}).notes == ()


# --- jobs ---


def test_job_facts_are_kept_as_written() -> None:
    found = settings(
        {
            "JOB_CONVERSATION_MONITOR_SCHEDULE": "every 1m",
            "JOB_CONVERSATION_MONITOR_TIME_ZONE": "Europe/Berlin",
            "JOB_X_CATCH_UP": "nonsense",
            "JOB_X_RUN_AT_START": "on",
        }
    )
    assert {job: dict(facts) for job, facts in found.jobs.items()} == {
        "conversation_monitor": {"schedule": "every 1m", "time_zone": "Europe/Berlin"},
        "x": {"catch_up": "nonsense", "run_at_start": "on"},
    }


# --- names ---


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("CONVERSATION_TRESHOLD_MINUTES", "did you mean CONVERSATION_THRESHOLD_MINUTES?"),
        ("ROUNDSMAN_STATEDIR", "did you mean ROUNDSMAN_STATE_DIR?"),
        ("ALERT_XYZZY", "remove it; config/example.env lists all."),
    ],
)
def test_an_unknown_name_that_must_be_ours_is_a_fault(name: str, advice: str) -> None:
    assert faults({name: "x"}) == [f"{name}: no such setting; {advice}"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SLACK_WEBHOOK_ULR", "SLACK_WEBHOOK_URL"),
        ("DB_PASSS", "DB_PASS"),
        ("JOB_DAILY_REPORT_SCHEDUEL", "JOB_DAILY_REPORT_SCHEDULE"),
    ],
)
def test_an_unknown_name_that_may_be_others_is_noted_when_it_looks_like_a_slip(name: str, meant: str) -> None:
    assert settings({name: "x"}).notes == (f"{name} is no setting of ours and is ignored; did you mean {meant}?",)


@pytest.mark.parametrize("name", ["PATH", "SLACK_SIGNING_KEYS_OF_OTHERS", "JOB_NAME", "JOB_URL"])
def test_names_of_others_are_none_of_our_business(name: str) -> None:
    assert settings({name: "x"}).notes == ()


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GEMINI_API_KEY_FILE", "LLM_PROVIDER", "PORT"])
def test_a_name_for_later_is_accepted_with_a_note(name: str) -> None:
    assert settings({name: "x"}).notes == (f"{name} is set but nothing uses it yet.",)
