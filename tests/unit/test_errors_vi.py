"""Our own sentences among errors and ends, told to Vietnamese readers; what comes from elsewhere stays."""

import inspect
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import roundsman.conversations.pancake
from roundsman import answers
from roundsman.alerts.templates import Language, render
from roundsman.alerts.templates.errors_vi import error_vi
from roundsman.monitor import staleness
from roundsman.repositories.alerts import Alert, AlertStatus, Resolution, Severity
from roundsman.repositories.notifications import NotificationEvent
from roundsman.scheduling import isolation
from roundsman.watch import dead_man, failing

NOW = datetime(2026, 3, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "vietnamese"),
    [
        ("Pancake was not reached: no answer in time.", "Không kết nối được với Pancake: không trả lời kịp"),
        ("Pancake was not reached: ChunkedEncodingError.", "Không kết nối được với Pancake: ChunkedEncodingError"),
        ("Pancake answered HTTP 503 Service Unavailable.", "Pancake trả lời HTTP 503 Service Unavailable"),
        ("Pancake answered HTTP 401 Unauthorized (error 102): Token is invalid",
         "Pancake trả lời HTTP 401 Unauthorized (error 102): Token is invalid"),
        ("Pancake answered HTTP 302 Found (redirects are not followed).",
         "Pancake trả lời HTTP 302 Found (không đi theo chuyển hướng)"),
        ("Pancake refused the request (error 105): access_token renewed.",
         "Pancake từ chối yêu cầu (error 105): access_token renewed"),
        ("its process was killed by SIGKILL without an answer", "tiến trình bị dừng bởi SIGKILL khi chưa có kết quả"),
        ("its process ended with status 3 without an answer", "tiến trình kết thúc với mã 3 khi chưa có kết quả"),
        ("ValueError: 7 {words}", "ValueError: 7 {words}"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_ours_is_told_in_vietnamese(error: str, vietnamese: str) -> None:
    assert error_vi(error) == vietnamese


def test_no_sentence_about_pancake_or_a_process_is_forgotten() -> None:
    """Read from the source, so that a new one is noticed here."""
    folder = Path(str(roundsman.conversations.pancake.__path__[0]))
    pancake = "".join(path.read_text() for path in sorted(folder.glob("*.py")))
    written = re.findall(r'PancakeError\(\s*(?:[\w.]+(?:\([^()]*(?:\([^()]*\))?[^()]*\))?),\s*f?"([^"]+)"', pancake)
    written += re.findall(r'IsolatedJobError\(f"([^"]+)"', inspect.getsource(isolation))
    assert len(written) >= 9
    for sentence in written:
        filled = re.sub(r"\{_how\w+\(status\)\}", "ended with status 1", sentence)
        filled = filled.replace("{status_words(status)}", "HTTP 500").replace("{said}", "")
        filled = re.sub(r"\{LONGEST[^}]*\}", "8", filled)
        filled = re.sub(r"\{[^}]*\}", "words", filled)
        assert error_vi(filled) != filled, sentence
    for words in set(re.findall(r'Error, "([^"]+)"', inspect.getsource(answers))):
        assert words not in error_vi(f"Pancake was not reached: {words}.")


@pytest.mark.parametrize("kind", ["page_stale", "sync_failed", "job_failing"])
def test_messages_tell_them(kind: str) -> None:
    alert = Alert(
        id=1, fingerprint=f"{kind}:a", kind=kind, severity=Severity.HIGH, status=AlertStatus.FIRING, level=1,
        job="x", labels={}, annotations={"last_error": "Pancake was not reached: connection refused."},
        since_at=NOW - timedelta(hours=1), opened_at=NOW,
    )  # fmt: skip
    message = render(alert, NotificationEvent.FIRING, Language.VIETNAMESE, NOW, ZoneInfo("UTC"))
    assert "Không kết nối được với Pancake: kết nối bị từ chối" in " ".join((message.title, *message.lines))


def test_who_has_dealt_with_an_alert_of_any_kind_is_told_in_vietnamese() -> None:
    alert = Alert(
        id=1, fingerprint="disk_full:a", kind="disk_full", severity=Severity.HIGH, status=AlertStatus.RESOLVED,
        level=1, job="x", labels={}, annotations={}, since_at=NOW - timedelta(hours=1), opened_at=NOW,
        resolved_at=NOW, resolution="resolved by Minh",
    )  # fmt: skip
    message = render(alert, NotificationEvent.RESOLVED, Language.VIETNAMESE, NOW, ZoneInfo("UTC"))
    assert message.title == "Disk full: a đã hết sau 60 phút: Minh đã xử lý"


@pytest.mark.parametrize(
    ("kind", "resolution", "english", "vietnamese"),
    [
        ("page_stale", staleness.NOT_WATCHED,
         "Shop A is reported no more after 60 min: the page is synced no more",
         "Không nhắc về Shop A nữa sau 60 phút: trang không còn được đồng bộ"),
        ("sync_failed", Resolution("resolved by Minh", {"resolved_by": "Minh"}),
         "Shop A is reported no more after 60 min: resolved by Minh",
         "Không nhắc về Shop A nữa sau 60 phút: Minh đã xử lý"),
        ("page_stale", staleness._CAUGHT_UP, "The data of Shop A is up to date again after 60 min",
         "Shop A đã có dữ liệu mới trở lại sau 60 phút"),
        ("job_failing", failing._OFF,
         "data_sync is reported no more after 60 min: nobody is told of its failures any more",
         "Không nhắc về data_sync nữa sau 60 phút: lỗi của tác vụ này không còn được nhắc"),
        ("job_failing", failing._DONE, "The job data_sync works again after 60 min",
         "Tác vụ data_sync đã chạy bình thường trở lại sau 60 phút"),
        ("job_silent", dead_man._OFF, "data_sync is reported no more after 60 min: the counter is watched no more",
         "Không nhắc về data_sync nữa sau 60 phút: số liệu này không còn được theo dõi"),
        ("job_silent", dead_man._USUAL, f"data_sync is reported no more after 60 min: {dead_man._USUAL.text}",
         "Không nhắc về data_sync nữa sau 60 phút: đã lâu không có kết quả nào"),
    ],
)  # fmt: skip
def test_what_is_let_alone_is_not_said_to_work_again(
    kind: str, resolution: Resolution, english: str, vietnamese: str
) -> None:
    about = {"page_name": "Shop A"} if kind in ("page_stale", "sync_failed") else {"jobs": ["data_sync"]}
    alert = Alert(
        id=1, fingerprint=f"{kind}:a", kind=kind, severity=Severity.HIGH, status=AlertStatus.RESOLVED, level=1,
        job="x", labels={}, annotations={**about, **resolution.annotations},
        since_at=NOW - timedelta(hours=1), opened_at=NOW, resolved_at=NOW, resolution=resolution.text,
    )  # fmt: skip
    for language, title in ((Language.ENGLISH, english), (Language.VIETNAMESE, vietnamese)):
        assert render(alert, NotificationEvent.RESOLVED, language, NOW, ZoneInfo("UTC")).title == title
