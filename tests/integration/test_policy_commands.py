"""The file of policies from the settings to what people see: `check-config`, `conversations calendar`, a reload."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cli_shell import Shell

from config import load
from roundsman.app.composition import App
from roundsman.app.policies import policies_of
from roundsman.clock import ManualClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.errors import EXIT_CONFIGURATION, BadInputError, ConfigurationError
from roundsman.scheduling.job import Job, JobContext, Outcome

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "config" / "policies.toml"
Capture = pytest.CaptureFixture[str]
POLICY = '[[policy]]\nname = "p"\nfirst_response = "{}"\n'


@pytest.fixture
def shell(tmp_path: Path, clock: ManualClock, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, clock, capsys, monkeypatch)


@pytest.fixture
def shop(shell: Shell) -> Shell:
    """With the example that is shipped; it is 3 March 2026, 11:00 in Hanoi."""
    shell.setenv("POLICIES_FILE", str(EXAMPLE))
    return shell


def write(shell: Shell, text: str) -> None:
    (shell.folder / "policies.toml").write_text(text, encoding="utf-8")
    shell.setenv("POLICIES_FILE", "policies.toml")


# --- check-config ---


def test_check_config_tells_calendars_policies_and_staff_and_the_next_holidays(shop: Shell) -> None:
    lines = [" ".join(line.split()) for line in shop.out("check-config").splitlines()]
    assert lines[-1] == "The settings are in order."
    assert (
        "shop Asia/Ho_Chi_Minh 68.5 2026-04-26 Hung Kings 2026, 2026-04-30 Reunification Day, 2026-05-01 Labour Day"
    ) in lines
    assert "VIP tag vip shop 5 min 00 s 10 min 00 s assignee, manager" in lines
    assert "all others all shop 10 min 00 s 15 min 00 s assignee; 30 min 00 s: team; 1 h 00 min: manager" in lines
    assert "hoa Hoa sales (manager) 0 manager" in lines
    assert not (shop.folder / "state").exists()


def test_check_config_tells_the_same_to_programs(shop: Shell) -> None:
    found = shop.json("check-config")
    assert found["faults"] == []
    book = found["policies"]
    assert [each["name"] for each in book["policies"]] == ["VIP", "all others"]
    assert book["policies"][1]["levels"][1] == {"number": 2, "after": 1800.0, "to": ["team"], "channels": []}
    assert book["calendars"][0]["next_holidays"][0] == {"date": "2026-04-26", "why": "Hung Kings 2026"}
    assert book["calendars"][0]["open_now"] is True
    assert book["staff"][2]["teams"] == ["sales (manager)"]
    assert len(book["version"]) == 12


def test_without_a_file_nothing_is_said_of_policies(shell: Shell) -> None:
    assert shell.json("check-config")["policies"] is None
    assert "POLICY" not in shell.out("check-config")


def test_every_fault_of_the_file_is_a_sentence_with_its_line_and_means_78(shell: Shell) -> None:
    write(shell, POLICY.format("10") + 'clok = "human"\n')
    code, out, err = shell.run("check-config")
    assert (code, out) == (EXIT_CONFIGURATION, "")
    assert err.splitlines() == [
        'roundsman: policies.toml line 3: policy "p": first_response: is "10", which is no duration; write 10m or'
        " 1h30m.",
        'roundsman: policies.toml line 4: policy "p": "clok" is no word for this place; did you mean clock?',
    ]
    code, out, _ = shell.run("check-config", "--json")
    assert code == EXIT_CONFIGURATION
    assert len(json.loads(out)["faults"]) == 2


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (lambda path: path.write_bytes(b"name = '\xff'"), "is not UTF-8 text"),
        (lambda path: path.write_bytes(b"#" * (1 << 20) + b"\n"), "is larger than 1024 KiB, so it is no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault(shell: Shell, make: Callable[[Path], object], reason: str) -> None:
    path = shell.folder / "policies.toml"
    make(path)
    shell.setenv("POLICIES_FILE", "policies.toml")
    code, _, err = shell.run("check-config")
    assert (code, err) == (EXIT_CONFIGURATION, f"roundsman: POLICIES_FILE: the file {path} {reason}.\n")


def test_a_calendar_file_lies_beside_the_file_of_policies(shell: Shell) -> None:
    calendar = '[calendar.shop]\nzone = "UTC"\nmon-fri = ["24h"]\nholidays = ["ical:days.ics"]\n'
    write(shell, calendar)
    _, _, err = shell.run("check-config")
    assert err.endswith('line 4: calendar shop: holidays: "ical:days.ics" does not exist.\n')
    event = "BEGIN:VEVENT\nUID:1\nSUMMARY:Outing\nDTSTART;VALUE=DATE:20260304\nEND:VEVENT\n"
    (shell.folder / "days.ics").write_text(f"BEGIN:VCALENDAR\n{event}END:VCALENDAR\n")
    assert "2026-03-04 Outing" in shell.out("check-config")


# --- conversations calendar ---


def test_a_calendar_shows_its_hours_and_why_it_is_closed(shop: Shell) -> None:
    out = shop.out("conversations", "calendar", "shop", "--from", "2026-02-13", "--days", "6")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "Calendar shop, Asia/Ho_Chi_Minh",
        "DATE DAY OPEN CLOSED",
        "2026-02-13 fri 08:30-12:00 13:30-22:30",
        "2026-02-14 sat 09:00-12:00",
        "2026-02-15 sun 09:00-12:00",
        "2026-02-16 mon Tet 2026 (giao thua)",
        "2026-02-17 tue Tet 2026 (mung 1)",
        "2026-02-18 wed Tet 2026 (mung 2)",
        "Open for 18.5 h.",  # 12.5 and twice 3
    ]


def test_a_calendar_begins_with_the_day_that_it_is_there(shop: Shell, clock: ManualClock) -> None:
    clock.advance(timedelta(hours=14))  # 18:00 UTC: the next day in Hanoi
    first, *_ = shop.json("conversations", "calendar", "shop", "--days", "1")
    assert first == {
        "date": "2026-03-04",
        "day": "wed",
        "open": [["2026-03-04T01:30:00Z", "2026-03-04T05:00:00Z"], ["2026-03-04T06:30:00Z", "2026-03-04T15:30:00Z"]],
        "closed": [],
    }


def test_hours_over_midnight_and_days_without_a_shift(shell: Shell) -> None:
    write(shell, '[calendar.night]\nzone = "Europe/Berlin"\nmon = ["22:00-06:00"]\n')
    rows = shell.json("conversations", "calendar", "night", "--from", "2026-03-02", "--days", "3")
    assert [row["closed"] for row in rows] == [[], [], ["no shift"]]
    out = shell.out("conversations", "calendar", "night", "--from", "2026-03-02", "--days", "2")
    assert "22:00-24:00" in out
    assert "00:00-06:00" in out


def test_all_calendars_in_short(shop: Shell, shell: Shell) -> None:
    assert [each["name"] for each in shop.json("conversations", "calendar")] == ["shop", "manager"]
    assert "68.5" in shop.out("conversations", "calendar")


def test_a_calendar_that_nobody_knows_and_a_day_that_is_none(shop: Shell) -> None:
    with pytest.raises(BadInputError, match=r"There is no calendar 'shoop'; known are manager, shop\."):
        shop.run("conversations", "calendar", "shoop")
    with pytest.raises(BadInputError, match=r"--from: 'soon' is no date"):
        shop.run("conversations", "calendar", "shop", "--from", "soon")


def test_without_a_file_there_is_no_calendar(shell: Shell) -> None:
    assert "POLICIES_FILE" in shell.out("conversations", "calendar")
    assert shell.json("conversations", "calendar") == []
    with pytest.raises(BadInputError, match="POLICIES_FILE"):
        shell.run("conversations", "calendar", "shop")


# --- the parts of a daemon ---


class Asking(Job):
    """Asks for the book."""

    name = "asking"
    schedule = "every 1h"

    def __init__(self, policies: PolicyBook) -> None:
        self.policies = policies

    def run(self, ctx: JobContext) -> Outcome:
        return Outcome.done()


def app_of(folder: Path, clock: ManualClock) -> App:
    environ = {"ROUNDSMAN_STATE_DIR": str(folder / "state"), "POLICIES_FILE": "policies.toml"}
    return App(load(environ, folder), [Asking], [], clock)


def test_a_job_gets_the_book_and_after_a_reload_the_new_one(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(POLICY.format("10m"))
    with closing(app_of(tmp_path, clock)) as app:
        before = app.conversations.policies
        assert app.parts.build(Asking).policies is before
        file.write_text(POLICY.format("20m"))
        assert app.conversations.policies is before  # until somebody asks for it
        app.reconfigure(app.settings)
        assert app.parts.build(Asking).policies.policies[0].first_response == timedelta(minutes=20)
        assert app.conversations.policies.version != before.version


def test_another_file_can_be_tried_out(tmp_path: Path) -> None:
    settings = load({"ROUNDSMAN_STATE_DIR": "x"}, tmp_path)
    (tmp_path / "new.toml").write_text(POLICY.format("10m"))
    assert policies_of(settings, tmp_path / "new.toml").book.policies[0].name == "p"
    with pytest.raises(ConfigurationError, match=r"^The file .*/none\.toml does not exist\.$"):
        policies_of(settings, tmp_path / "none.toml")
    assert policies_of(settings).book.policies == ()


def test_a_broken_file_changes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(POLICY.format("10m"))
    with closing(app_of(tmp_path, clock)) as app:
        before, settings, registry = app.policies, app.settings, app.registry
        file.write_text(POLICY.format("10"))
        with pytest.raises(ConfigurationError, match="line 3"):
            app.reconfigure(load({"ROUNDSMAN_STATE_DIR": "x", "POLICIES_FILE": "policies.toml"}, tmp_path))
        assert (app.policies, app.settings, app.registry) == (before, settings, registry)
        app.reconfigure(settings, before)  # as a daemon does whose other parts refuse a reload
        assert app.conversations.policies is before.book
