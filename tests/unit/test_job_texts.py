"""What messages say about jobs, in both languages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from roundsman.alerts.message import Message
from roundsman.alerts.templates import Language, render
from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.notifications import NotificationEvent

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SINCE = datetime(2026, 3, 3, 3, 37, tzinfo=UTC)
OPENED = SINCE + timedelta(minutes=3)
EN, VI = Language.ENGLISH, Language.VIETNAMESE


def alert(kind: str, **notes: Any) -> Alert:
    return Alert(
        id=1, fingerprint=f"{kind}:data_sync", kind=kind, severity=Severity.HIGH, status=AlertStatus.FIRING, level=1,
        job="job_watch", labels={}, since_at=SINCE, opened_at=OPENED, annotations={"jobs": ["data_sync"], **notes},
    )  # fmt: skip


def lines(message: Message) -> list[str]:
    return [message.title, *message.lines]


def said(subject: Alert, language: Language) -> list[str]:
    return lines(render(subject, NotificationEvent.FIRING, language, OPENED, ZONE))


def ended(subject: Alert, language: Language) -> list[str]:
    over = replace(subject, status=AlertStatus.RESOLVED, resolved_at=SINCE + timedelta(hours=1), resolution="over")
    return lines(render(over, NotificationEvent.RESOLVED, language, over.resolved_at or OPENED, ZONE))


FAILING = alert(
    "job_failing", times=3, is_whole=True, outcome="failed", last_error="ValueError: call\n0912 345 678",
    next_at="2026-03-03T03:41:00Z",
)  # fmt: skip


def test_a_failing_job_is_named_with_its_error_in_one_line_and_no_telephone_number() -> None:
    assert said(FAILING, EN) == [
        "The job data_sync fails: ValueError: call •••",
        "Since 10:37 on 3 March, 3 times in a row",
        "Its next run is at 10:41 on 3 March",
    ]
    assert said(FAILING, VI) == [
        "Tác vụ data_sync bị lỗi: ValueError: call •••",
        "Từ 10:37 ngày 03/03, 3 lần liên tiếp",
        "Lần chạy tiếp theo: 10:41 ngày 03/03",
    ]
    assert ended(FAILING, EN) == ["The job data_sync works again after 60 min"]
    assert ended(FAILING, VI) == ["Tác vụ data_sync đã chạy bình thường trở lại sau 60 phút"]


def test_jobs_that_fail_alike_are_all_named() -> None:
    many = replace(FAILING, annotations={**FAILING.annotations, "jobs": ["a", "b", "c"], "is_whole": False})
    assert said(many, EN) == [
        "The jobs a, b and c fail in the same way: ValueError: call •••",
        "Since 10:37 on 3 March, 3 or more times in a row",
    ]
    assert said(many, VI)[0] == "Các tác vụ a, b và c cùng gặp một lỗi: ValueError: call •••"
    assert ended(many, EN) == ["The jobs a, b and c work again after 60 min"]
    crowd = replace(FAILING, annotations={**FAILING.annotations, "jobs": [f"j{each}" for each in range(20)]})
    assert "j7 and 12 more fail" in said(crowd, EN)[0]


@pytest.mark.parametrize(
    ("outcome", "english", "vietnamese"),
    [
        (
            "timed_out",
            "The job data_sync does not get done within its timeout",
            "Tác vụ data_sync không chạy xong trong thời hạn",
        ),
        (
            "interrupted",
            "The job data_sync is cut off again and again",
            "Tác vụ data_sync liên tục bị ngắt giữa chừng",
        ),
    ],
)
def test_how_it_ended_is_told_where_there_is_no_error(outcome: str, english: str, vietnamese: str) -> None:
    subject = alert("job_failing", times=1, outcome=outcome, last_error=None)
    assert said(subject, EN) == [english, "Since 10:37 on 3 March"]
    assert said(subject, VI) == [vietnamese, "Từ 10:37 ngày 03/03"]


def test_a_run_that_takes_too_long_goes_on_counting() -> None:
    subject = alert("job_overrunning", running_minutes=21, allowed_minutes=20, usual_seconds=120.0)
    assert said(subject, EN) == [
        "The job data_sync has been running for 21 min",
        "Since 10:37 on 3 March; 20 min are the limit; a run usually takes 120 s",
    ]
    assert said(subject, VI) == [
        "Tác vụ data_sync đã chạy 21 phút mà chưa xong",
        "Từ 10:37 ngày 03/03; giới hạn là 20 phút; bình thường mất 120 giây",
    ]
    assert ended(subject, EN) == ["The long run of the job data_sync has ended after 60 min"]
    assert ended(subject, VI) == ["Lần chạy quá lâu của tác vụ data_sync đã kết thúc sau 60 phút"]


def test_a_downtime_tells_what_was_missed() -> None:
    missed = [{"job": "report", "ticks": 1}, {"job": "data_sync", "ticks": 90}]
    subject = alert("jobs_missed", jobs=["report", "data_sync"], missed=missed, ticks=91, down_minutes=90)
    assert said(subject, EN) == [
        "Nothing ran for 90 min: 91 ticks were missed",
        "Since 10:37 on 3 March",
        "report: 1, data_sync: 90",
    ]
    assert said(subject, VI) == [
        "Hệ thống ngừng chạy 90 phút: lỡ 91 lượt",
        "Từ 10:37 ngày 03/03",
        "report: 1, data_sync: 90",
    ]
    assert ended(subject, EN) == ["All jobs that missed ticks were done again, 60 min after the beginning"]
    assert ended(subject, VI) == ["Mọi tác vụ bị lỡ đã chạy lại xong, 60 phút kể từ lúc ngừng"]


def test_a_job_that_does_nothing_tells_what_is_usual() -> None:
    subject = alert("job_silent", counter="messages", runs=30, usual=40, next_at="2026-03-03T03:41:00Z")
    assert said(subject, EN) == [
        "The job data_sync runs but does nothing: messages 0 where 40 is usual",
        "Since 10:37 on 3 March, 30 runs in a row",
        "Its next run is at 10:41 on 3 March",
    ]
    assert said(subject, VI) == [
        "Tác vụ data_sync vẫn chạy nhưng không có kết quả: messages là 0, bình thường khoảng 40",
        "Từ 10:37 ngày 03/03, 30 lần chạy liên tiếp",
        "Lần chạy tiếp theo: 10:41 ngày 03/03",
    ]
    assert ended(subject, EN) == ["The job data_sync has results again after 60 min: messages"]
    assert ended(subject, VI) == ["Tác vụ data_sync đã có kết quả trở lại sau 60 phút: messages"]
