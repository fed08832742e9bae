"""The texts in English."""

from datetime import datetime, timedelta

from roundsman.alerts.templates.digest import DigestFacts
from roundsman.alerts.templates.facts import PageFacts, UnrepliedFacts

OPEN_CONVERSATION = "Open the conversation"
OPEN_LINK = "Open"
MORE = "and {count} more"


def unreplied_warning(facts: UnrepliedFacts) -> tuple[str, ...]:
    """The title, then further lines."""
    left = f": {duration(facts.left)} left" if facts.left is not None else ""
    due = f", to be answered by {moment(facts.due)}" if facts.due is not None else _limit(facts)
    return (
        f"{_customer(facts)} has waited {duration(facts.waited)} {_place(facts)}{left}",
        f"Waiting since {moment(facts.since)}{due}",
        *_details(facts),
    )


def unreplied_firing(facts: UnrepliedFacts) -> tuple[str, ...]:
    return (
        f"{_customer(facts)} has waited {duration(facts.waited)} {_place(facts)}",
        f"Waiting since {moment(facts.since)}{_limit(facts)}",
        *_details(facts),
    )


def unreplied_item(facts: UnrepliedFacts) -> str:
    """A line of a digest."""
    return f"{_customer(facts)}, {duration(facts.waited)} {_place(facts)}"


def unreplied_resolved(facts: UnrepliedFacts) -> tuple[str, ...]:
    wait = duration(facts.waited)
    if not facts.was_answered:
        why = f": {facts.resolution}" if facts.resolution else ""
        return (f"{_customer(facts)} no longer waits {_place(facts)}{why}", f"The wait began {moment(facts.since)}")
    if facts.answered_by:
        title = f"{_customer(facts)} {_place(facts)}: answered by {facts.answered_by} after {wait}"
    else:
        title = f"{_customer(facts)} {_place(facts)}: answered after {wait}"
    return (title, f"The wait began {moment(facts.since)}", *_charged(facts))


def page_stale(facts: PageFacts) -> tuple[str, ...]:
    age = f" for {duration(facts.age)}" if facts.age is not None else ""
    return (
        f"No new data from {_page(facts)}{age}",
        "Until there is, nobody is reminded of its customers",
        *([f"Last error: {facts.error}"] if facts.error else []),
    )


def page_recovered(facts: PageFacts) -> tuple[str, ...]:
    return (f"The data of {_page(facts)} is up to date again after {duration(facts.lasted)}",)


def sync_failed(facts: PageFacts) -> tuple[str, ...]:
    why = _REASONS.get(facts.reason or "", facts.reason)
    return (
        f"The sync of {_page(facts)} has stopped{f': {why}' if why else ''}",
        "Until it is mended, nobody is reminded of its customers",
        *([f"Last error: {facts.error}"] if facts.error else []),
    )


def sync_works(facts: PageFacts) -> tuple[str, ...]:
    return (f"The sync of {_page(facts)} works again after {duration(facts.lasted)}",)


def token_expiring(facts: PageFacts) -> tuple[str, ...]:
    when = {None: "soon", 0: "today", 1: "tomorrow"}.get(facts.days, f"in {facts.days} days")
    return (f"The token of {_page(facts)} expires {when}", "Renew it before, or the sync of the page stops")


def token_renewed(facts: PageFacts) -> tuple[str, ...]:
    return (f"The token of {_page(facts)} was renewed",)


def digest_firing(facts: DigestFacts) -> tuple[str, ...]:
    if not facts.is_about_customers:
        return (f"{_kind(facts.kind)}: {facts.left} at once{_for(facts)}", *_pages(facts))
    who, have = ("customer", "has") if facts.left == 1 else ("customers", "have")
    verb = "will soon have waited too long" if facts.is_warning else f"{have} waited too long"
    return (
        f"{facts.left} {who} {verb}{_for(facts)}",
        f"The longest wait: {duration(facts.longest)}",
        *_pages(facts),
    )


def digest_ended(facts: DigestFacts) -> tuple[str, ...]:
    if facts.left and facts.is_about_customers:
        wait = "waits" if facts.left == 1 else "wait"
        return (f"{facts.left} of {facts.total} customers still {wait}{_for(facts)}", *_pages(facts))
    if facts.left:
        return (f"{_kind(facts.kind)}: {facts.left} of {facts.total} left{_for(facts)}", *_pages(facts))
    if facts.is_about_customers and facts.answered == facts.total:
        return (f"All {facts.total} customers were answered{_for(facts)}",)
    if facts.is_about_customers:
        return (f"None of the {facts.total} customers waits any longer{_for(facts)}",)
    return (f"{_kind(facts.kind)}: all {facts.total} are over{_for(facts)}",)


def generic_firing(what: str, subject: str, severity: str, since: datetime) -> tuple[str, ...]:
    return (f"{what}: {subject} ({severity})", f"Since {moment(since)}")


def generic_resolved(what: str, subject: str, lasted: timedelta, resolution: str) -> tuple[str, ...]:
    why = f": {resolution}" if resolution else ""
    return (f"{what}: {subject} is over after {duration(lasted)}{why}",)


def set_aside(name: str, lasted: timedelta, resolution: str) -> tuple[str, ...]:
    """The end of what is not known to work again."""
    return (f"{name} is reported no more after {duration(lasted)}: {resolution}",)


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


def _limit(facts: UnrepliedFacts) -> str:
    answer = {"first": " for a first answer", "next": " for the next answer"}.get(facts.target, "")
    return f", the limit{answer} is {facts.threshold_minutes} min" if facts.threshold_minutes is not None else ""


def _details(facts: UnrepliedFacts) -> tuple[str, ...]:
    lines = []
    if facts.bot_answered is not None:
        lines.append(f"A bot answered at {moment(facts.bot_answered)}, no person has")
    elif facts.no_person_since == facts.since:
        lines.append("A bot has answered since, no person has")
    elif facts.no_person_since is not None:
        lines.append(f"No person has answered since {moment(facts.no_person_since)}")
    lines += _charged(facts)
    if facts.level > 1:
        lines.append(f"Level {facts.level}{f', {facts.team}' if facts.team else ''}")
    return tuple(lines)


def _charged(facts: UnrepliedFacts) -> tuple[str, ...]:
    whose = ", ".join(f"{name} ({minutes} min)" for name, minutes in facts.charged)
    return (f"In the shifts of {whose}",) if whose else ()


def _for(facts: DigestFacts) -> str:
    level = f"level {facts.level}" if facts.level > 1 else None
    told = ", ".join(part for part in (facts.team, level) if part)
    return f" ({told})" if told else ""


def _pages(facts: DigestFacts) -> tuple[str, ...]:
    counts = [*facts.by_page, *([("other pages", facts.elsewhere)] if facts.elsewhere else [])]
    return (", ".join(f"{page}: {count}" for page, count in counts),) if counts else ()


def _page(facts: PageFacts) -> str:
    return facts.page or "a page without a name"


def _kind(kind: str) -> str:
    words = kind.replace("_", " ")
    return _KINDS.get(kind) or words[:1].upper() + words[1:]


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

_KINDS = {
    "page_stale": "Pages without new data",
    "sync_failed": "Pages whose sync has stopped",
    "token_expiring": "Tokens that expire",
    "job_failing": "Jobs that fail",
    "job_overrunning": "Jobs that run too long",
    "jobs_missed": "Downtimes",
    "job_silent": "Jobs that do nothing",
}
_REASONS = {"token_expired": "its token has expired", "token_revoked": "its token was revoked"}
