"""`roundsman conversations import | list | due`, as people and programs call them."""

import json
from pathlib import Path

import pytest
from chats import NOW, ago, bot, conversation, export, message, page, staff
from conversation_shell import ConversationShell

FIELDS = [
    "conversation_id", "page_id", "verdict", "waiting_since", "human_waiting_since", "waited_minutes", "due_at",
    "level", "reason", "policy", "response", "charged",
]  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path) -> ConversationShell:
    return ConversationShell(tmp_path)


SAID = export(
    pages=[page()],
    conversations=[
        conversation("a"),
        conversation("b"),
        conversation("c"),
        conversation("d", tags=[{"text": "SPAM"}, None]),
        conversation("e"),
    ],
    messages=[
        message("m1", ago(20), name="a"),
        message("m2", ago(60), name="b"),
        message("m3", ago(59), bot(), name="b"),
        message("m4", ago(5.04), name="c"),
        message("m5", ago(90), name="d"),
        message("m6", ago(90), name="e"),
        message("m7", ago(80), staff(), name="e"),
    ],
)
AT = "2026-03-03T04:00:00"


def test_import_list_and_due_in_json(shell: ConversationShell) -> None:
    shell.file.write_text(json.dumps(SAID), encoding="utf-8")
    summary = shell.json("import", str(shell.file))
    assert summary["collections"]["fb_message_items"] == {"new": 7, "changed": 0, "unchanged": 0, "set_aside": 0}
    listed = shell.json("list", "--at", AT)
    assert [list(each) for each in listed] == [FIELDS] * 5
    assert [(each["conversation_id"], each["verdict"]) for each in listed] == [
        ("100_d", "excluded"),
        ("100_b", "late"),
        ("100_a", "late"),
        ("100_c", "fine"),
        ("100_e", "answered"),
    ]
    by_id = {each["conversation_id"]: each for each in listed}
    assert by_id["100_b"] == {
        "conversation_id": "100_b",
        "page_id": "100",
        "verdict": "late",
        "waiting_since": None,
        "human_waiting_since": "2026-03-03T03:00:00Z",
        "waited_minutes": 60.0,
        "due_at": "2026-03-03T03:15:00Z",
        "level": 1,
        "reason": by_id["100_b"]["reason"],
        "policy": "settings",
        "response": "first",
        "charged": [{"staff_id": None, "name": None, "minutes": 60.0}],
    }
    assert (by_id["100_c"]["waited_minutes"], by_id["100_c"]["level"]) == (5.0, 0)
    assert (by_id["100_e"]["waited_minutes"], by_id["100_e"]["due_at"]) == (0.0, None)
    assert shell.json("due", "--at", AT) == [each for each in listed if each["verdict"] == "late"]


def test_due_without_a_time_is_about_now(shell: ConversationShell) -> None:
    shell.take(SAID)  # by the machine's clock all of it is long ago
    assert [each["conversation_id"] for each in shell.json("due")] == ["100_b", "100_a", "100_c"]


def test_at_takes_offsets_and_judges_the_past(shell: ConversationShell) -> None:
    shell.take(SAID)
    assert shell.json("due", "--at", "2026-03-03T11:00:00+07:00") == shell.json("due", "--at", f"{AT}Z")
    past = {each["conversation_id"]: each["verdict"] for each in shell.json("list", "--at", "2026-03-03T02:29:59Z")}
    assert past == {
        "100_a": "answered",
        "100_b": "answered",
        "100_c": "answered",
        "100_d": "excluded",
        "100_e": "fine",  # asked a second later, within the tolerance for fast clocks; the answer is beyond it
    }


@pytest.mark.parametrize("value", ["yesterday", "", "2026-13-01", "true"])
def test_a_bad_time_is_one_sentence(shell: ConversationShell, value: str) -> None:
    done = shell.run("due", "--at", value)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("roundsman: --at is ")
    assert done.stderr.count("\n") == 1


def test_the_settings_decide_clock_threshold_and_comments(shell: ConversationShell) -> None:
    shell.take(SAID)

    def late(**settings: str) -> list[str]:
        return [each["conversation_id"] for each in shell.json("due", "--at", AT, **settings)]

    assert late(CONVERSATION_CLOCK="customer") == ["100_a"]
    assert late(CONVERSATION_THRESHOLD_MINUTES="60") == []
    assert late(CONVERSATION_THRESHOLD_MINUTES="20") == ["100_b"]


def test_tables_for_people_put_the_late_first(shell: ConversationShell) -> None:
    done = shell.take(SAID)
    assert done.returncode == 0
    assert "fb_message_items  7" in done.stdout
    listed = shell.run("list", "--at", AT).stdout.splitlines()
    assert listed[0].split() == [
        "VERDICT", "WAITED", "DUE", "CUSTOMER", "PAGE", "PLATFORM", "CONVERSATION", "NOTE",
    ]  # fmt: skip
    assert [line.split()[0] for line in listed[1:6]] == ["late", "late", "fine", "answered", "excluded"]
    assert "Shop 100" in listed[1]
    due = shell.run("due", "--at", AT).stdout.splitlines()
    assert len(due) == 3


def test_empty_answers_are_said(shell: ConversationShell) -> None:
    assert shell.run("list").stdout == "No conversation is stored.\n"
    assert shell.run("due").stdout == "Nobody has waited too long.\n"
    assert shell.json("due") == []


def test_sentences_are_capped(shell: ConversationShell) -> None:
    done = shell.take(export(messages=[message(f"m{number}", "hôm qua") for number in range(25)]))
    assert done.returncode == 0
    assert done.stdout.count("\n- fb_message_items m") == 20
    assert "- and 5 more like these.\n" in done.stdout


def test_standard_input_is_a_file_too(shell: ConversationShell) -> None:
    lines = "\n".join(json.dumps(each) for content in SAID.values() for each in content)
    done = shell.run("import", "-", stdin=lines)
    assert done.returncode == 0
    assert "Imported standard input" in done.stdout
    assert len(shell.json("list")) == 5


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        ("", "is empty"),
        ('{"fb_pages": [', "breaks off"),
        ('{"x": 1}', "not a FolkForm export"),
    ],
)
def test_a_bad_file_is_one_sentence_and_exit_code_2(
    shell: ConversationShell, content: str | None, sentence: str
) -> None:
    if content is not None:
        shell.file.write_text(content, encoding="utf-8")
    done = shell.run("import", str(shell.file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"roundsman: {shell.file} ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert shell.json("list") == []


def test_control_characters_in_names_do_not_reach_the_terminal(shell: ConversationShell) -> None:
    shell.take(export(pages=[page(pageName="\x1b[2J\x1b[31mred")], messages=[message("m1", NOW)]))
    assert "\x1b" not in shell.run("list").stdout


def test_webhook_calls_are_imported_and_conversations_asked_for_anew(shell: ConversationShell) -> None:
    sent = {"id": "m1", "conversation_id": "100_1", "page_id": "100", "inserted_at": "2026-03-03T04:00:00", "from": {}}
    calls = [
        {"event_type": "messaging", "page_id": "100", "data": {"message": sent}},
        {"event_type": "post", "data": {}},
    ]
    done = shell.run("import", "--webhook", "-", stdin=json.dumps(calls))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Imported 2 webhook calls of standard input" in done.stdout
    assert "Not needed and passed over: 1 x post." in done.stdout
    done = shell.run("import", "--webhook", "-", "--json", stdin=json.dumps(calls))
    assert json.loads(done.stdout)["messages_new"] == 0
    assert shell.run("resync", "100_1").stdout == (
        "Asked for: 100_1.\nIt waits, as these pages are not synced from Pancake at present: 100.\n"
    )
    assert shell.json("resync", "100_1") == {"asked_for": ["100_1"], "pages_not_synced": ["100"]}
    done = shell.run("resync", "100_1", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no conversation 'nobody'" in done.stderr


# --- which, and how many ---


def ids(entries: list[dict[str, str]]) -> list[str]:
    return [each["conversation_id"] for each in entries]


def test_a_list_shows_the_most_urgent_and_says_how_many_more_there_are(shell: ConversationShell) -> None:
    shell.take(SAID)
    lines = shell.run("list", "--at", AT, "--limit", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["VERDICT", "late", "late", "and"]
    assert lines[-1] == "and 3 more; --limit shows more of them, --page and --verdict choose."
    assert ids(shell.json("list", "--at", AT, "-n", "2")) == ["100_b", "100_a"]
    assert "more" not in shell.run("list", "--at", AT, "--limit", "5").stdout


def test_without_a_limit_a_table_has_100_rows_and_json_has_all(shell: ConversationShell) -> None:
    shell.take(export(messages=[message(f"m{number}", ago(20), name=f"c{number}") for number in range(103)]))
    lines = shell.run("list", "--at", AT).stdout.splitlines()
    assert len(lines) == 102
    assert lines[-1].startswith("and 3 more;")
    assert shell.run("due", "--at", AT).stdout.splitlines()[-1].startswith("and 3 more;")
    assert len(shell.json("list", "--at", AT)) == len(shell.json("due", "--at", AT)) == 103


@pytest.mark.parametrize("name", ["200", "Shop 200", "shop 200", "shop200"])
def test_a_page_is_chosen_by_its_id_or_its_names(shell: ConversationShell, name: str) -> None:
    shell.take(SAID)
    shell.take(export(pages=[page("200")], messages=[message("x", ago(30), name="x", page_id="200")]))
    assert ids(shell.json("list", "--at", AT, "--page", name)) == ["200_x"]
    assert ids(shell.json("due", "--at", AT, "--page", name)) == ["200_x"]
    assert ids(shell.json("due", "--page", name)) == ["200_x"]


def test_verdicts_are_chosen(shell: ConversationShell) -> None:
    shell.take(SAID)
    assert ids(shell.json("list", "--at", AT, "--verdict", "late")) == ["100_b", "100_a"]
    assert ids(shell.json("list", "--at", AT, "--verdict", "fine", "--verdict", "excluded")) == ["100_d", "100_c"]


def test_what_is_not_there_is_said(shell: ConversationShell) -> None:
    shell.take(SAID)
    assert shell.run("list", "--page", "300").stdout == "No conversation of page '300' is stored.\n"
    assert shell.run("list", "--verdict", "unknown").stdout == "No conversation is unknown.\n"
    assert shell.run("due", "--page", "300").stdout == "Nobody has waited too long on page '300'.\n"
    done = shell.run("list", "--limit", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--limit" in done.stderr
