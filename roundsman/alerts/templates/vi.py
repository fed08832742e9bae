"""The texts in Vietnamese."""

from datetime import datetime, timedelta

from roundsman.alerts.templates.digest import DigestFacts
from roundsman.alerts.templates.errors_vi import error_vi, resolution_vi
from roundsman.alerts.templates.facts import PageFacts, UnrepliedFacts

OPEN_CONVERSATION = "Mở hội thoại"
OPEN_LINK = "Mở xem"
MORE = "và {count} mục khác"


def unreplied_warning(facts: UnrepliedFacts) -> tuple[str, ...]:
    """The title, then further lines."""
    left = f", còn {duration(facts.left)} là quá hạn" if facts.left is not None else ""
    due = f", cần trả lời trước {moment(facts.due)}" if facts.due is not None else _limit(facts)
    return (
        f"{_customer(facts)} đã chờ {duration(facts.waited)} trên {_place(facts)}{left}",
        f"Chưa được trả lời từ {moment(facts.since)}{due}",
        *_details(facts),
    )


def unreplied_firing(facts: UnrepliedFacts) -> tuple[str, ...]:
    return (
        f"{_customer(facts)} đã chờ {duration(facts.waited)} trên {_place(facts)}",
        f"Chưa được trả lời từ {moment(facts.since)}{_limit(facts)}",
        *_details(facts),
    )


def unreplied_item(facts: UnrepliedFacts) -> str:
    """A line of a digest."""
    return f"{_customer(facts)}, {duration(facts.waited)} trên {_place(facts)}"


def unreplied_resolved(facts: UnrepliedFacts) -> tuple[str, ...]:
    wait = duration(facts.waited)
    began = f"Bắt đầu chờ lúc {moment(facts.since)}"
    if not facts.was_answered:
        why = f": {_resolution(facts.resolution)}" if facts.resolution else ""
        return (f"{_customer(facts)} không còn chờ trả lời trên {_place(facts)}{why}", began)
    if facts.answered_by:
        title = f"{facts.answered_by} đã trả lời {_customer(facts, inner=True)} sau {wait} trên {_place(facts)}"
    else:
        title = f"{_customer(facts)} đã được trả lời sau {wait} trên {_place(facts)}"
    return (title, began, *_charged(facts))


def _resolution(resolution: str) -> str:
    by = resolution_vi(resolution)
    return by if by != resolution else _RESOLUTIONS.get(resolution, _NOT_WATCHED)


def page_stale(facts: PageFacts) -> tuple[str, ...]:
    age = f"đã {duration(facts.age)} " if facts.age is not None else ""
    return (
        f"{_page(facts)} {age}không có dữ liệu mới",
        "Tạm ngừng nhắc khách chờ trên trang này cho đến khi có dữ liệu mới",
        *([f"Lỗi gần nhất: {error_vi(facts.error)}"] if facts.error else []),
    )


def page_recovered(facts: PageFacts) -> tuple[str, ...]:
    return (f"{_page(facts)} đã có dữ liệu mới trở lại sau {duration(facts.lasted)}",)


def sync_failed(facts: PageFacts) -> tuple[str, ...]:
    why = _REASONS.get(facts.reason or "", facts.reason)
    return (
        f"{_page(facts)} đã ngừng đồng bộ{f': {why}' if why else ''}",
        "Không thể nhắc khách chờ trên trang này cho đến khi khắc phục xong",
        *([f"Lỗi gần nhất: {error_vi(facts.error)}"] if facts.error else []),
    )


def sync_works(facts: PageFacts) -> tuple[str, ...]:
    return (f"{_page(facts)} đã đồng bộ trở lại sau {duration(facts.lasted)}",)


def token_expiring(facts: PageFacts) -> tuple[str, ...]:
    when = {None: "sắp hết hạn", 0: "hết hạn hôm nay", 1: "hết hạn ngày mai"}.get(
        facts.days, f"sẽ hết hạn sau {facts.days} ngày"
    )
    return (f"Token của {_page(facts, inner=True)} {when}", "Hãy gia hạn trước đó, nếu không trang sẽ ngừng đồng bộ")


def token_renewed(facts: PageFacts) -> tuple[str, ...]:
    return (f"Token của {_page(facts, inner=True)} đã được gia hạn",)


def digest_firing(facts: DigestFacts) -> tuple[str, ...]:
    if not facts.is_about_customers:
        return (f"{_kind(facts.kind)}: {facts.left} mục cùng lúc{_for(facts)}", *_pages(facts))
    verb = "sắp chờ quá hạn" if facts.is_warning else "chờ quá lâu"
    return (
        f"{facts.left} khách {verb}{_for(facts)}",
        f"Lâu nhất: {duration(facts.longest)}",
        *_pages(facts),
    )


def digest_ended(facts: DigestFacts) -> tuple[str, ...]:
    if facts.left and facts.is_about_customers:
        return (f"Còn {facts.left}/{facts.total} khách đang chờ{_for(facts)}", *_pages(facts))
    if facts.left:
        return (f"{_kind(facts.kind)}: còn {facts.left}/{facts.total}{_for(facts)}", *_pages(facts))
    if facts.is_about_customers and facts.answered == facts.total:
        return (f"Cả {facts.total} khách đã được trả lời{_for(facts)}",)
    if facts.is_about_customers:
        return (f"Cả {facts.total} khách không còn chờ trả lời{_for(facts)}",)
    return (f"{_kind(facts.kind)}: đã hết cả {facts.total}{_for(facts)}",)


def generic_firing(what: str, subject: str, severity: str, since: datetime) -> tuple[str, ...]:
    return (f"{what}: {subject} (mức độ: {_SEVERITIES.get(severity, severity)})", f"Từ {moment(since)}")


def generic_resolved(what: str, subject: str, lasted: timedelta, resolution: str) -> tuple[str, ...]:
    why = f": {resolution_vi(resolution)}" if resolution else ""
    return (f"{what}: {subject} đã hết sau {duration(lasted)}{why}",)


def set_aside(name: str, lasted: timedelta, resolution: str) -> tuple[str, ...]:
    """The end of what is not known to work again."""
    return (f"Không nhắc về {name} nữa sau {duration(lasted)}: {resolution_vi(resolution)}",)


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


def _limit(facts: UnrepliedFacts) -> str:
    answer = {"first": " lần đầu", "next": " tiếp theo"}.get(facts.target, "")
    return f", hạn trả lời{answer} là {facts.threshold_minutes} phút" if facts.threshold_minutes is not None else ""


def _details(facts: UnrepliedFacts) -> tuple[str, ...]:
    lines = []
    if facts.bot_answered is not None:
        lines.append(f"Bot đã trả lời lúc {moment(facts.bot_answered)}, nhân viên thì chưa")
    elif facts.no_person_since == facts.since:
        lines.append("Từ đó chỉ có bot trả lời, nhân viên thì chưa")
    elif facts.no_person_since is not None:
        lines.append(f"Chưa có nhân viên nào trả lời từ {moment(facts.no_person_since)}")
    lines += _charged(facts)
    if facts.level > 1:
        lines.append(f"Cấp {facts.level}{f', {facts.team}' if facts.team else ''}")
    return tuple(lines)


def _charged(facts: UnrepliedFacts) -> tuple[str, ...]:
    whose = ", ".join(f"{name} ({minutes} phút)" for name, minutes in facts.charged)
    return (f"Trong ca của {whose}",) if whose else ()


def _for(facts: DigestFacts) -> str:
    level = f"cấp {facts.level}" if facts.level > 1 else None
    told = ", ".join(part for part in (facts.team, level) if part)
    return f" ({told})" if told else ""


def _pages(facts: DigestFacts) -> tuple[str, ...]:
    counts = [*facts.by_page, *([("trang khác", facts.elsewhere)] if facts.elsewhere else [])]
    return (", ".join(f"{page}: {count}" for page, count in counts),) if counts else ()


def _page(facts: PageFacts, *, inner: bool = False) -> str:
    return facts.page or ("trang chưa có tên" if inner else "Trang chưa có tên")


def _kind(kind: str) -> str:
    words = kind.replace("_", " ")
    return _KINDS.get(kind) or words[:1].upper() + words[1:]


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

_KINDS = {
    "page_stale": "Trang không có dữ liệu mới",
    "sync_failed": "Trang ngừng đồng bộ",
    "token_expiring": "Token sắp hết hạn",
    "job_failing": "Tác vụ bị lỗi",
    "job_overrunning": "Tác vụ chạy quá lâu",
    "jobs_missed": "Thời gian ngừng chạy",
    "job_silent": "Tác vụ không có kết quả",
}
_REASONS = {"token_expired": "token đã hết hạn", "token_revoked": "token đã bị thu hồi"}
