"""`roundsman conversations why | show | snooze | simulate`, as people and programs call and mistype them."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import Document, bot, conversation, export, message, naive, page
from conversation_shell import ConversationShell
from rounds import Rounds
from sqlalchemy.engine import URL

from roundsman.cli.conversation_why import MOST_EVENTS
from roundsman.clock import ManualClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.file import PolicyFile, read_policies
from roundsman.conversations.policies.policy import Policy
from roundsman.repositories.engine import Store, StoreOptions

QUESTION_AT = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
AT = "2026-03-03T02:20:00Z"
SECRET_TEXT, PHONE = "my card is 4111-1111", "0901234567"
LAN = {"id": "u-lan", "name": "Lan Nguyễn"}

POLICIES = """
[calendar.shop]
zone = "Asia/Ho_Chi_Minh"
mon-sun = ["08:30-12:00", "13:30-22:30"]

[calendar.monday]
zone = "Asia/Ho_Chi_Minh"
mon = "08:00-12:00"

[staff.lan]
name = "Lan"
pancake = ["u-lan"]

[[policy]]
name = "bots answer"
pages = ["200"]
clock = "customer"
first_response = "10m"

[[policy]]
name = "all others"
calendar = "shop"
first_response = "10m"

[[policy.level]]
to = ["assignee"]

[[policy.level]]
after = "30m"
"""


def minute(number: float) -> datetime:
    return QUESTION_AT + timedelta(minutes=number)


def made() -> Document:
    given = {"inserted_at": naive(minute(5)), "payload": {"added_users": [LAN], "deleted_users": []}}
    mine = conversation("mine", tags=[{"text": "NV9"}])
    mine["panCakeData"] |= {
        "current_assign_users": [LAN],
        "assignee_histories": [given],
        "snippet": SECRET_TEXT,
        "recent_phone_numbers": [{"phone_number": PHONE}],
    }
    return export(
        pages=[page(accessToken="page-token"), page("200")],
        conversations=[mine, conversation("spam", tags=["spam"]), conversation("bot", "200"), conversation("answered")],
        messages=[
            message("m1", QUESTION_AT, name="mine", message=SECRET_TEXT, phone_info=[{"phone_number": PHONE}]),
            message("m2", minute(1), bot(), name="mine", message=SECRET_TEXT),
            message("m3", QUESTION_AT, name="spam"),
            message("m4", QUESTION_AT, name="bot", page_id="200"),
            message("m5", minute(1), bot("200"), name="bot", page_id="200"),
            message("m6", QUESTION_AT, name="answered"),
            message("m7", minute(1), {"id": "100", "uid": "u"}, name="answered"),
        ],
    )


@pytest.fixture
def shell(tmp_path: Path) -> ConversationShell:
    """Four conversations: mine waits, spam is excluded, a bot has answered in bot, somebody in answered."""
    (tmp_path / "policies.toml").write_text(POLICIES, encoding="utf-8")
    found = ConversationShell(tmp_path, POLICIES_FILE=str(tmp_path / "policies.toml"))
    assert found.take(made()).returncode == 0
    return found


def book(folder: Path) -> PolicyBook:
    settings = Policy("settings", timedelta(minutes=15), timedelta(minutes=15))
    text = (folder / "policies.toml").read_text(encoding="utf-8")
    return read_policies(PolicyFile(text, "policies.toml", channels=["console"], read_file=lambda name: ""), settings)


def store_of(shell: ConversationShell) -> Store:
    return Store(StoreOptions(URL.create("sqlite", database=str(shell.folder / "state" / "roundsman.db"))))


@pytest.fixture
def rounds(shell: ConversationShell) -> Iterator[Rounds]:
    """A monitor on the shell's store, at the moment of the question."""
    with closing(
        Store(StoreOptions(URL.create("sqlite", database=str(shell.folder / "state" / "roundsman.db"))))
    ) as store:
        yield Rounds(store, ManualClock(QUESTION_AT), shell.folder, book(shell.folder))


# --- why ---


def test_why_tells_people_the_reasons(shell: ConversationShell) -> None:
    done = shell.run("why", "100_mine", "--at", AT)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "Customer mine on Shop 100 (100_mine) is late: The customer has waited 20 min for a person's answer "
        "(only a bot has answered); 10 min are allowed."
    )
    assert all(line.startswith("- ") and line.endswith((".", "100_mine")) for line in lines[1:])
    assert "- The wait is charged to Lan 15 min, nobody 5 min." in lines
    assert lines[-1] == "- https://pancake.vn/shop100?c_id=100_mine"


def test_why_tells_programs_the_verdict_the_sentences_and_the_stored_facts(shell: ConversationShell) -> None:
    found = shell.json("why", "100_mine", "--at", AT)
    assert list(found) == ["verdict", "why", "facts"]
    listed = {each["conversation_id"]: each for each in shell.json("list", "--at", AT)}
    assert found["verdict"] == listed["100_mine"]
    assert found["why"][0] == found["verdict"]["reason"]
    facts = found["facts"]
    assert facts["conversation"]["assignees"] == [["u-lan", "Lan Nguyễn"]]
    assert facts["plan"]["due_at"] == "2026-03-03T02:10:00Z"
    assert (facts["sync"], facts["alerts"]) == (None, [])
    assert facts["watch_list"]["human_waiting_since"] == "2026-03-03T02:00:00Z"


def test_why_and_show_of_a_past_moment_know_of_no_later_alert(shell: ConversationShell, rounds: Rounds) -> None:
    rounds.walk_until(35)  # told at minute 11 and 31
    at_five, at_twenty, at_end = (
        shell.run("why", "100_mine", "--at", f"{minute(number):%Y-%m-%dT%H:%M:%SZ}").stdout for number in (5, 20, 35)
    )
    assert "Nobody was ever told of it." in at_five
    assert "Level 1 (assignee) goes out after 2026-03-03 02:10:00 UTC (in 5 min 00 s)." in at_five
    assert "Alert 1 has told of this wait up to level 1 since 2026-03-03 02:11:00 UTC (9 min 00 s ago)" in at_twenty
    assert "Level 2 (everybody) goes out after 2026-03-03 02:30:00 UTC (in 10 min 00 s)." in at_twenty
    assert "up to level 2" in at_end
    assert "All levels were told." in at_end
    events = shell.json("show", "100_mine", "--at", AT)["events"]
    assert [(each["kind"], each["at"]) for each in events if each["kind"] == "alert"] == [
        ("alert", "2026-03-03T02:11:00Z")
    ]


# --- show ---


def test_show_prints_what_happened_in_order(shell: ConversationShell) -> None:
    done = shell.run("show", "100_mine", "--at", AT)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.stdout.startswith("Customer mine on Shop 100 (100_mine)")
    assert [line[3] for line in lines[2:-1]] == ["customer", "bot", "handover"]
    assert " ".join(lines[4]) == "2026-03-03 02:05:00 UTC handover given to Lan Nguyễn"
    assert done.stdout.splitlines()[-1].startswith("Then late: The customer has waited 20 min")
    assert shell.run("show", "100_mine").stdout.splitlines()[-1].startswith("Now late: ")


def test_of_a_long_conversation_the_newest_is_shown(shell: ConversationShell) -> None:
    shell.take(export(messages=[message(f"more{n}", minute(n / 60), name="mine") for n in range(MOST_EVENTS + 20)]))
    lines = shell.run("show", "100_mine", "--at", AT).stdout.splitlines()
    hidden = len(shell.json("show", "100_mine", "--at", AT)["events"]) - MOST_EVENTS
    assert lines[1] == f"{hidden} earlier events are not shown; --json shows all."
    assert len(lines) == MOST_EVENTS + 4


def test_a_name_of_thousands_of_letters_does_not_fill_the_screen(shell: ConversationShell) -> None:
    question = message("long1", minute(0), {"id": "long", "name": "x\ny" * 2000}, name="long")
    described = conversation("long", updatedAt=naive(minute(1)))
    described["panCakeData"]["from"]["name"] = "x\ny" * 2000
    shell.take(export(conversations=[described], messages=[question]))
    for command in (("list",), ("show", "100_long"), ("why", "100_long")):
        assert max(map(len, shell.run(*command, "--at", AT).stdout.splitlines())) < 300
        assert shell.run(*command, "--at", AT).stdout.count("x y") < 50


def test_of_whom_nothing_is_known_nothing_is_drawn(shell: ConversationShell) -> None:
    shell.take(export(conversations=[conversation("silent")]))
    lines = shell.run("show", "100_silent").stdout.splitlines()
    assert lines[0] == "Customer silent on Shop 100 (100_silent)"
    assert len(lines) == 2


def test_show_gives_programs_the_events(shell: ConversationShell) -> None:
    found = shell.json("show", "100_mine", "--at", AT)
    assert [(each["at"], each["kind"]) for each in found["events"]] == [
        ("2026-03-03T02:00:00Z", "customer"),
        ("2026-03-03T02:01:00Z", "bot"),
        ("2026-03-03T02:05:00Z", "handover"),
    ]
    assert found["verdict"]["level"] == 1


# --- snooze ---


def test_a_snooze_is_told_and_taken_back(shell: ConversationShell) -> None:
    put_off = shell.run("snooze", "100_mine", "2h")
    assert (put_off.returncode, put_off.stderr) == (0, "")
    assert put_off.stdout.startswith("100_mine is put off until ")
    row = shell.json("why", "100_mine")["facts"]["watch_list"]
    until = datetime.fromisoformat(row["snoozed_until"])
    assert timedelta(minutes=119) < until - datetime.now(UTC) <= timedelta(hours=2)
    assert f"{row['snoozed_by']} put it off until" in shell.run("why", "100_mine").stdout
    assert shell.run("snooze", "100_mine", "off").stdout == "100_mine is no longer put off.\n"
    assert shell.json("why", "100_mine")["facts"]["watch_list"]["snoozed_until"] is None


def test_day_and_night_have_no_next_shift(shell: ConversationShell) -> None:
    shell.take(
        export(
            conversations=[conversation("day", "200")], messages=[message("d1", minute(0), page_id="200", name="day")]
        )
    )
    done = shell.run("snooze", "200_day", "shift")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "roundsman: TIME: the calendar 'always' has no next shift; give a time such as 2h.\n"


def test_a_snooze_until_the_next_shift_ends_when_one_begins(shell: ConversationShell) -> None:
    shell.run("snooze", "100_mine", "shift")
    until = datetime.fromisoformat(shell.json("why", "100_mine")["facts"]["watch_list"]["snoozed_until"])
    assert until > datetime.now(UTC)
    assert f"{until:%H:%M}" in ("01:30", "06:30")  # 08:30 and 13:30 in Hanoi


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("100_answered", "2h"), "Nobody waits in 100_answered, so there is nothing to put off."),
        (("200_bot", "2h"), "Nobody waits in 200_bot, so there is nothing to put off."),
        (("100_spam", "2h"), "Nobody is told of 100_spam anyway. The tag 'spam' excludes it."),
        (("100_mine", "soon"), "TIME: 'soon' is no duration; write for example 30s, 5m or 1h30m."),
        (("100_mine", "0m"), "TIME: '0m' is over at once; give a time such as 30m, or off."),
        (("100_mine", "9999d"), "TIME: '9999d' is longer than 366d; give a shorter time."),
        (("100_mine", ""), "TIME: '' is no duration; write for example 30s, 5m or 1h30m."),
    ],
)
def test_a_snooze_that_means_nothing_is_refused(
    shell: ConversationShell, arguments: tuple[str, ...], sentence: str
) -> None:
    done = shell.run("snooze", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"roundsman: {sentence}\n")
    assert shell.json("why", "100_mine")["facts"]["watch_list"]["snoozed_until"] is None


# --- simulate ---


def test_without_a_past_there_is_nothing_to_walk_through(tmp_path: Path) -> None:
    empty = ConversationShell(tmp_path)
    assert empty.run("simulate").stdout.startswith("Nothing was recorded yet")
    found = empty.json("simulate")
    assert (found["rounds"], found["simulated"]["total"], found["really_told"]) == (0, 0, [])


BY_THE_CLOCK = """
[[policy]]
name = "day and night"
first_response = "10m"

[[policy.level]]

[[policy.level]]
after = "30m"
"""


@pytest.fixture
def an_hour(tmp_path: Path) -> ConversationShell:
    """Somebody asked an hour ago, by the machine's clock, and nobody made a round since."""
    (tmp_path / "policies.toml").write_text(BY_THE_CLOCK, encoding="utf-8")
    slower = BY_THE_CLOCK.replace('"10m"', '"45m"').replace('"30m"', '"90m"').replace("day and night", "slower")
    (tmp_path / "slower.toml").write_text(slower, encoding="utf-8")
    shell = ConversationShell(tmp_path, POLICIES_FILE=str(tmp_path / "policies.toml"))
    shell.run("list")  # makes the store
    asked_at = datetime.now(UTC) - timedelta(hours=1)
    with closing(store_of(shell)) as store:
        desk = Rounds(store, ManualClock(asked_at), tmp_path, book(tmp_path))
        desk.take(export(conversations=[conversation()], messages=[message("m1", asked_at)]))
    return shell


def test_a_simulation_of_the_policies_in_force(an_hour: ConversationShell) -> None:
    done = an_hour.run("simulate", "--since", "2h")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    # levels 1 and 2 after 10 and 30 of 60 minutes
    assert [line for line in lines if line[0] == "level"] == [["level", "1", "1"], ["level", "2", "1"]]
    assert "2 would have been told." in done.stdout
    assert "0 were really told." in done.stdout


def test_a_simulation_of_other_policies_beside_them(an_hour: ConversationShell) -> None:
    slower = str(an_hour.folder / "slower.toml")
    done = an_hour.run("simulate", "--policy", slower, "--since", "2h")
    lines = [line.split() for line in done.stdout.splitlines()]
    # level 1 after 45 minutes, level 2 would be after 90
    assert [line for line in lines if line[0] == "level"] == [
        ["level", "1", "1", "1", "+0"],
        ["level", "2", "0", "1", "-1"],
    ]
    assert "1 would have been told with these policies, 2 with those in force." in done.stdout
    found = an_hour.json("simulate", "--policy", slower, "--since", "2h")
    assert {name: found["simulated"][name] for name in ("total", "level", "page", "staff", "policy")} == {
        "total": 1, "level": {"level 1": 1}, "page": {"100": 1}, "staff": {"nobody": 1}, "policy": {"slower": 1},
    }  # fmt: skip
    assert (found["in_force"]["total"], found["really_told"], found["difference"]) == (2, [], None)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--since", "long"), 2, "--since: 'long' is no duration; write for example 30s, 5m or 1h30m."),
        (("--since", "367d"), 2, "--since: '367d' is longer than 366d; give a shorter time."),
        (("--policy", "no.toml"), 2, "--policy: no.toml does not exist; give a file such as config/policies.toml."),
        (("--policy", "."), 2, "--policy: . is not a file; give a file such as config/policies.toml."),
        (
            ("--policy", "broken.toml"), 78,
            'broken.toml line 1: "polcy" is no word for this place; did you mean policy?',
        ),
    ],
)  # fmt: skip
def test_a_mistyped_simulation_is_one_sentence(
    shell: ConversationShell, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    (shell.folder / "broken.toml").write_text("polcy = 1\n", encoding="utf-8")
    done = shell.run("simulate", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"roundsman: {sentence}\n")


# --- what people mistype, and what others write ---


@pytest.mark.parametrize("command", [("why",), ("show",), ("snooze",)])
@pytest.mark.parametrize("name", ["100_nobody", "", " ", "\x1b[31m100_mine", "100_mine\n"])
def test_an_unknown_id_is_one_sentence(shell: ConversationShell, command: tuple[str, ...], name: str) -> None:
    done = shell.run(*command, name, *(("2h",) if command == ("snooze",) else ()))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"roundsman: There is no conversation {name!r}; `roundsman conversations list` shows all ids.\n"
    )


@pytest.mark.parametrize("command", ["why", "show"])
@pytest.mark.parametrize("value", ["yesterday", "", "2026-13-01", "1e400"])
def test_a_bad_time_is_one_sentence(shell: ConversationShell, command: str, value: str) -> None:
    done = shell.run(command, "100_mine", "--at", value)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("roundsman: --at is ")
    assert done.stderr.count("\n") == 1


NASTY = "Eve\x1b[2J\x9b31m\u202e\nroundsman: all is well\r"


def test_names_cannot_drive_the_terminal(shell: ConversationShell) -> None:
    nasty = conversation("nasty", "666")
    nasty["panCakeData"] |= {"from": {"id": "c", "name": NASTY}, "current_assign_users": [{"id": "x", "name": NASTY}]}
    nasty["panCakeData"]["tags"] = [{"text": f"tag {NASTY}"}]
    nasty["panCakeData"]["assignee_histories"] = [
        {"inserted_at": naive(minute(1)), "payload": {"added_users": [{"id": "x", "name": NASTY}]}}
    ]
    off = conversation("off", "667")
    shell.take(
        export(
            pages=[page("666", pageName=NASTY), page("667", pageName=NASTY, isSync=False)],
            conversations=[nasty, off],
            messages=[
                message("n1", QUESTION_AT, {"id": "c", "name": NASTY}, name="nasty", page_id="666"),
                message("n2", QUESTION_AT, name="off", page_id="667"),
            ],
        )
    )
    for command in (
        ("why", "666_nasty"), ("show", "666_nasty"), ("why", "667_off"), ("show", "667_off"), ("list",), ("simulate",),
        ("why", "666_nasty", "--json"), ("show", "666_nasty", "--json"), ("list", "--json"),
    ):  # fmt: skip
        out = shell.run(*command).stdout
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(out), command
        if command[0] in ("why", "show"):
            assert not any(line.startswith("roundsman: all is well") for line in out.splitlines()), command


def test_no_text_no_number_and_no_token_of_a_document_is_shown(shell: ConversationShell) -> None:
    for arguments in (("why", "100_mine"), ("show", "100_mine"), ("list",), ("simulate",)):
        for form in ((), ("--json",)):
            out = shell.run(*arguments, *form).stdout
            assert not [each for each in (SECRET_TEXT, PHONE, "page-token") if each in out], arguments


def test_json_is_one_document_for_each_command(shell: ConversationShell) -> None:
    found: list[Any] = [
        json.loads(shell.run(*each, "--json").stdout)
        for each in (("why", "100_spam"), ("show", "100_answered"), ("simulate",))
    ]
    assert [each["verdict"]["verdict"] for each in found[:2]] == ["excluded", "answered"]
