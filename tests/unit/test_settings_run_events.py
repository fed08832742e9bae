"""Settings of those who are told of the ends of runs: the webhook, its secret, and where it may lead."""

from pathlib import Path

import pytest

from config import RunEventSettings, Secret, SettingsError, load

NOWHERE = Path("/nonexistent")
URL = "https://hooks.example.org/path-that-is-a-secret?key=1"
SECRET = "sixteen-letters!"


def events(**environ: str) -> RunEventSettings:
    return load(environ, NOWHERE).runs.events


def faults(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, NOWHERE)
    return list(error.value.faults)


def test_by_default_nobody_is_told() -> None:
    assert events() == RunEventSettings(None, None, allow_private=False, journal=False)


def test_a_webhook_has_a_url_and_a_secret() -> None:
    found = events(RUN_EVENTS_URL=URL, RUN_EVENTS_SECRET=SECRET, RUN_EVENTS_JOURNAL="on")
    assert found == RunEventSettings(Secret(URL), Secret(SECRET), allow_private=False, journal=True)


def test_neither_is_shown_and_both_may_lie_in_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    environ = {"RUN_EVENTS_URL": URL, "RUN_EVENTS_SECRET_FILE": str(tmp_path / "secret")}
    found = load(environ, NOWHERE)
    shown = {item.name: item.shown for item in found.in_force}
    assert (shown["RUN_EVENTS_URL"], shown["RUN_EVENTS_SECRET"]) == ("***", "***")
    assert {URL, SECRET} <= set(found.secrets())
    assert "secret" not in repr(found)


def test_a_url_without_a_secret_is_a_fault() -> None:
    assert faults(RUN_EVENTS_URL=URL) == [
        "RUN_EVENTS_URL: is set without RUN_EVENTS_SECRET; set the secret that signs what is sent there."
    ]


@pytest.mark.parametrize("secret", ["hunter2", "fifteen-letters"])
def test_a_short_secret_is_a_fault_that_does_not_show_it(secret: str) -> None:
    (fault,) = faults(RUN_EVENTS_URL=URL, RUN_EVENTS_SECRET=secret)
    assert fault.startswith("RUN_EVENTS_SECRET: the value is shorter than 16 characters; write a random one")
    assert secret not in fault


@pytest.mark.parametrize("value", ["hooks.example.com", "ftp://h/x", "https:///x", "https://h/#x", "https://u:p@h/x"])
def test_what_is_no_address_is_a_fault(value: str) -> None:
    (fault,) = faults(RUN_EVENTS_URL=value, RUN_EVENTS_SECRET=SECRET)
    assert fault.startswith("RUN_EVENTS_URL: the value ")
    assert value not in fault


@pytest.mark.parametrize(
    "value",
    [
        "http://hooks.example.org/x",
        "https://localhost/x",
        "https://127.0.0.1:8443/x",
        "https://10.0.0.5/x",
        "https://[::1]/x",
        "https://[fd00::1]/x",
        "https://169.254.169.254/latest",
        "https://metadata.google.internal/x",
    ],
)
def test_where_it_must_not_lead_without_being_allowed(value: str) -> None:
    (fault,) = faults(RUN_EVENTS_URL=value, RUN_EVENTS_SECRET=SECRET)
    assert "set RUN_EVENTS_ALLOW_PRIVATE=on if that is meant" in fault
    allowed = events(RUN_EVENTS_URL=value, RUN_EVENTS_SECRET=SECRET, RUN_EVENTS_ALLOW_PRIVATE="on")
    assert (allowed.url, allowed.allow_private) == (Secret(value), True)


def test_what_belongs_to_a_url_has_no_effect_without_it() -> None:
    found = load({"RUN_EVENTS_SECRET": SECRET, "RUN_EVENTS_ALLOW_PRIVATE": "on"}, NOWHERE)
    assert found.notes == (
        "RUN_EVENTS_SECRET has no effect without RUN_EVENTS_URL.",
        "RUN_EVENTS_ALLOW_PRIVATE has no effect without RUN_EVENTS_URL.",
    )


def test_a_slip_in_the_name_is_a_fault_since_nobody_else_has_such_names() -> None:
    assert faults(RUN_EVENTS_URI=URL) == ["RUN_EVENTS_URI: no such setting; did you mean RUN_EVENTS_URL?"]
