"""The texts in Vietnamese."""

from datetime import datetime, timedelta

from roundsman.alerts.templates.facts import UnrepliedFacts

OPEN_LINK = "Mở hội thoại"


def unreplied_firing(facts: UnrepliedFacts) -> tuple[str, ...]:
    """The title, then further lines."""
    limit = f", quá ngưỡng {facts.threshold_minutes} phút" if facts.threshold_minutes is not None else ""
    return (
        f"{_customer(facts)} đã chờ {duration(facts.waited)} trên {_place(facts)}",
        f"Chưa được trả lời từ {moment(facts.since)}{limit}",
    )


def unreplied_resolved(facts: UnrepliedFacts) -> tuple[str, ...]:
    wait = duration(facts.waited)
    began = f"Bắt đầu chờ lúc {moment(facts.since)}"
    if not facts.was_answered:
        why = f": {_RESOLUTIONS.get(facts.resolution, _NOT_WATCHED)}" if facts.resolution else ""
        return (f"{_customer(facts)} không còn chờ trả lời trên {_place(facts)}{why}", began)
    if facts.answered_by:
        return (f"{facts.answered_by} đã trả lời {_customer(facts, inner=True)} sau {wait} trên {_place(facts)}", began)
    return (f"{_customer(facts)} đã được trả lời sau {wait} trên {_place(facts)}", began)


def generic_firing(what: str, subject: str, severity: str, since: datetime) -> tuple[str, ...]:
    return (f"{what}: {subject} (mức độ: {_SEVERITIES.get(severity, severity)})", f"Từ {moment(since)}")


def generic_resolved(what: str, subject: str, lasted: timedelta, resolution: str) -> tuple[str, ...]:
    why = f": {resolution}" if resolution else ""
    return (f"{what}: {subject} đã hết sau {duration(lasted)}{why}",)


def test(at: datetime) -> tuple[str, ...]:
    return ("Tin nhắn thử: Roundsman gửi được đến đây", f"Gửi lúc {moment(at)}; không có sự cố nào")


def moment(at: datetime) -> str:
    """`10:37 ngày 03/03` by the clock of the reader."""
    return f"{at:%H:%M} ngày {at:%d/%m}"


def duration(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} phút"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} giờ {minutes:02d} phút"
    return f"{hours // 24} ngày {hours % 24} giờ"


def _customer(facts: UnrepliedFacts, *, inner: bool = False) -> str:
    return facts.customer or ("khách hàng" if inner else "Khách hàng")


def _place(facts: UnrepliedFacts) -> str:
    page = facts.page or "trang chưa có tên"
    details = ", ".join(part for part in (facts.platform, "bình luận" if facts.is_comment else None) if part)
    return f"{page} ({details})" if details else page


_SEVERITIES = {"critical": "nghiêm trọng", "high": "cao", "medium": "trung bình", "low": "thấp", "info": "thông tin"}

_RESOLUTIONS = {
    "the conversation no longer exists": "hội thoại không còn tồn tại",
    "the customer's message was removed": "tin nhắn của khách đã bị gỡ",
}
"""What the monitor says when nobody has answered."""
_NOT_WATCHED = "hội thoại này không còn được theo dõi"
"""Its other reasons: a tag, a page that is not synced, a comment."""
