"""The texts in English."""

from datetime import datetime, timedelta

from roundsman.alerts.templates.facts import UnrepliedFacts

OPEN_LINK = "Open the conversation"


def unreplied_firing(facts: UnrepliedFacts) -> tuple[str, ...]:
    """The title, then further lines."""
    limit = f", the limit is {facts.threshold_minutes} min" if facts.threshold_minutes is not None else ""
    return (
        f"{_customer(facts)} has waited {duration(facts.waited)} {_place(facts)}",
        f"Waiting since {moment(facts.since)}{limit}",
    )


def unreplied_resolved(facts: UnrepliedFacts) -> tuple[str, ...]:
    wait = duration(facts.waited)
    if not facts.was_answered:
        why = f": {facts.resolution}" if facts.resolution else ""
        return (f"{_customer(facts)} no longer waits {_place(facts)}{why}", f"The wait began {moment(facts.since)}")
    if facts.answered_by:
        title = f"{_customer(facts)} {_place(facts)}: answered by {facts.answered_by} after {wait}"
    else:
        title = f"{_customer(facts)} {_place(facts)}: answered after {wait}"
    return (title, f"The wait began {moment(facts.since)}")


def generic_firing(what: str, subject: str, severity: str, since: datetime) -> tuple[str, ...]:
    return (f"{what}: {subject} ({severity})", f"Since {moment(since)}")


def generic_resolved(what: str, subject: str, lasted: timedelta, resolution: str) -> tuple[str, ...]:
    why = f": {resolution}" if resolution else ""
    return (f"{what}: {subject} is over after {duration(lasted)}{why}",)


def test(at: datetime) -> tuple[str, ...]:
    return ("Test message: Roundsman reaches you here", f"Sent {moment(at)}; nothing is wrong")


def moment(at: datetime) -> str:
    """`10:37 on 3 March` by the clock of the reader."""
    return f"{at:%H:%M} on {at.day} {_MONTHS[at.month - 1]}"


def duration(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} days {hours % 24} h"


def _customer(facts: UnrepliedFacts) -> str:
    return facts.customer or "A customer"


def _place(facts: UnrepliedFacts) -> str:
    page = facts.page or "a page without a name"
    details = ", ".join(part for part in (facts.platform, "comment" if facts.is_comment else None) if part)
    return f"on {page} ({details})" if details else f"on {page}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
"""strftime would follow the locale of the machine."""
