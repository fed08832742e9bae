"""Why a conversation is judged as it is, and what would change that: sentences for whoever is on call. Pure.

The first sentence is the verdict; then the facts behind it, then what is going to happen, or would have to.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from roundsman.clock import Times
from roundsman.conversations.incident import WARNING
from roundsman.conversations.policies.policy import Level, RecipientKind
from roundsman.conversations.verdict import Judgement, duration_in_words, is_stale
from roundsman.monitor.findings import Findings
from roundsman.repositories.watch_list import AnsweringClock

_MINUTE = timedelta(minutes=1)


def why(found: Findings, zone: ZoneInfo) -> list[str]:
    """The sentences; times are told in this zone."""
    times = Times(found.now, zone)
    return [
        found.verdict.reason,
        *_clocks(found, times),
        *_policy(found, times),
        *_charged(found),
        *_freshness(found, times),
        *_told(found, times),
        *_changes(found, times),
    ]


def _clocks(found: Findings, times: Times) -> Iterator[str]:
    state = found.step.row.state
    for name, since, answered in (
        ("customer", state.waiting_since, state.answered_at),
        ("human", state.human_waiting_since, state.human_answered_at),
    ):
        force = ", which is the one in force" if found.policy.clock.value == name else ""
        last = f"the last answer on it was at {times.at(answered)}" if answered else "nobody has ever answered on it"
        runs = f"has run since {times.at(since)}" if since else "stands still"
        yield f"The {name} clock{force}, {runs}; {last}." if force else f"The {name} clock {runs}; {last}."
    if state.recheck_at is not None:
        yield f"A message of a later time counts from {times.at(state.recheck_at)} on, ten minutes before its time."


def _policy(found: Findings, times: Times) -> Iterator[str]:
    policy, watched = found.policy, found.watched
    tags = ", ".join(map(repr, watched.conversation.tags)) or "none"
    yield (
        f"Policy {policy.name!r} is in force for it: page {watched.conversation.page_id}, type "
        f"{watched.conversation.type}, tags {tags}."
    )
    if not found.in_force:
        yield "The daemon judges by other policies than this command: their settings differ."
    if found.step.since is None:
        return
    first = found.verdict.response == "first"
    target, passed = policy.target(first=first), policy.calendar.worked(found.step.since, found.now)
    yield (
        f"A {'first' if first else 'next'} answer may take {duration_in_words(target)} by the calendar "
        f"{policy.calendar.name!r}; so far it has taken {duration_in_words(passed)}."
    )
    closed = policy.calendar.closed_because(found.now)
    if closed is not None:
        opens = policy.calendar.opens_at(found.now)
        yield (
            f"The clock rests now: {closed}; it goes on at {times.at(opens)}."
            if opens
            else f"The clock rests for good: {closed}."
        )


def _charged(found: Findings) -> Iterator[str]:
    shares = [
        f"{share.name or share.staff_id or 'nobody'} {duration_in_words(round(share.minutes) * _MINUTE)}"
        for share in found.verdict.charged
    ]
    if shares:
        yield f"The wait is charged to {', '.join(shares)}."


def _freshness(found: Findings, times: Times) -> Iterator[str]:
    sync, page_id = found.sync, found.watched.conversation.page_id
    if sync is None:
        yield f"Page {page_id} has no live source: what was imported is taken as it is."
        return
    if sync.taken_out_at is not None:
        yield (
            f"Page {page_id} is in the settings of no daemon since {times.at(sync.taken_out_at)}, so {sync.source} is "
            "not asked about it any more. When it is back, it is judged again once it is read completely."
        )
        return
    if sync.fresh_at is None:
        yield f"Page {page_id} is not read completely from {sync.source} yet, so nothing is told about it."
    else:
        stale = ", which is too old to judge by" if is_stale(found.policy, sync.fresh_at, found.now) else ""
        yield (
            f"Everything that {sync.source} knew of page {page_id} at {times.at(sync.fresh_at)} is here{stale}; "
            f"{duration_in_words(found.policy.stale_after)} are allowed."
        )
    if sync.error is not None:
        again = f"; it is tried again at {times.at(sync.retry_at)}" if sync.retry_at is not None else ""
        yield f"Its sync has failed {sync.failures} times in a row: {sync.error.rstrip('.')}{again}."


def _told(found: Findings, times: Times) -> Iterator[str]:
    row = found.row
    if row is not None and row.snoozed_until is not None and row.snoozed_until > found.now:
        yield f"{row.snoozed_by or 'Somebody'} put it off until {times.at(row.snoozed_until)}."
    if not found.alerts:
        yield "Nobody was ever told of it."
        return
    alert, _ = found.alerts[-1]
    if alert.resolved_at is not None and alert.resolved_at <= found.now:
        yield f"People were last told of it at {times.at(alert.opened_at)}; that ended with: {alert.resolution}."
        return
    level = "as a warning" if found.told_level == WARNING else f"up to level {found.told_level}"
    status = f", {alert.status.value}" if alert.resolved_at is None else ""
    yield (
        f"Alert {alert.id} has told of this wait {level} since {times.at(alert.opened_at)}{status}; "
        f"roundsman alerts why {alert.id} shows who was told."
    )


def _changes(found: Findings, times: Times) -> Iterator[str]:
    step, policy, verdict = found.step, found.policy, found.verdict
    if verdict.verdict is Judgement.EXCLUDED:
        yield "What would change that: without this exclusion its clocks would decide."
        return
    if step.since is None or step.plan is None:
        yield "What would change that: another message of the customer starts the clock."
        return
    answer = "an answer by a person" if policy.clock is AnsweringClock.HUMAN else "any answer of the page"
    due_at = step.plan.due_at
    what = f" up to {times.at(due_at)} is in time" if due_at and due_at >= found.now else " ends the wait"
    yield f"What would change that: {answer}{what}; a tag that excludes ends the matter as well."
    if verdict.verdict is Judgement.UNKNOWN:
        yield "As soon as its page is fresh again, it is judged, and told if it is late."
    coming = [(number, at) for number, at in step.plan.levels if number > found.told_level]
    if step.plan.warn_at is not None and step.plan.warn_at >= found.now:
        yield f"A warning goes out after {times.at(step.plan.warn_at)}."
    levels = {level.number: level for level in policy.levels}
    for number, at in coming:
        verb = "was due at" if at < found.now else "goes out after"
        yield f"Level {number} ({_whom(levels[number])}) {verb} {times.at(at)}."
    if not coming:
        yield "All levels were told."


def _whom(level: Level) -> str:
    people = [
        each.staff.name if each.kind is RecipientKind.STAFF and each.staff is not None else each.kind.value
        for each in level.to
    ]
    where = f" on {', '.join(level.channels)}" if level.channels else ""
    return f"{', '.join(people) or 'everybody'}{where}"


def facts(found: Findings) -> dict[str, object]:
    """Every stored fact behind the verdict, for JSON."""
    conversation, row = found.watched.conversation, found.row
    return {
        "conversation": conversation._asdict(),
        "page": found.watched.page._asdict(),
        "watch_list": None if row is None else row._asdict(),
        "sync": None if found.sync is None else _without(found.sync._asdict(), "checkpoint"),
        "plan": None if found.step.plan is None else found.step.plan._asdict(),
        "observations": [each._asdict() for each in found.observations],
        "alerts": [_alert(alert.id, alert.level, alert.status.value, alert.opened_at) for alert, _ in found.alerts],
    }


def _without(values: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != name}


def _alert(alert_id: int, level: int, status: str, opened_at: datetime) -> dict[str, object]:
    return {"id": alert_id, "level": level, "status": status, "opened_at": opened_at}
