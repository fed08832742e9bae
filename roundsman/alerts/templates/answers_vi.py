"""Answers in Vietnamese."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from roundsman.alerts.action import Action
from roundsman.alerts.reply import Reply

LABELS: Mapping[Action, str] = {
    Action.ACKNOWLEDGE: "Đã biết",
    Action.CLAIM: "Tôi nhận",
    Action.SNOOZE_SHORT: "Hoãn 30 phút",
    Action.SNOOZE_LONG: "2 giờ",
    Action.SNOOZE_SHIFT: "Đến ca sau",
    Action.RESOLVE: "Đã xử lý",
}
OVER = "Việc này đã kết thúc; không có gì thay đổi."
UNKNOWN = "Cảnh báo này không còn nữa."
NOT_OURS = "Nút này không còn dùng được; không có gì thay đổi."
NO_SHIFT = "Theo lịch thì không có ca nào sau ca này; hãy chọn thời gian."


def acknowledged(by: str, at: str) -> str:
    return f"{by} đã nhận {f'lúc {at}' if at else ''}".rstrip()


def snoozed(by: str, until: str) -> str:
    return f"{by} hoãn đến {until}"


def taken_of(taken: int, total: int, names: Sequence[str]) -> str:
    return f"{taken} trên {total} đã có người nhận: {', '.join(names)}"


def moment(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%H:%M} ngày {at.day}/{at.month}"


def done(reply: Reply, until: str) -> str:
    what = "" if reply.count == 1 else f", {reply.count} cảnh báo"
    if reply.action.is_snooze:
        return f"Đã hoãn đến {until}{what}."
    if reply.action is Action.RESOLVE:
        return f"Đã đánh dấu là đã xử lý{what}."
    return f"Bạn đã nhận{what}." if reply.action is Action.CLAIM else f"Đã ghi nhận{what}."


def somebody_has_it(holder: str) -> str:
    return f"{holder} đã nhận rồi; bấm “{LABELS[Action.CLAIM]}” để nhận thay."


def so_already(action: Action) -> str:
    return "Đã hoãn đến lúc đó rồi." if action.is_snooze else "Bạn đã nhận rồi."


def stranger(place: str) -> str:
    return f"Bạn chưa được phép trả lời ở đây; hãy nhờ người quản trị thêm {place}."
