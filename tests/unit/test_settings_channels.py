"""The settings of the channels that have more than one: e-mail and the webhook; and what is built of them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from config import EmailSettings, Secret, Settings, SettingsError, WebhookSettings, load
from config.answerers import AnswererSetting
from config.channels import SET_UP_BY
from roundsman.app.answers import listeners_of
from roundsman.app.channels import channels_of
from roundsman.clock import ManualClock
from roundsman.repositories.engine import Store

NOWHERE = Path("/nonexistent")
MAIL = {"SMTP_HOST": "smtp.example.org", "SMTP_FROM": "alerts@example.org", "SMTP_TO": "lan@example.org"}
LOGIN = {"SMTP_USER": "alerts@example.org", "SMTP_PASS": "hidden-password"}
HOOK = {"ALERT_WEBHOOK_URL": "https://hooks.example.org/hidden", "ALERT_WEBHOOK_SECRET": "hidden-of-sixteen"}
EVERYTHING = {
    **MAIL, **LOGIN, **HOOK,
    "SLACK_BOT_TOKEN": "xoxb-1234-5678-hidden", "SLACK_CHANNEL": "C1",
    "TELEGRAM_BOT_TOKEN": "123456789:AAE-hidden-hidden-hidden-hidden-abc", "TELEGRAM_CHAT_ID": "-1,-2:5,-1",
}  # fmt: skip


def settings(environ: Mapping[str, str]) -> Settings:
    return load(environ, NOWHERE)


def faults(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, NOWHERE)
    assert "hidden" not in "".join(error.value.faults)
    return list(error.value.faults)


def email(environ: Mapping[str, str]) -> EmailSettings:
    found = settings(environ).alerts.of(EmailSettings)
    assert found is not None
    return found


# --- e-mail ---


def test_a_mail_server_is_spoken_to_with_starttls_unless_said_otherwise() -> None:
    found = settings(MAIL)
    assert found.alerts.of(EmailSettings) == EmailSettings(
        "smtp.example.org", 587, "starttls", "alerts@example.org", ("lan@example.org",)
    )
    assert found.alerts.channels == ("console", "email")
    assert {item.name: item.shown for item in found.in_force}["SMTP_PORT"] == "587"


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465)])
def test_the_port_follows_the_encryption(security: str, port: int) -> None:
    assert email({**MAIL, "SMTP_SECURITY": security}).port == port
    assert email({**MAIL, "SMTP_SECURITY": security, "SMTP_PORT": "2525"}).port == 2525


def test_a_login_that_is_an_address_is_the_sender_too() -> None:
    found = email({"SMTP_HOST": "smtp.example.org", "SMTP_TO": "a@x.org, b@x.org,a@x.org", **LOGIN})
    assert (found.sender, found.recipients) == ("alerts@example.org", ("a@x.org", "b@x.org"))
    assert (found.user, found.password) == ("alerts@example.org", Secret("hidden-password"))


def test_plain_text_stays_on_this_machine_unless_allowed() -> None:
    plain = {**MAIL, "SMTP_SECURITY": "none"}
    (found,) = faults(plain)
    assert found.startswith("SMTP_SECURITY: 'none' would send alerts, and the password, in the clear")
    assert email({**plain, "SMTP_HOST": "127.0.0.1"}).port == 25
    assert email({**plain, "SMTP_ALLOW_PLAIN": "on"}).security == "none"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SMTP_HOST": ""}, "SMTP_TO: is set without SMTP_HOST"),
        ({"SMTP_FROM": ""}, "SMTP_TO: is set without SMTP_FROM"),
        ({"SMTP_USER": "x"}, "SMTP_USER: is set without SMTP_PASS"),
        ({"SMTP_PASS": "hidden"}, "SMTP_PASS: is set without SMTP_USER"),
        ({"SMTP_USER": "x", "SMTP_PASS": "hiddén"}, "SMTP_PASS: the value holds letters beyond ASCII"),
        ({"SMTP_HOST": "smtp.example.org 25"}, "SMTP_HOST: 'smtp.example.org 25' is no host name"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT: '0' is not a whole number"),
        ({"SMTP_SECURITY": "ssl"}, "SMTP_SECURITY: 'ssl' is not one of starttls, tls, none"),
        ({"SMTP_FROM": "Alerts <alerts@example.org>"}, "is no e-mail address; write it alone"),
        ({"SMTP_TO": "lan@example.org,minh"}, "is no list of e-mail addresses"),
        ({"SMTP_TO": ","}, "holds no e-mail address"),
        ({"SMTP_TO": "lan@a..b"}, "is no list of e-mail addresses"),
    ],
)
def test_what_is_wrong_with_a_mail_server_is_one_sentence(changes: Mapping[str, str], words: str) -> None:
    (found,) = faults({**MAIL, **changes})
    assert words in found


def test_a_mail_server_of_other_programs_is_left_alone() -> None:
    found = settings({"SMTP_HOST": "no host at all", "SMTP_PASS": "hidden"})
    assert found.alerts.channels == ("console",)
    assert found.notes == ("SMTP_HOST, SMTP_PASS have no effect without SMTP_TO: no alert is sent by e-mail.",)
    assert "hidden" not in repr(found)


# --- the webhook ---


def test_a_webhook_needs_its_secret_and_leads_outside() -> None:
    found = settings(HOOK)
    assert found.alerts.of(WebhookSettings) == WebhookSettings(
        Secret(HOOK["ALERT_WEBHOOK_URL"]), Secret(HOOK["ALERT_WEBHOOK_SECRET"])
    )
    assert found.alerts.channels == ("console", "webhook")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ALERT_WEBHOOK_URL": "https://hooks.example.org/"}, "is set without ALERT_WEBHOOK_SECRET"),
        ({**HOOK, "ALERT_WEBHOOK_URL": "http://hooks.example.org/"}, "set ALERT_WEBHOOK_ALLOW_PRIVATE=on"),
        ({**HOOK, "ALERT_WEBHOOK_URL": "https://10.0.0.1/"}, "leads into a private network"),
        ({**HOOK, "ALERT_WEBHOOK_URL": "https://u:p@x.example/"}, "holds a user name or password"),
        ({**HOOK, "ALERT_WEBHOOK_SECRET": "short"}, "is shorter than 16 characters"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_one_sentence(environ: Mapping[str, str], words: str) -> None:
    (found,) = faults(environ)
    assert words in found


def test_a_private_webhook_can_be_meant() -> None:
    environ = {**HOOK, "ALERT_WEBHOOK_URL": "http://127.0.0.1:8000/", "ALERT_WEBHOOK_ALLOW_PRIVATE": "on"}
    assert settings(environ).alerts.of(WebhookSettings) is not None


def test_a_secret_without_a_webhook_has_no_effect() -> None:
    found = settings({"ALERT_WEBHOOK_SECRET": "hidden-of-sixteen"})
    assert found.notes == ("ALERT_WEBHOOK_SECRET has no effect without ALERT_WEBHOOK_URL.",)


# --- what is built ---


def no_store() -> Store:
    raise AssertionError("only in_app asks for the store")


def test_every_kind_that_is_set_up_is_built_and_several_chats_are_several_channels(clock: ManualClock) -> None:
    channels = channels_of(settings(EVERYTHING), clock, no_store)
    assert [channel.name for channel in channels] == [
        "console", "slack", "telegram", "telegram:-2:5", "email", "webhook",
    ]  # fmt: skip
    assert len({channel.identity for channel in channels}) == 6
    assert not any("hidden" in f"{channel!r} {channel.identity} {channel.rates}" for channel in channels)


def test_only_what_is_named_is_built(clock: ManualClock) -> None:
    narrowed = settings({**EVERYTHING, "ALERT_CHANNELS": "email"})
    assert [channel.name for channel in channels_of(narrowed, clock, no_store)] == ["email"]


def test_the_inbox_needs_no_more_than_its_name(sqlite_store: Store, clock: ManualClock) -> None:
    found = channels_of(settings({"ALERT_CHANNELS": "in_app,console"}), clock, lambda: sqlite_store)
    assert [channel.name for channel in found] == ["console", "in_app"]


@pytest.mark.parametrize("name", SET_UP_BY)
def test_every_kind_that_can_be_named_can_be_built(sqlite_store: Store, clock: ManualClock, name: str) -> None:
    found = channels_of(settings({**EVERYTHING, "ALERT_CHANNELS": name}), clock, lambda: sqlite_store)
    assert {channel.name.partition(":")[0] for channel in found} == {name}


# --- answers ---

SLACK = {"SLACK_BOT_TOKEN": "xoxb-1234-5678-hidden", "SLACK_CHANNEL": "C1"}
TELEGRAM = {"TELEGRAM_BOT_TOKEN": "123456789:AAE-hidden-hidden-hidden-hidden-abc", "TELEGRAM_CHAT_ID": "-1"}


def listeners(environ: Mapping[str, str], store: Store, clock: ManualClock) -> list[str]:
    return [each.name for each in listeners_of(settings(environ), clock, lambda: store, "here/boot/1/1")]


def test_nobody_listens_until_that_is_asked_for(sqlite_store: Store, clock: ManualClock) -> None:
    on = {"TELEGRAM_ANSWERS": "on", "SLACK_APP_TOKEN": "xapp-1-A0-1-hidden"}
    assert listeners({**SLACK, **TELEGRAM}, sqlite_store, clock) == []
    assert listeners({**SLACK, **TELEGRAM, **on}, sqlite_store, clock) == ["telegram", "slack"]
    assert listeners({**SLACK, **TELEGRAM, **on, "ALERT_CHANNELS": "slack"}, sqlite_store, clock) == ["slack"]
    assert listeners(on, sqlite_store, clock) == []


def test_who_may_answer_is_named_by_service_and_id() -> None:
    listed = " telegram:123456789=Lan , slack:U0123ABCD,slack:W99=Nguyễn Văn An,"
    assert settings({"ALERT_ANSWERERS": listed}).alerts.answerers == (
        AnswererSetting("telegram", "123456789", "Lan"),
        AnswererSetting("slack", "U0123ABCD", "slack:U0123ABCD"),
        AnswererSetting("slack", "W99", "Nguyễn Văn An"),
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ALERT_ANSWERERS": "lan"}, "ALERT_ANSWERERS: 'lan' is no list of people; write telegram:123456789=Lan"),
        ({"ALERT_ANSWERERS": "telegram:@lan"}, "is no list of people"),
        ({"ALERT_ANSWERERS": "telegram:0"}, "is no list of people"),
        ({"ALERT_ANSWERERS": "telegram:-100"}, "is no list of people"),
        ({"ALERT_ANSWERERS": "slack:S0TEAM"}, "is no list of people"),
        ({"ALERT_ANSWERERS": "slack:U0LAN=" + "x" * 61}, "more than 60 characters"),
        ({**SLACK, "SLACK_APP_TOKEN": "xoxb-1234-hidden"}, "SLACK_APP_TOKEN: the value is no app-level token"),
        ({**TELEGRAM, "TELEGRAM_ANSWERS": "perhaps"}, "TELEGRAM_ANSWERS: 'perhaps' is neither on nor off"),
    ],
)
def test_what_is_wrong_with_answers_is_one_sentence(environ: Mapping[str, str], words: str) -> None:
    (found,) = faults(environ)
    assert words in found


@pytest.mark.parametrize(
    ("environ", "note"),
    [
        ({"TELEGRAM_ANSWERS": "on"}, "TELEGRAM_ANSWERS has no effect without TELEGRAM_BOT_TOKEN."),
        (
            {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/hidden", "SLACK_APP_TOKEN": "xapp-1-A0-1-hidden"},
            "SLACK_APP_TOKEN has no effect without SLACK_BOT_TOKEN: a webhook's messages stay as they are.",
        ),
        (
            {**SLACK, "ALERT_ANSWERERS": "slack:U0LAN"},
            "ALERT_ANSWERERS has no effect without TELEGRAM_ANSWERS=on or SLACK_APP_TOKEN.",
        ),
    ],
)
def test_what_has_no_effect_is_noted(environ: Mapping[str, str], note: str) -> None:
    found = settings(environ)
    assert found.notes == (note,)
    assert "hidden" not in repr(found)
