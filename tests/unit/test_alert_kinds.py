"""What messages say about levels, warnings, pages and digests, in both languages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.message import Message
from roundsman.alerts.templates import KINDS, Language, render, render_digest
from roundsman.alerts.templates.contacts import covered
from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.audience import EVERYBODY, Audience, Mention
from roundsman.repositories.notifications import NotificationEvent

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SINCE = datetime(2026, 3, 3, 3, 37, tzinfo=UTC)
OPENED = SINCE + timedelta(minutes=23)
WARNING, FIRING, RESOLVED = NotificationEvent.WARNING, NotificationEvent.FIRING, NotificationEvent.RESOLVED
EN, VI = Language.ENGLISH, Language.VIETNAMESE
SALES = Audience("Sales", mentions=(Mention("Lan", "U024BE7LH"),))


def alert(kind: str = "conversation_unreplied", number: int = 1, **notes: Any) -> Alert:
    customer = {"customer_name": "Minh", "platform": "zalo", "waited_minutes": 23, "threshold_minutes": 15}
    return Alert(
        id=number, fingerprint=f"{kind}:{number}", kind=kind, severity=Severity.MEDIUM, status=AlertStatus.FIRING,
        level=1, job="monitor", labels={}, since_at=SINCE, opened_at=OPENED,
        annotations={"page_name": "Shop A", **(customer if kind == "conversation_unreplied" else {}), **notes},
    )  # fmt: skip


def ended(subject: Alert, minutes: int = 60, **notes: Any) -> Alert:
    over = SINCE + timedelta(minutes=minutes)
    facts = {**subject.annotations, **notes}
    return replace(subject, status=AlertStatus.RESOLVED, resolved_at=over, resolution="answered", annotations=facts)


def said(
    subject: Alert, event: NotificationEvent, language: Language, now: datetime = OPENED, level: int = 1,
    audience: Audience = EVERYBODY,
) -> Message:  # fmt: skip
    return render(subject, event, language, now, ZONE, level=level, audience=audience)


def lines(message: Message) -> list[str]:
    return [message.title, *message.lines]


# --- customers ---


def test_a_warning_tells_how_much_time_is_left() -> None:
    warned = alert(waited_minutes=11, due_at="2026-03-03T04:04:00Z", target="first")
    assert lines(said(warned, WARNING, EN)) == [
        "Minh has waited 11 min on Shop A (Zalo): 4 min left",
        "Waiting since 10:37 on 3 March, to be answered by 11:04 on 3 March",
    ]
    assert lines(said(warned, WARNING, VI)) == [
        "Minh đã chờ 11 phút trên Shop A (Zalo), còn 4 phút là quá hạn",
        "Chưa được trả lời từ 10:37 ngày 03/03, cần trả lời trước 11:04 ngày 03/03",
    ]
    assert said(warned, WARNING, EN).symbol == "⏳"


@pytest.mark.parametrize(("due", "left"), [({}, "4 min"), ({"due_at": "2026-03-03T03:59:00Z"}, "0 min")])
def test_the_time_left_follows_from_the_limit_where_no_moment_is_named(due: dict[str, Any], left: str) -> None:
    assert said(alert(waited_minutes=11, **due), WARNING, EN).title.endswith(f": {left} left")


@pytest.mark.parametrize(
    ("target", "english", "vietnamese"),
    [
        ("first", "the limit for a first answer is 15 min", "hạn trả lời lần đầu là 15 phút"),
        ("next", "the limit for the next answer is 15 min", "hạn trả lời tiếp theo là 15 phút"),
        (None, "the limit is 15 min", "hạn trả lời là 15 phút"),
    ],
)
def test_the_limit_says_which_answer_is_due(target: str | None, english: str, vietnamese: str) -> None:
    assert english in said(alert(target=target), FIRING, EN).lines[0]
    assert vietnamese in said(alert(target=target), FIRING, VI).lines[0]


def test_the_wait_is_charged_to_those_in_whose_shifts_it_fell() -> None:
    charged = alert(charged=[{"name": "Lan", "minutes": 30}, {"name": "Minh", "minutes": 12.9}, {"name": None}, 7])
    english = "In the shifts of Lan (30 min), Minh (12 min)"
    assert said(charged, FIRING, EN).lines[1] == english
    assert said(charged, FIRING, VI).lines[1] == "Trong ca của Lan (30 phút), Minh (12 phút)"
    assert said(ended(charged, answered_at="x"), RESOLVED, EN).lines[-1] == english


@pytest.mark.parametrize(
    ("notes", "english", "vietnamese"),
    [
        (
            {"bot_answered_at": "2026-03-03T03:40:00Z"},
            "A bot answered at 10:40 on 3 March, no person has",
            "Bot đã trả lời lúc 10:40 ngày 03/03, nhân viên thì chưa",
        ),
        (
            {"human_waiting_since": "2026-03-03T03:37:00Z", "waiting_since": None},
            "A bot has answered since, no person has",
            "Từ đó chỉ có bot trả lời, nhân viên thì chưa",
        ),
        (
            {"human_waiting_since": "2026-03-03T02:00:00Z", "waiting_since": "2026-03-03T03:37:00Z"},
            "No person has answered since 09:00 on 3 March",
            "Chưa có nhân viên nào trả lời từ 09:00 ngày 03/03",
        ),
    ],
)
def test_the_two_clocks_are_told_where_they_differ(notes: dict[str, Any], english: str, vietnamese: str) -> None:
    assert said(alert(**notes), FIRING, EN).lines[1] == english
    assert said(alert(**notes), FIRING, VI).lines[1] == vietnamese


def test_clocks_that_agree_are_one() -> None:
    same = alert(human_waiting_since="2026-03-03T03:37:00Z", waiting_since="2026-03-03T03:37:00Z")
    assert len(said(same, FIRING, EN).lines) == 1


def test_a_higher_level_names_itself_and_its_team() -> None:
    assert said(alert(), FIRING, EN, level=2, audience=SALES).lines[-1] == "Level 2, Sales"
    assert said(alert(), FIRING, VI, level=3, audience=SALES).lines[-1] == "Cấp 3, Sales"


def test_facts_that_were_told_again_grow_from_then_on() -> None:
    risen = replace(alert(waited_minutes=54), facts_at=OPENED + timedelta(minutes=31))
    assert "55 min" in said(risen, FIRING, EN, OPENED + timedelta(minutes=32)).title


def test_people_are_called_by_news_and_not_by_its_end() -> None:
    assert said(alert(), FIRING, EN, audience=SALES).mentions == SALES.mentions
    assert said(ended(alert()), RESOLVED, EN, audience=SALES).mentions == ()


# --- pages ---


def test_a_page_without_new_data() -> None:
    stale = alert("page_stale", data_age_minutes=42, last_error="HTTP 503 for lan@example.com")
    assert lines(said(stale, FIRING, EN, OPENED + timedelta(minutes=3))) == [
        "No new data from Shop A for 45 min",
        "Until there is, nobody is reminded of its customers",
        "Last error: HTTP 503 for •••",
    ]
    assert lines(said(stale, FIRING, VI)) == [
        "Shop A đã 42 phút không có dữ liệu mới",
        "Tạm ngừng nhắc khách chờ trên trang này cho đến khi có dữ liệu mới",
        "Lỗi gần nhất: HTTP 503 for •••",
    ]
    assert said(alert("page_stale", link="https://pancake.vn/a"), FIRING, EN).link_label == "Open"
    assert said(ended(stale), RESOLVED, EN).title == "The data of Shop A is up to date again after 60 min"
    assert said(ended(stale), RESOLVED, VI).title == "Shop A đã có dữ liệu mới trở lại sau 60 phút"


@pytest.mark.parametrize(
    ("reason", "english", "vietnamese"),
    [
        ("token_expired", ": its token has expired", ": token đã hết hạn"),
        ("token_revoked", ": its token was revoked", ": token đã bị thu hồi"),
        ("HTTP 403", ": HTTP 403", ": HTTP 403"),
        (None, "", ""),
    ],
)
def test_a_sync_that_has_stopped(reason: str | None, english: str, vietnamese: str) -> None:
    failed = alert("sync_failed", reason=reason)
    assert said(failed, FIRING, EN).title == f"The sync of Shop A has stopped{english}"
    assert said(failed, FIRING, VI).title == f"Shop A đã ngừng đồng bộ{vietnamese}"
    assert said(ended(failed), RESOLVED, EN).title == "The sync of Shop A works again after 60 min"


@pytest.mark.parametrize(
    ("days", "english", "vietnamese"),
    [
        (5, "expires in 5 days", "sẽ hết hạn sau 5 ngày"), (1, "expires tomorrow", "hết hạn ngày mai"),
        (0, "expires today", "hết hạn hôm nay"), (None, "expires soon", "sắp hết hạn"),
    ],
)  # fmt: skip
def test_a_token_that_expires(days: int | None, english: str, vietnamese: str) -> None:
    expiring = alert("token_expiring", days=days)
    assert said(expiring, FIRING, EN).title == f"The token of Shop A {english}"
    assert said(expiring, FIRING, VI).title == f"Token của Shop A {vietnamese}"
    assert said(ended(expiring), RESOLVED, VI).title == "Token của Shop A đã được gia hạn"


def test_the_days_of_a_token_pass_while_the_message_waits() -> None:
    assert "in 3 days" in said(alert("token_expiring", days=5), FIRING, EN, OPENED + timedelta(days=2)).title


# --- digests ---


def several(kind: str = "conversation_unreplied") -> list[Alert]:
    pages = ["Shop A", "Shop B", "Shop A"]
    return [
        alert(kind, number, page_name=page, customer_name=f"Khách {number}", waited_minutes=60 - number,
              link=f"https://pancake.vn/{number}")
        for number, page in enumerate(pages, 1)
    ]  # fmt: skip


def digest(found: list[Alert], language: Language, event: NotificationEvent = FIRING, level: int = 1) -> Message:
    return render_digest(found, event, language, OPENED, ZONE, level=level, audience=SALES)


def test_a_digest_counts_by_page_and_names_each_with_its_link() -> None:
    english, vietnamese = digest(several(), EN), digest(several(), VI, level=2)
    assert lines(english) == [
        "3 customers have waited too long (Sales)", "The longest wait: 59 min", "Shop A: 2, Shop B: 1",
    ]  # fmt: skip
    assert lines(vietnamese) == ["3 khách chờ quá lâu (Sales, cấp 2)", "Lâu nhất: 59 phút", "Shop A: 2, Shop B: 1"]
    assert [(item.text, item.link) for item in english.items][:2] == [
        ("Khách 1, 59 min on Shop A (Zalo)", "https://pancake.vn/1"),
        ("Khách 2, 58 min on Shop B (Zalo)", "https://pancake.vn/2"),
    ]
    assert (english.mentions, english.fields["ALERT_COUNT"]) == (SALES.mentions, "3")


def test_a_digest_that_is_repeated_shows_what_is_over_by_now_last() -> None:
    found = [ended(each, answered_at="x", answered_by="Hoa") for each in several()[:2]] + several()[2:]
    repeated = digest(found, EN)
    assert lines(repeated)[0] == "1 customer has waited too long (Sales)"
    assert [item.text.partition(" ")[2][:2] for item in repeated.items] == ["3,", "1 ", "2 "]
    assert digest(found, EN, RESOLVED).title == "1 of 3 customers still waits (Sales)"


def test_a_digest_of_many_pages_counts_the_smaller_ones_together() -> None:
    found = [alert(number=n, page_name=f"Shop {n % 12}") for n in range(60)] + [alert(page_name="Shop 11")]
    assert digest(found, EN).lines[1].startswith("Shop 11: 6, Shop 0: 5, ")
    assert digest(found, EN).lines[1].endswith(", other pages: 20")
    assert digest(found, VI).lines[1].endswith(", trang khác: 20")


def test_a_digest_of_warnings_says_so() -> None:
    warned = digest(several(), EN, level=0)
    assert (warned.title, warned.event) == ("3 customers will soon have waited too long (Sales)", WARNING)
    assert digest(several(), VI, level=0).title == "3 khách sắp chờ quá hạn (Sales)"


def test_a_changed_digest_shows_who_still_waits_first() -> None:
    found = several()
    found[0] = ended(found[0], answered_at="x", answered_by="Hoa", waited_minutes=31)
    changed = digest(found, EN, RESOLVED)
    assert lines(changed) == ["2 of 3 customers still wait (Sales)", "Shop B: 1, Shop A: 1"]
    assert [item.text for item in changed.items] == [
        "Khách 2, 58 min on Shop B (Zalo)", "Khách 3, 57 min on Shop A (Zalo)",
        "Khách 1 on Shop A (Zalo): answered by Hoa after 31 min",
    ]  # fmt: skip
    assert (changed.event, changed.mentions) == (FIRING, ())
    assert digest(found, VI, RESOLVED).title == "Còn 2/3 khách đang chờ (Sales)"


@pytest.mark.parametrize(
    ("notes", "english", "vietnamese"),
    [
        ({"answered_at": "x"}, "All 3 customers were answered (Sales)", "Cả 3 khách đã được trả lời (Sales)"),
        ({}, "None of the 3 customers waits any longer (Sales)", "Cả 3 khách không còn chờ trả lời (Sales)"),
    ],
)
def test_the_last_change_says_that_all_are_over(notes: dict[str, Any], english: str, vietnamese: str) -> None:
    found = [ended(each, **notes) for each in several()]
    assert (digest(found, EN, RESOLVED).title, digest(found, EN, RESOLVED).event) == (english, RESOLVED)
    assert digest(found, VI, RESOLVED).title == vietnamese


def test_a_digest_of_pages_is_named_after_its_kind() -> None:
    assert digest(several("page_stale"), EN).title == "Pages without new data: 3 at once (Sales)"
    assert digest(several("page_stale"), VI).title == "Trang không có dữ liệu mới: 3 mục cùng lúc (Sales)"
    assert digest(several("disk_full"), EN).title == "Disk full: 3 at once (Sales)"
    over = [ended(each) for each in several("sync_failed")]
    assert digest(over, EN, RESOLVED).title == "Pages whose sync has stopped: all 3 are over (Sales)"


# --- what never shows ---


@pytest.mark.parametrize(
    "contact", ["0901234567", "+84 90 123 45 67", "(090) 123-4567", "090.123.4567", "lan.nguyen+x@example.com.vn"]
)
def test_contacts_are_covered(contact: str) -> None:
    assert covered(f"Lan {contact}, gọi lại") == "Lan •••, gọi lại"
    for kind in (*KINDS, "disk_full"):
        subject = alert(kind, customer_name=f"Lan {contact}", page_name=contact, last_error=f"x {contact}",
                        reason=contact, answered_by=contact, answered_at="x", note=f"call {contact}",
                        charged=[{"name": contact, "minutes": 3}])  # fmt: skip
        for event in (FIRING, RESOLVED):
            message = said(subject, event, EN)
            assert contact not in " ".join(lines(message)), kind
        both = digest([subject, replace(subject, id=2)], EN)
        assert not any(contact in text for text in (*lines(both), *(item.text for item in both.items)))


@pytest.mark.parametrize(
    "harmless", ["1.5", "12 of 40", "2026-03-03", "since 2026-03-03 10:37:20", "v1.2.3", "HTTP 503", "10:37", "3600000"]
)
def test_other_numbers_are_not_covered(harmless: str) -> None:
    assert covered(harmless) == harmless


@given(
    notes=st.dictionaries(
        st.sampled_from([
            "customer_name", "page_name", "charged", "due_at", "bot_answered_at", "human_waiting_since",
            "waiting_since", "target", "days", "data_age_minutes", "last_error", "reason", "threshold_minutes",
        ]),
        st.none() | st.text(max_size=60) | st.integers() | st.floats() | st.lists(st.dictionaries(
            st.sampled_from(["name", "minutes"]), st.none() | st.text(max_size=9) | st.integers(), max_size=2)),
    ),
    kind=st.sampled_from([*KINDS, "disk_full"]),
    event=st.sampled_from(NotificationEvent),
    language=st.sampled_from(Language),
)  # fmt: skip
def test_whatever_stands_in_alerts_makes_messages_of_single_lines(
    notes: dict[str, Any], kind: str, event: NotificationEvent, language: Language
) -> None:
    one, two = alert(kind, 1, **notes), ended(alert(kind, 2, **notes))
    for message in (said(one, event, language), digest([one, two], language, event)):
        for text in (*lines(message), *(item.text for item in message.items)):
            assert text.isprintable()
            assert len(text) <= 500
