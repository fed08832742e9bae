"""The sentences of `conversations why`, and the lines of `show`: facts in, words out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from shift_samples import HANOI, calendar, local

from roundsman.conversations.incident import Facts, look
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Level, Policy, Recipient, RecipientKind
from roundsman.conversations.policies.staff import Staff
from roundsman.conversations.sender import ChatMessage, Sender
from roundsman.conversations.verdict import Judgement, duration_in_words, judge
from roundsman.conversations.waiting import waiting_state
from roundsman.monitor.findings import Findings
from roundsman.monitor.timeline import timeline
from roundsman.monitor.why import why
from roundsman.repositories.alert_log import LogEntry, LogEvent
from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.conversations import Conversation, Handover, Page, Person, WatchedConversation
from roundsman.repositories.page_syncs import PageSync
from roundsman.repositories.watch_list import AnsweringClock, WatchRow

TO_ASSIGNEE = (Recipient(RecipientKind.ASSIGNEE),)
POLICY = Policy(
    "shop",
    timedelta(minutes=10),
    timedelta(minutes=15),
    calendar=calendar(),
    warn_before=timedelta(minutes=3),
    levels=(
        Level(1, to=TO_ASSIGNEE),
        Level(2, timedelta(minutes=30), (Recipient(RecipientKind.STAFF, Staff("hoa", "Hoa")),), ("slack",)),
    ),
)
CONVERSATION = Conversation("100_1", "100", "INBOX", "Nam")


def at(text: str) -> datetime:
    return local(f"2026-03-03 {text}")


def customer(text: str) -> ChatMessage:
    return ChatMessage(at(text), Sender.CUSTOMER, "Nam")


def answer(text: str) -> ChatMessage:
    return ChatMessage(at(text), Sender.HUMAN, "Lan")


def bot(text: str) -> ChatMessage:
    return ChatMessage(at(text), Sender.BOT, "Shop")


def findings(
    now: str,
    *thread: ChatMessage,
    policy: Policy = POLICY,
    conversation: Conversation = CONVERSATION,
    sync: PageSync | None = None,
    alerts: Sequence[tuple[Alert, Sequence[LogEntry]]] = (),
    row: WatchRow | None = None,
    **more: Any,
) -> Findings:
    """Made as `look_into` makes them, without a store."""
    watched = WatchedConversation(conversation, Page("100", "Shop"))
    state = waiting_state(thread, at(now))
    facts = Facts(watched.page, conversation.type, conversation.tags, state)
    verdict = judge(watched, state, PolicyBook(policy), at(now), sync=sync)
    step = look(row or WatchRow("100_1", "100"), facts, policy, at(now))
    values: dict[str, Any] = {"observations": (), "in_force": True, **more}
    return Findings(at(now), watched, verdict, policy, step, thread, row, sync, alerts, **values)


def told(found: Findings) -> list[str]:
    return why(found, HANOI)


def sync(**facts: Any) -> PageSync:
    return PageSync(page_id="100", source="pancake", **{"checkpoint": None, **facts})


def alert(opened: str, *entries: tuple[str, LogEvent, int | None], **facts: Any) -> tuple[Alert, list[LogEntry]]:
    made = Alert(
        id=7, fingerprint="f", kind="conversation_unreplied", severity=Severity.MEDIUM, status=AlertStatus.FIRING,
        level=0,
        labels={}, annotations={}, job="conversation_monitor", since_at=at("09:00"), opened_at=at(opened),
        resolved_at=None, resolution=None,
    )  # fmt: skip
    return replace(made, **facts), [LogEntry(7, at(text), event, level) for text, event, level in entries]


# --- the clocks ---


def test_a_wait_that_goes_on_is_told_with_all_that_decides_it() -> None:
    assert told(findings("09:04", customer("09:00"))) == [
        "The customer has waited 4 min for a person's answer, of 10 min allowed.",
        "The customer clock has run since 2026-03-03 09:00:00 +07 (4 min 00 s ago); nobody has ever answered on it.",
        "The human clock, which is the one in force, has run since 2026-03-03 09:00:00 +07 (4 min 00 s ago); "
        "nobody has ever answered on it.",
        "Policy 'shop' is in force for it: page 100, type INBOX, tags none.",
        "A first answer may take 10 min by the calendar 'shop'; so far it has taken 4 min.",
        "The wait is charged to nobody 4 min.",
        "Page 100 has no live source: what was imported is taken as it is.",
        "Nobody was ever told of it.",
        "What would change that: an answer by a person up to 2026-03-03 09:10:00 +07 (in 6 min 00 s) is in time; "
        "a tag that excludes ends the matter as well.",
        "A warning goes out after 2026-03-03 09:07:00 +07 (in 3 min 00 s).",
        "Level 1 (assignee) goes out after 2026-03-03 09:10:00 +07 (in 6 min 00 s).",
        "Level 2 (Hoa on slack) goes out after 2026-03-03 09:30:00 +07 (in 26 min 00 s).",
    ]


def test_the_moments_themselves_are_still_to_come() -> None:
    sentences = told(findings("09:10", customer("09:00")))
    assert "Level 1 (assignee) goes out after 2026-03-03 09:10:00 +07 (now)." in sentences
    assert not any("warning" in each for each in sentences)


def test_a_late_wait_is_ended_by_an_answer() -> None:
    sentences = told(findings("09:20", customer("08:40"), answer("08:45"), customer("09:00")))
    assert sentences[0] == "The customer has waited 20 min for a person's answer; 15 min are allowed."
    assert "A next answer may take 15 min by the calendar 'shop'; so far it has taken 20 min." in sentences
    change = "What would change that: an answer by a person ends the wait; a tag that excludes ends the matter as well."
    assert sentences[-3:] == [
        change,
        "Level 1 (assignee) was due at 2026-03-03 09:15:00 +07 (5 min 00 s ago).",
        "Level 2 (Hoa on slack) goes out after 2026-03-03 09:30:00 +07 (in 10 min 00 s).",
    ]


def test_a_bot_in_between_stops_one_clock() -> None:
    sentences = told(findings("09:20", customer("09:00"), bot("09:01")))
    assert sentences[1:3] == [
        "The customer clock stands still; the last answer on it was at 2026-03-03 09:01:00 +07 (19 min 00 s ago).",
        "The human clock, which is the one in force, has run since 2026-03-03 09:00:00 +07 (20 min 00 s ago); "
        "nobody has ever answered on it.",
    ]


def test_on_the_customer_clock_any_answer_helps() -> None:
    policy = replace(POLICY, clock=AnsweringClock.CUSTOMER)
    change = told(findings("09:20", customer("09:00"), policy=policy))[-3]
    assert change.startswith("What would change that: any answer of the page ends the wait;")


def test_a_clock_that_rests_says_why_and_until_when() -> None:
    sentences = told(findings("12:30", customer("11:55")))
    assert "The clock rests now: outside the shift; it goes on at 2026-03-03 13:30:00 +07 (in 1 h 00 min)." in sentences


def test_nobody_waits() -> None:
    sentences = told(findings("09:20", customer("09:00"), answer("09:05")))
    assert sentences[0] == "Nobody waits: there is no customer message after the last answer."
    assert sentences[-1] == "What would change that: another message of the customer starts the clock."
    assert not any("may take" in each or "Level" in each for each in sentences)


def test_a_message_of_a_later_time_is_told() -> None:
    when = "2026-03-03 09:30:00 +07 (in 10 min 00 s)"
    sentence = f"A message of a later time counts from {when} on, ten minutes before its time."
    assert sentence in told(findings("09:20", customer("09:40")))


def test_an_excluded_one_says_what_excludes_it() -> None:
    sentences = told(findings("09:20", customer("09:00"), conversation=CONVERSATION._replace(tags=("Spam", "vip"))))
    assert sentences[0] == "The tag 'Spam' excludes it."
    assert "Policy 'shop' is in force for it: page 100, type INBOX, tags 'Spam', 'vip'." in sentences
    assert sentences[-1] == "What would change that: without this exclusion its clocks would decide."


def test_shares_are_told_by_name() -> None:
    given = Handover(at("09:05"), (Person("u1", "Lan"),))
    mine = CONVERSATION._replace(assignees=(Person("u1", "Lan"),), handovers=(given,))
    assert "The wait is charged to Lan 15 min, nobody 5 min." in told(
        findings("09:20", customer("09:00"), conversation=mine)
    )


def test_other_policies_in_the_daemon_are_told() -> None:
    sentences = told(findings("09:20", customer("09:00"), in_force=False))
    assert "The daemon judges by other policies than this command: their settings differ." in sentences


# --- freshness ---


def test_old_data_accuses_nobody() -> None:
    stale = sync(fresh_at=at("09:05"), error="429.", failures=3, retry_at=at("09:21"))
    sentences = told(findings("09:20", customer("09:00"), sync=stale))
    assert sentences[0].startswith("The customer has waited 20 min for a person's answer as far as we know, but")
    assert (
        "Everything that pancake knew of page 100 at 2026-03-03 09:05:00 +07 (15 min 00 s ago) is here, "
        "which is too old to judge by; 10 min are allowed." in sentences
    )
    assert (
        "Its sync has failed 3 times in a row: 429; it is tried again at 2026-03-03 09:21:00 +07 (in 1 min 00 s)."
        in sentences
    )
    assert "As soon as its page is fresh again, it is judged, and told if it is late." in sentences
    assert any(each.startswith("What would change that: an answer by a person ends the wait;") for each in sentences)


def test_a_page_that_was_never_read_is_told() -> None:
    found = findings("09:20", customer("09:00"), sync=sync())
    assert found.verdict.verdict is Judgement.UNKNOWN  # whoever answered may be among what is still to come
    sentences = told(found)
    assert sentences[0].endswith("as far as we know, but the page is not read completely yet.")
    assert "Page 100 is not read completely from pancake yet, so nothing is told about it." in sentences


# --- what was told ---

RISING = alert("09:11", ("09:11", LogEvent.OPENED, 1), ("09:31", LogEvent.ESCALATED, 2), ("09:31", LogEvent.TOLD, 2))


def test_an_open_alert_is_told_with_its_level() -> None:
    sentences = told(findings("09:40", customer("09:00"), alerts=[RISING]))
    assert (
        "Alert 7 has told of this wait up to level 2 since 2026-03-03 09:11:00 +07 (29 min 00 s ago), firing; "
        "roundsman alerts why 7 shows who was told." in sentences
    )
    assert sentences[-1] == "All levels were told."


def test_a_warning_is_no_level() -> None:
    warned = alert("09:08", ("09:08", LogEvent.WARNED, 0))
    sentences = told(findings("09:09", customer("09:00"), alerts=[warned]))
    assert any(each.startswith("Alert 7 has told of this wait as a warning since") for each in sentences)
    assert sum(each.startswith("Level") for each in sentences) == 2


def test_an_alert_of_an_earlier_wait_says_how_it_ended() -> None:
    ended = alert(
        "09:11",
        ("09:11", LogEvent.OPENED, 1),
        status=AlertStatus.RESOLVED,
        resolved_at=at("09:15"),
        resolution="answered",
    )
    sentences = told(findings("09:30", customer("09:00"), answer("09:15"), customer("09:20"), alerts=[ended]))
    assert (
        "People were last told of it at 2026-03-03 09:11:00 +07 (19 min 00 s ago); that ended with: answered."
        in sentences
    )
    assert sum(each.startswith("Level") for each in sentences) == 2


def test_a_snooze_is_told_while_it_lasts() -> None:
    row = WatchRow("100_1", "100", snoozed_until=at("10:00"), snoozed_by="root")
    assert "root put it off until 2026-03-03 10:00:00 +07 (in 40 min 00 s)." in told(
        findings("09:20", customer("09:00"), row=row)
    )
    assert not any("put it off" in each for each in told(findings("10:00", customer("09:00"), row=row)))


def test_times_are_told_in_the_zone_that_is_asked_for() -> None:
    assert "2026-03-03 02:00:00 UTC" in why(findings("09:20", customer("09:00")), ZoneInfo("UTC"))[1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 min"), (1, "1 s"), (59.9, "59 s"), (60, "1 min"), (601, "10 min 1 s"), (3600, "1 h"), (3601, "1 h 1 s"),
        (45_060, "12 h 31 min"), (360_000_000, "100000 h"),
    ],
)  # fmt: skip
def test_durations_are_told_to_the_second(seconds: float, words: str) -> None:
    assert duration_in_words(timedelta(seconds=seconds)) == words


# --- the timeline ---


def lines(found: Findings) -> list[tuple[str, str, str | None, str]]:
    return [(f"{each.at.astimezone(HANOI):%H:%M}", each.kind.value, each.who, each.what) for each in timeline(found)]


def test_a_timeline_holds_messages_handovers_shifts_and_alerts_in_order() -> None:
    given = Handover(at("11:58"), (Person("u1", "Lan"), Person("u2")), (Person("u3", "Minh"),))
    empty = Handover(at("11:59"))
    mine = CONVERSATION._replace(handovers=(given, empty))
    opened = alert("13:31", ("13:31", LogEvent.OPENED, 1))
    entry = LogEntry(7, at("13:32"), LogEvent.GAVE_UP, None, "slack")
    found = findings(
        "13:40", customer("11:50"), bot("11:51"), customer("11:52"),
        conversation=mine, alerts=[(opened[0], [*opened[1], entry])],
    )  # fmt: skip
    assert lines(found) == [
        ("11:50", "customer", "Nam", "wrote; the human clock runs since then"),
        ("11:51", "bot", "Shop", "answered; the human clock does not count it"),
        ("11:52", "customer", "Nam", "wrote; the customer clock runs since then"),
        ("11:58", "handover", None, "given to Lan, u2, taken from Minh"),
        ("12:00", "shift", None, "the calendar 'shop' closes: outside the shift"),
        ("13:30", "shift", None, "the calendar 'shop' opens"),
        ("13:31", "alert", None, "alert 7: opened at level 1"),
        ("13:32", "alert", "slack", "alert 7: gave up"),
    ]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (customer("09:00"), "wrote; the customer and the human clock run since then"),
        (customer("09:00")._replace(is_removed=True), "wrote what was removed"),
        (answer("09:00")._replace(is_hidden=True), "wrote what is hidden"),
        (ChatMessage(at("09:00"), Sender.SYSTEM), "noted something"),
        (answer("09:00"), "answered"),
        (customer("09:10"), "wrote; the customer and the human clock run since then"),
        (customer("09:11"), "wrote what does not count yet"),
    ],
)
def test_each_kind_of_message_has_its_words(message: ChatMessage, what: str) -> None:
    assert [each.what for each in timeline(findings("09:00", message))] == [what]


def test_of_a_past_moment_no_later_handover_is_shown() -> None:
    later = Handover(at("10:00"), (Person("u1", "Lan"),))
    mine = CONVERSATION._replace(assignees=(Person("u1", "Lan"),), handovers=(later,))
    assert [each[1] for each in lines(findings("09:30", customer("09:00"), conversation=mine))] == ["customer"]
    assert [each[1] for each in lines(findings("10:00", customer("09:00"), conversation=mine))] == [
        "customer",
        "handover",
    ]


def test_shifts_are_shown_for_a_month_at_most() -> None:
    weeks = findings("11:00", ChatMessage(local("2025-10-01 09:00"), Sender.CUSTOMER))
    assert min(each.at for each in timeline(weeks) if each.kind.value == "shift") >= at("11:00") - timedelta(days=31)
