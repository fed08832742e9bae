"""Where settings come from: environment, settings file, files of secrets, systemd credentials; and reading again."""

import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config import Secret, Settings, SettingsError, SlackSettings, differences, load
from config.catalogue import FACTS, SETTINGS

WEBHOOK = "https://hooks.slack.com/services/T000/B000/secret"
OTHER = "https://hooks.slack.com/services/T000/B000/hidden"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


def write(place: Path, text: str, name: str = ".env") -> Path:
    (place / name).write_text(text)
    return place


def faults(environ: Mapping[str, str], place: Path) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, place)
    return list(error.value.faults)


def source(settings: Settings, name: str) -> str:
    return next(item.source for item in settings.in_force if item.name == name)


# --- the settings file ---


def test_the_file_is_read_and_the_environment_wins(place: Path) -> None:
    write(place, "# a comment\nexport LOG_LEVEL=debug\n\nALERT_LANGUAGE='vi'\n")
    found = load({"LOG_LEVEL": "error"}, place)
    assert (found.log_level, found.alerts.language) == ("error", "vi")
    assert source(found, "LOG_LEVEL") == "environment"
    assert source(found, "ALERT_LANGUAGE") == ".env line 4"
    assert source(found, "CONVERSATION_CLOCK") == "default"


def test_another_file_may_be_named(place: Path) -> None:
    write(place, "LOG_LEVEL=debug", "other.env")
    write(place, "LOG_LEVEL=error")
    assert load({"ROUNDSMAN_ENV_FILE": "other.env"}, place).log_level == "debug"


def test_the_file_of_policies_is_meant_from_where_it_was_named(place: Path) -> None:
    (place / "etc").mkdir()
    write(place, "POLICIES_FILE=policies.toml\n", "etc/roundsman.env")
    assert load({"ROUNDSMAN_ENV_FILE": "etc/roundsman.env"}, place).policies_file == place / "etc" / "policies.toml"
    assert load({"POLICIES_FILE": "policies.toml"}, place).policies_file == place / "policies.toml"
    assert load({"POLICIES_FILE": "/srv/policies.toml"}, place).policies_file == Path("/srv/policies.toml")
    assert load({"POLICIES_FILE": ""}, place).policies_file is None


def test_the_file_of_policies_is_no_file_of_a_secret(place: Path) -> None:
    write(place, "POLICIES=x\n")
    assert faults({}, place) == ["POLICIES (.env line 1): no such setting; remove it; config/example.env lists all."]
    assert load({"POLICY_FILE": "x"}, write(place, "")).notes == ()
    (note,) = load({"POLICIES_FIL": "x"}, place).notes
    assert note.endswith("did you mean POLICIES_FILE?")


def test_a_fault_in_the_file_names_file_and_line(place: Path) -> None:
    write(place, "\n\nLOG_LEVEL=loud\n")
    assert faults({}, place) == ["LOG_LEVEL (.env line 3): 'loud' is not one of debug, info, warning, error."]


def test_every_unknown_name_in_the_file_is_a_fault(place: Path) -> None:
    write(place, "LOGLEVEL=debug\nPATH=/bin\nHTTPS_PROXY=\nJOB_REPORT_SHEDULE=every 1m\nROUNDSMAN_ENV_FILE=x\n")
    assert faults({}, place) == [
        "LOGLEVEL (.env line 1): no such setting; did you mean LOG_LEVEL?",
        "PATH (.env line 2): no such setting; remove it; config/example.env lists all.",
        "HTTPS_PROXY (.env line 3): no such setting; remove it; config/example.env lists all.",
        "JOB_REPORT_SHEDULE (.env line 4): no such setting; did you mean JOB_REPORT_SCHEDULE?",
        "ROUNDSMAN_ENV_FILE (.env line 5): belongs into the environment of the process, not into the file.",
    ]


def test_a_broken_line_is_a_fault_and_not_repeated(place: Path) -> None:
    write(place, 'LOG_LEVEL=info\nSLACK_WEBHOOK_URL="secret\nDB_PASS secret\n')
    found = faults({}, place)
    assert found[0] == ".env line 2: this is not NAME=VALUE; correct the line or put # before it."
    assert "secret" not in "".join(found)


def test_a_name_that_is_set_twice_is_a_fault(place: Path) -> None:
    write(place, "LOG_LEVEL=info\nALERT_LANGUAGE=en\nLOG_LEVEL=debug\n")
    assert faults({}, place) == ["LOG_LEVEL (.env line 3): is set in line 1 already; keep one of the two."]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"LOG_LEVEL=\xff", "is not UTF-8 text"), (b"#" * 70_000, "is larger than 64 KiB, so it is no such file")],
)
def test_a_file_that_is_no_settings_file_is_named(place: Path, content: bytes, words: str) -> None:
    (place / ".env").write_bytes(content)
    assert faults({}, place) == [f"The settings file {place}/.env {words}."]


def test_a_folder_or_a_pipe_in_place_of_the_file_does_not_block(place: Path) -> None:
    os.mkfifo(place / "pipe")
    (found,) = faults({"ROUNDSMAN_ENV_FILE": "pipe"}, place)
    assert found == f"ROUNDSMAN_ENV_FILE: the file {place}/pipe is not a regular file."


def test_values_with_a_hash_or_dollar_are_taken_as_they_are(place: Path) -> None:
    write(place, "DB_HOST=db\nDB_NAME=n\nDB_USER=u\nDB_PASS='a#b$c ${HOME}'\n")
    assert load({}, place).store.url == Secret("postgresql://u:a%23b%24c%20%24%7BHOME%7D@db:5432/n")


def test_a_file_written_on_windows_is_read(place: Path) -> None:
    (place / ".env").write_bytes(b"\xef\xbb\xbfLOG_LEVEL=debug\r\nALERT_LANGUAGE=vi\r\n")
    found = load({}, place)
    assert (found.log_level, found.alerts.language) == ("debug", "vi")


# --- secrets ---


def test_a_secret_may_lie_in_a_file_of_its_own(place: Path) -> None:
    write(place, f"{WEBHOOK}\n", "webhook")
    found = load({"SLACK_WEBHOOK_URL_FILE": "webhook"}, place)
    assert found.alerts.of(SlackSettings) == SlackSettings(webhook_url=Secret(WEBHOOK))
    assert source(found, "SLACK_WEBHOOK_URL") == f"file {place}/webhook"


@pytest.mark.parametrize("file", ["slack_webhook_url", "roundsman_slack_webhook_url"])
def test_a_secret_may_come_as_a_systemd_credential(place: Path, file: str) -> None:
    write(place, WEBHOOK, file)
    found = load({"CREDENTIALS_DIRECTORY": str(place)}, place)
    assert found.alerts.of(SlackSettings) == SlackSettings(webhook_url=Secret(WEBHOOK))


def test_what_is_written_wins_over_a_credential_and_that_is_noted(place: Path) -> None:
    write(place, OTHER, "slack_webhook_url")
    found = load({"CREDENTIALS_DIRECTORY": str(place), "SLACK_WEBHOOK_URL": WEBHOOK}, place)
    assert found.alerts.of(SlackSettings) == SlackSettings(webhook_url=Secret(WEBHOOK))
    assert found.notes == ("SLACK_WEBHOOK_URL is used, not the systemd credential of that name.",)


def test_a_secret_and_its_file_at_once_are_a_fault(place: Path) -> None:
    write(place, f"SLACK_WEBHOOK_URL_FILE={place}/webhook\n")
    assert faults({"SLACK_WEBHOOK_URL": WEBHOOK}, place) == [
        "SLACK_WEBHOOK_URL and SLACK_WEBHOOK_URL_FILE (.env line 1) are both set; keep one of the two."
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist"), ("\n", "is empty"), ("TOPSECRET\nTOPSECRET\n", "holds more than one line")],
)
def test_a_file_of_a_secret_that_is_of_no_use_is_named(place: Path, content: str | None, words: str) -> None:
    if content is not None:
        write(place, content, "webhook")
    (found,) = faults({"SLACK_WEBHOOK_URL_FILE": "webhook"}, place)
    assert found.startswith(f"SLACK_WEBHOOK_URL_FILE: the file {place}/webhook {words}")
    assert "TOPSECRET" not in found


def test_an_empty_credential_is_a_fault(place: Path) -> None:
    write(place, "", "telegram_bot_token")
    (found,) = faults({"CREDENTIALS_DIRECTORY": str(place)}, place)
    assert found.startswith("TELEGRAM_BOT_TOKEN (systemd credential): the file")


SECRETS = {
    "DATABASE_URL": "postgresql://u:TOPSECRET@h/n?password=TOPSECRET",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/TOPSECRET",
    "ALERT_WEBHOOK_URL": "https://hooks.example.org/TOPSECRET",
    "ALERT_WEBHOOK_SECRET": "TOPSECRET_TOPSECRET",
    "SMTP_HOST": "smtp.example.org",
    "SMTP_TO": "lan@example.org",
    "SMTP_USER": "alerts@example.org",
    "SMTP_PASS": "TOPSECRET_TOPSECRET",
    "TELEGRAM_BOT_TOKEN": "123456789:TOPSECRET_TOPSECRET_TOPSECRET_TOPSECRET",
    "TELEGRAM_CHAT_ID": "1",
    "QUEUE_TYPE": "redis",
    "REDIS_URL": "rediss://:TOPSECRET@h/0",
    "AWS_SECRET_ACCESS_KEY": "TOPSECRET/TOPSECRET",
    "AWS_ENDPOINT_URL": "https://u:TOPSECRET@h/",
}


def test_no_text_of_the_settings_shows_a_secret(place: Path) -> None:
    found = load(SECRETS, place)
    assert len(found.alerts.set_up) == 4
    texts = [repr(found), str(found), str(asdict(found.alerts)), f"{found.store.url}", repr(found.in_force)]
    texts += [str(change) for change in differences(load({}, place), found)]
    assert "TOPSECRET" not in "".join(texts)
    hidden = {"TOPSECRET", *(value for value in SECRETS.values() if "TOPSECRET" in value)}
    assert hidden <= set(found.secrets())


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("spoil", ["{}\x01", "\t{}\ud800", "x{}", "{} {}", "{}/@:#"])
def test_no_fault_shows_a_secret(place: Path, name: str, spoil: str) -> None:
    value = spoil.replace("{}", SECRETS[name])
    try:
        texts = [repr(load({**SECRETS, name: value}, place))]
    except SettingsError as error:
        texts = list(error.faults)
    assert "TOPSECRET" not in "".join(texts)


@pytest.mark.parametrize(
    "value",
    ["xoxb-1-TOPSECRET", "https://hooks.slack.com/services/TOPSECRET", "123456789:TOPSECRET_TOPSECRET_TOPSECRET"],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(place: Path, value: str) -> None:
    found = faults({"SLACK_CHANNEL": value, "LOG_LEVEL": value, "DB_HOST": value}, place)
    assert "TOPSECRET" not in "".join(found)


# --- reading again ---


def test_what_changed_is_told_in_words(place: Path) -> None:
    old = load({"SLACK_WEBHOOK_URL": WEBHOOK, "JOB_X_TIMEOUT": "1m"}, place)
    new = load(
        {"CONVERSATION_THRESHOLD_MINUTES": "20", "SLACK_WEBHOOK_URL": OTHER, "DB_POOL_SIZE": "9", "JOB_X_JITTER": "1s"},
        place,
    )
    assert [str(change) for change in differences(old, new)] == [
        "DB_POOL_SIZE: 5 -> 9 (takes effect after a restart)",
        "CONVERSATION_THRESHOLD_MINUTES: 15 -> 20",
        "SLACK_WEBHOOK_URL: changed",
        "JOB_X_JITTER: not set -> 1s",
        "JOB_X_TIMEOUT: 1m -> not set",
    ]


def test_another_password_is_a_change_that_needs_a_restart(place: Path) -> None:
    parts = {"DB_HOST": "h", "DB_NAME": "n", "DB_USER": "u"}
    changes = differences(load({**parts, "DB_PASS": "one"}, place), load({**parts, "DB_PASS": "two"}, place))
    assert [(change.name, str(change).split(": ")[1], change.needs_restart) for change in changes] == [
        ("DATABASE_URL", "changed (takes effect after a restart)", True),
        ("DB_PASS", "changed (takes effect after a restart)", True),
    ]


def test_the_same_settings_have_no_differences(place: Path) -> None:
    assert differences(load(SECRETS, place), load(SECRETS, place)) == []


# --- the example file ---

EXAMPLE = Path(__file__).parents[2] / "config" / "example.env"


def example_values() -> dict[str, str]:
    lines = re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    assert len(lines) == len(dict(lines))
    return {name: value.strip('"') for name, value in lines}


def test_the_example_file_holds_every_setting_with_its_default() -> None:
    expected = {setting.name: setting.default or setting.example for setting in SETTINGS}
    found = {name: value for name, value in example_values().items() if not name.startswith(tuple(FACTS))}
    assert found == expected


@pytest.mark.parametrize("family", FACTS)
def test_the_example_file_names_every_fact_of_a_job_and_of_a_workflow(family: str) -> None:
    assert set(FACTS[family]) <= set(re.findall(r"[A-Z_]+", EXAMPLE.read_text()))


def test_every_example_is_a_good_value() -> None:
    for setting in SETTINGS:
        setting.read(example_values()[setting.name])


def test_the_example_file_as_it_is_changes_nothing(place: Path) -> None:
    before = load({}, place)
    write(place, EXAMPLE.read_text())
    assert differences(before, load({}, place)) == []


def test_every_setting_is_explained_and_has_a_default_or_an_example() -> None:
    for setting in SETTINGS:
        assert setting.help.endswith(".")
        assert (setting.default is None) != (setting.example is None)


# --- anything at all ---

NAMES = st.sampled_from(
    [setting.name for setting in SETTINGS]
    + [f"{setting.name}_FILE" for setting in SETTINGS if setting.secret]
    + ["ROUNDSMAN_ENV_FILE", "NODE_ENV", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"]
    + ["JOB_X_SCHEDULE", "JOB__TIMEOUT", "WORKFLOW_X_RATE"]
) | st.text(min_size=1, max_size=20).map(lambda text: "ROUNDSMAN_" + text)
PIECES = st.sampled_from(
    [
        "sqlite://",
        "postgres://",
        "/",
        "//",
        "u:p@",
        "h",
        ":",
        "[",
        "]",
        "?",
        "#",
        "%",
        "%2",
        "..",
        "x",
        "https://",
        "redis://",
        "unix://",
        "db=",
        "sqs",
        "é",
        "0",
        "1",
    ]
)
VALUES = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=30) | st.sampled_from(list(SECRETS.values()))


@given(st.dictionaries(NAMES, VALUES, max_size=8))
@example({"DATABASE_URL": "postgres://[x/"})
@example({"DB_HOST": "[", "DB_NAME": "\ud800"})
@example({"ROUNDSMAN_ENV_FILE": "\0"})
@example({"CREDENTIALS_DIRECTORY": "\0", "STATE_DIRECTORY": "\ud800"})
@example({"DATABASE_URL_FILE": "x" * 5000})
@example({"REDIS_URL": "redis://[x/", "AWS_SESSION_TOKEN": "\ud800"})
@example({"QUEUE_TYPE": "redis", "REDIS_URL": "redis://[x/"})
@example({"QUEUE_TYPE": "sqs", "SQS_QUEUE_URL": "https://[x/"})
def test_any_environment_is_read_or_refused_in_sentences(environ: dict[str, str]) -> None:
    try:
        load(environ, Path("/nonexistent"))
    except SettingsError as error:
        for fault in error.faults:
            assert fault.isprintable(), fault
            assert fault.endswith((".", "?"))


@given(
    st.binary(max_size=200)
    | st.lists(st.tuples(NAMES, VALUES)).map(lambda p: "\n".join(map("=".join, p)).encode(errors="replace"))
)
def test_any_file_is_read_or_refused_in_sentences(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.env"
    file.write_bytes(content)
    try:
        load({"ROUNDSMAN_ENV_FILE": str(file)}, file.parent)
    except SettingsError as error:
        for fault in error.faults:
            assert fault.isprintable(), fault
            assert fault.endswith((".", "?"))
