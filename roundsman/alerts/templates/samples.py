"""Alerts as they may be, one with every fact and one with hardly any, for each kind: templates are tried on them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from roundsman.alerts.templates.digest import DigestFacts, DigestScene
from roundsman.alerts.templates.facts import Scene
from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.notifications import NotificationEvent

_SINCE = datetime(2026, 3, 3, 3, 37, tzinfo=UTC)
_NOW = _SINCE + timedelta(minutes=23)
_AT = "2026-03-03T03:40:00Z"

_CUSTOMER: Mapping[str, Any] = {
    "customer_name": "Nguyễn Thị Lan", "page_name": "Shop A", "platform": "messenger", "conversation_type": "COMMENT",
    "waited_minutes": 23, "threshold_minutes": 15, "target": "first", "due_at": _AT, "bot_answered_at": _AT,
    "human_waiting_since": "2026-03-03T03:30:00Z", "waiting_since": _AT, "answered_at": _AT, "answered_by": "Hoa",
    "charged": [{"name": "Hoa", "minutes": 12}], "link": "https://pancake.vn/shop-a?c_id=1",
}  # fmt: skip
_PAGE: Mapping[str, Any] = {
    "page_name": "Shop A", "data_age_minutes": 42, "last_error": "HTTP 503", "reason": "token_expired", "days": 3,
    "link": "https://pancake.vn/shop-a",
}  # fmt: skip
_JOB: Mapping[str, Any] = {
    "jobs": ["data_sync", "report"], "times": 3, "is_whole": True, "outcome": "failed", "last_error": "HTTP 503",
    "next_at": _AT, "running_minutes": 40, "allowed_minutes": 30, "usual_seconds": 12, "down_minutes": 50, "ticks": 4,
    "missed": [{"job": "report", "ticks": 4}], "counter": "messages", "runs": 5, "usual": 40,
}  # fmt: skip

SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "conversation_unreplied": _CUSTOMER,
    **dict.fromkeys(("page_stale", "sync_failed", "token_expiring"), _PAGE),
    **dict.fromkeys(("job_failing", "job_overrunning", "jobs_missed", "job_silent"), _JOB),
}
"""The annotations of each kind, with every fact."""


def sample_digests() -> Iterator[tuple[str, DigestScene]]:
    """What a template of digests may meet, each with words for it."""
    for kind in ("conversation_unreplied", "disk_full"):
        scenes = [(words, each) for words, each in sample_scenes(kind)]
        full = [each for words, each in scenes if "every" in words]
        bare = [replace(each, team=None) for words, each in scenes if "hardly" in words]
        for words, told in (("every fact", full), ("hardly any fact", bare)):
            begun = [each for each in told if each.event is not NotificationEvent.RESOLVED]
            over = [replace(each, alert=told[-1].alert) for each in begun]
            for event, found in (
                (NotificationEvent.WARNING, begun), (NotificationEvent.FIRING, begun),
                (NotificationEvent.CHANGED, begun[:1] + over), (NotificationEvent.RESOLVED, over),
            ):  # fmt: skip
                facts = DigestFacts.of(found, is_warning=event is NotificationEvent.WARNING)
                yield f"a {event} digest of {kind} with {words}", DigestScene(facts, event)


def sample_scenes(kind: str) -> Iterator[tuple[str, Scene]]:
    """What a template of this kind may meet, each with words for it."""
    for annotations, words in ((SAMPLES.get(kind, {"count": 3}), "every fact"), ({}, "hardly any fact")):
        alert = Alert(
            id=1, fingerprint=f"{kind}:sample", kind=kind, severity=Severity.MEDIUM, status=AlertStatus.FIRING,
            level=1, job="sample", labels={"page_id": "shop-a"} if annotations else {}, annotations=annotations,
            since_at=_SINCE, opened_at=_NOW,
        )  # fmt: skip
        over = replace(alert, status=AlertStatus.RESOLVED, resolved_at=_NOW, resolution="answered")
        for event in NotificationEvent:
            told = over if event is NotificationEvent.RESOLVED else alert
            team = "Sales" if annotations else None
            level = 0 if event is NotificationEvent.WARNING else 1
            yield f"a {event} alert with {words}", Scene(told, event, _NOW, ZoneInfo("UTC"), level, team)
