"""What the messages say, in both languages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.message import Message, cut, escaped, one_line, web_link
from roundsman.alerts.templates import TEXTS, Language, render, render_digest, render_test
from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.notifications import NotificationEvent

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SINCE = datetime(2026, 3, 3, 3, 37, tzinfo=UTC)
OPENED = SINCE + timedelta(minutes=23)
FIRING, RESOLVED = NotificationEvent.FIRING, NotificationEvent.RESOLVED
EN, VI = Language.ENGLISH, Language.VIETNAMESE


def alert(kind: str = "conversation_unreplied", labels: dict[str, str] | None = None, **notes: Any) -> Alert:
    annotations = {
        "customer_name": "Nguyễn Thị Lan", "page_name": "Shop A", "conversation_type": "INBOX", "platform": "messenger",
        "waited_minutes": 23, "threshold_minutes": 15, "link": "https://pancake.vn/shop-a?c_id=1",
    } | notes  # fmt: skip
    return Alert(
        id=1, fingerprint=f"{kind}:1", kind=kind, severity=Severity.MEDIUM, status=AlertStatus.FIRING, level=1,
        job="conversation_monitor", labels=labels or {}, annotations=annotations, since_at=SINCE, opened_at=OPENED,
    )  # fmt: skip


def said(subject: Alert, event: NotificationEvent, language: Language, now: datetime = OPENED) -> Message:
    return render(subject, event, language, now, ZONE)


def test_a_waiting_customer_in_both_languages() -> None:
    english, vietnamese = said(alert(), FIRING, EN), said(alert(), FIRING, VI)
    assert english.title == "Nguyễn Thị Lan has waited 23 min on Shop A (Messenger)"
    assert english.lines == ("Waiting since 10:37 on 3 March, the limit is 15 min",)
    assert vietnamese.title == "Nguyễn Thị Lan đã chờ 23 phút trên Shop A (Messenger)"
    assert vietnamese.lines == ("Chưa được trả lời từ 10:37 ngày 03/03, hạn trả lời là 15 phút",)
    assert (english.link_label, vietnamese.link_label) == ("Open the conversation", "Mở hội thoại")
    assert english.link == "https://pancake.vn/shop-a?c_id=1"


@pytest.mark.parametrize(
    ("notes", "english", "vietnamese"),
    [
        (
            {"answered_at": "x", "answered_by": "Hoa", "waited_minutes": 14},
            "Nguyễn Thị Lan on Shop A (Messenger): answered by Hoa after 14 min",
            "Hoa đã trả lời Nguyễn Thị Lan sau 14 phút trên Shop A (Messenger)",
        ),
        (
            {"answered_at": "x", "answered_by": None, "waited_minutes": 125},
            "Nguyễn Thị Lan on Shop A (Messenger): answered after 2 h 05 min",
            "Nguyễn Thị Lan đã được trả lời sau 2 giờ 05 phút trên Shop A (Messenger)",
        ),
        (
            {},
            "Nguyễn Thị Lan no longer waits on Shop A (Messenger)",
            "Nguyễn Thị Lan không còn chờ trả lời trên Shop A (Messenger)",
        ),
    ],
)
def test_the_end_of_a_wait_in_both_languages(notes: dict[str, Any], english: str, vietnamese: str) -> None:
    assert said(alert(**notes), RESOLVED, EN).title == english
    assert said(alert(**notes), RESOLVED, VI).title == vietnamese


@pytest.mark.parametrize(
    ("resolution", "vietnamese"),
    [
        ("the customer's message was removed", "tin nhắn của khách đã bị gỡ"),
        ("the conversation no longer exists", "hội thoại không còn tồn tại"),
        ("The tag 'spam' excludes it", "hội thoại này không còn được theo dõi"),
    ],
)
def test_an_end_without_an_answer_is_told_in_one_language(resolution: str, vietnamese: str) -> None:
    ended = replace(alert(), status=AlertStatus.RESOLVED, resolution=resolution)
    assert said(ended, RESOLVED, EN).title == f"Nguyễn Thị Lan no longer waits on Shop A (Messenger): {resolution}"
    assert said(ended, RESOLVED, VI).title == (
        f"Nguyễn Thị Lan không còn chờ trả lời trên Shop A (Messenger): {vietnamese}"
    )


def test_a_page_that_names_its_platform_is_not_given_it_twice() -> None:
    assert said(alert(page_name="Lụa Vân (WhatsApp)", platform="whatsapp"), FIRING, EN).title == (
        "Nguyễn Thị Lan has waited 23 min on Lụa Vân (WhatsApp)"
    )


def test_a_limit_of_half_a_minute_is_not_told_as_none() -> None:
    assert said(alert(threshold_minutes=0.5), FIRING, EN).lines == (
        "Waiting since 10:37 on 3 March, the limit is 0.5 min",
    )


def test_the_wait_grows_until_the_message_leaves() -> None:
    later = OPENED + timedelta(days=2, hours=1)
    assert "49 h" not in said(alert(), FIRING, EN, later).title
    assert "2 days 1 h" in said(alert(), FIRING, EN, later).title
    assert "2 ngày 1 giờ" in said(alert(), FIRING, VI, later).title


def test_unknown_names_have_a_word() -> None:
    bare = alert(customer_name=None, page_name="", platform=None, threshold_minutes=None, link="javascript:alert(1)")
    assert said(bare, FIRING, EN).title == "A customer has waited 23 min on a page without a name"
    assert said(bare, FIRING, VI).title == "Khách hàng đã chờ 23 phút trên trang chưa có tên"
    assert said(bare, FIRING, EN).link is None


def test_a_comment_is_called_one() -> None:
    assert "(Instagram, comment)" in said(alert(conversation_type="COMMENT", platform="instagram"), FIRING, EN).title
    assert "(Instagram, bình luận)" in said(alert(conversation_type="COMMENT", platform="instagram"), FIRING, VI).title


def test_an_unknown_kind_has_a_plain_text() -> None:
    message = said(alert("disk_full", customer_name=None, free_mib=12), FIRING, EN)
    assert message.title == "Disk full: 1 (medium)"
    assert "free mib: 12" in message.lines
    assert "Ổ" not in said(alert("disk_full"), RESOLVED, VI).title
    assert "đã hết sau 23 phút" in said(alert("disk_full"), RESOLVED, VI).title


def test_labels_become_fields_that_the_journal_takes() -> None:
    fields = said(
        alert(labels={"page_id": "p", "Conversation-Id": "c", "message": "x", "_": "y", "9": "z"}), FIRING, EN
    ).fields
    assert fields == {
        "PAGE_ID": "p", "CONVERSATION_ID": "c", "JOB": "conversation_monitor", "ALERT": "conversation_unreplied:1",
        "ALERT_KIND": "conversation_unreplied", "ALERT_EVENT": "firing", "ALERT_SEVERITY": "medium",
    }  # fmt: skip


def test_the_test_message_is_told_in_both_languages() -> None:
    assert render_test(EN, OPENED, ZONE).title.startswith("Test message")
    assert render_test(VI, OPENED, ZONE).title.startswith("Tin nhắn thử")
    assert set(TEXTS) == set(Language)


@given(
    notes=st.dictionaries(
        st.sampled_from(
            ["customer_name", "page_name", "platform", "waited_minutes", "answered_by", "answered_at", "link"]
        ),
        st.none() | st.text(max_size=300) | st.integers() | st.floats(),
    ),
    language=st.sampled_from(Language),
    event=st.sampled_from(NotificationEvent),
    kind=st.sampled_from(["conversation_unreplied", "x"]),
)
def test_whatever_stands_in_an_alert_makes_a_message_of_single_lines(
    notes: dict[str, Any], language: Language, event: NotificationEvent, kind: str
) -> None:
    message = said(alert(kind, **notes), event, language)
    for line in (message.title, *message.lines, message.plain):
        assert line.isprintable()
    assert len(message.title) <= 500


def test_names_are_held_to_one_clean_line() -> None:
    assert one_line("Lan\r\n\tALERT  forged \x1b[31m\u202e\x00!") == "Lan ALERT forged [31m!"
    assert cut("x" * 10, 5) == "xxxx…"
    assert escaped("<" * 100, lambda text: text.replace("<", "&lt;"), 30).endswith("&lt;…")
    assert [web_link(value) for value in ("https://a.b/c?d=1", "ftp://a", "https://a b", None, 7)] == [
        "https://a.b/c?d=1", None, None, None, None,
    ]  # fmt: skip


def test_a_digest_of_names_that_are_all_emoji_fits_where_services_count_in_utf_16() -> None:
    found = [replace(alert(customer_name="😀" * 10_000), id=number) for number in range(1, 101)]
    listing = render_digest(found, NotificationEvent.FIRING, VI, OPENED, ZONE).listing(
        lambda item: item.text[:200], 3000
    )
    assert 2000 < len(listing.encode("utf-16-le")) // 2 <= 3000
    assert listing.endswith("mục khác")
