"""What is said about jobs in Vietnamese."""

from typing import TYPE_CHECKING

from roundsman.alerts.templates.errors_vi import error_vi
from roundsman.alerts.templates.vi import duration, moment

if TYPE_CHECKING:
    from roundsman.alerts.templates.jobs import JobsFacts


def job_failing(facts: "JobsFacts") -> tuple[str, ...]:
    """The title, then further lines."""
    verb = {
        "timed_out": "không chạy xong trong thời hạn",
        "interrupted": "liên tục bị ngắt giữa chừng",
    }.get(facts.outcome, "bị lỗi")
    if len(facts.jobs) > 1:
        verb = "cùng gặp một lỗi"
    times = "" if facts.times < 2 else f", {facts.times} lần liên tiếp{'' if facts.is_whole else ' trở lên'}"
    return (
        f"{_jobs(facts)} {verb}: {error_vi(facts.error)}" if facts.error else f"{_jobs(facts)} {verb}",
        f"Từ {moment(facts.since)}{times}",
        *_next(facts),
    )


def job_recovered(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"{_jobs(facts)} đã chạy bình thường trở lại sau {duration(facts.lasted)}",)


def job_overrunning(facts: "JobsFacts") -> tuple[str, ...]:
    usual = f"; bình thường mất {facts.usual_seconds:g} giây" if facts.usual_seconds is not None else ""
    return (
        f"{_jobs(facts)} đã chạy {duration(facts.running)} mà chưa xong",
        f"Từ {moment(facts.since)}; giới hạn là {duration(facts.allowed)}{usual}",
    )


def job_ended(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"Lần chạy quá lâu của tác vụ {facts.jobs[0]} đã kết thúc sau {duration(facts.lasted)}",)


def jobs_missed(facts: "JobsFacts") -> tuple[str, ...]:
    return (
        f"Hệ thống ngừng chạy {duration(facts.down)}: lỡ {facts.ticks} lượt",
        f"Từ {moment(facts.since)}",
        *([", ".join(f"{job}: {ticks}" for job, ticks in facts.missed)] if facts.missed else []),
    )


def jobs_caught_up(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"Mọi tác vụ bị lỡ đã chạy lại xong, {duration(facts.lasted)} kể từ lúc ngừng",)


def job_silent(facts: "JobsFacts") -> tuple[str, ...]:
    return (
        f"{_jobs(facts)} vẫn chạy nhưng không có kết quả: {facts.counter} là 0, bình thường khoảng {facts.usual}",
        f"Từ {moment(facts.since)}, {facts.runs} lần chạy liên tiếp",
        *_next(facts),
    )


def job_speaks(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"{_jobs(facts)} đã có kết quả trở lại sau {duration(facts.lasted)}: {facts.counter}",)


def _jobs(facts: "JobsFacts") -> str:
    names = [*facts.jobs, *([f"{facts.more} tác vụ khác"] if facts.more else [])]
    if len(names) == 1:
        return f"Tác vụ {names[0]}"
    return f"Các tác vụ {', '.join(names[:-1])} và {names[-1]}"


def _next(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"Lần chạy tiếp theo: {moment(facts.next_at)}",) if facts.next_at and len(facts.jobs) == 1 else ()
