"""`roundsman alerts why`: what became of one alert, step by step, and why somebody was told or not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from roundsman.cli.alert_list import delivery_words
from roundsman.cli.output import print_json, say
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.notifications import Notification, NotificationRepository, NotificationStatus

UNFINISHED = (NotificationStatus.HELD, NotificationStatus.PENDING, NotificationStatus.SENDING)

_ANSWERS = (LogEvent.ACKNOWLEDGED, LogEvent.CLAIMED, LogEvent.SNOOZED, LogEvent.RESOLVED)
AlertArgument = Annotated[int, typer.Argument(metavar="ID", min=1, help="The number that `alerts list` shows.")]


def tell_why(
    ctx: typer.Context,
    alert_id: AlertArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what became of one alert: who was told when, who was not, and why."""
    session: Session = ctx.obj
    with session.store.read() as connection:
        alert = AlertRepository().find(connection, alert_id)
        trail = AlertLog().of_alert(connection, alert_id)
        deliveries = NotificationRepository().of_alerts(connection, [alert_id]).get(alert_id, [])
        channels = ChannelRepository().states(connection)
    if alert is None:
        raise BadInputError(f"There is no alert {alert_id}; `alerts list --all` shows those that are kept.")
    waiting = [each for each in deliveries if each.status in UNFINISHED]
    now, zone = session.clock.now(), session.settings.time_zone
    if as_json:
        print_json(_row(alert, trail, waiting, zone))
        return
    level = f"level {alert.level}" if alert.level > 0 else "a warning"
    say(f"Alert {alert.id}: {alert.fingerprint}, {alert.severity}, {level}, {alert.status}")
    say(f"{_local(alert.since_at, zone)}  it began")
    for entry in trail:
        say(f"{_local(entry.at, zone)}  {words_of(entry, zone)}")
    for each in waiting:
        say(f"{'still to be told':<19}  {delivery_words(each, channels, now, zone)}")


def words_of(entry: LogEntry, zone: ZoneInfo) -> str:
    """One row of the log as one clause, with times by the clock of this zone."""
    detail = entry.detail
    where = f"on {entry.channel}" if entry.channel else ""
    told = " ".join(part for part in (_news(entry), where) if part)
    if entry.event in (LogEvent.OPENED, LogEvent.WARNED, LogEvent.ESCALATED):
        verb = {LogEvent.OPENED: "opened", LogEvent.WARNED: "opened as a warning"}.get(entry.event, "rose")
        return f"{verb}{f' to level {entry.level}' if verb == 'rose' else ''}, {_audience(detail)}"
    if entry.event is LogEvent.RESOLVED and "by" not in detail:
        return f"resolved: {detail.get('reason')}"
    if entry.event in _ANSWERS:
        return _answer(entry, zone)
    if entry.event is LogEvent.HELD:
        who = f" for {', '.join(detail['for'])}" if detail.get("for") else ""
        return f"held {told}{who}{_until(detail, zone)}: {detail.get('reason')}"
    if entry.event is LogEvent.CHAIN_ENDED:
        return "nobody has answered, and nobody is left who could be told"
    if entry.event is LogEvent.TOLD:
        together = f", together with {detail['together'] - 1} more" if detail.get("together", 1) > 1 else ""
        return f"told {told}{together}: {detail.get('words')}"
    if entry.event is LogEvent.CANCELLED:
        return f"not told {told}: {detail.get('reason')}"
    if entry.event is LogEvent.UNTAKEN:
        return f"tried {told} {detail.get('tries')} times in vain: {detail.get('reason')}; no other channel is left"
    onward = f"goes on to {detail['goes_on_to']}" if "goes_on_to" in detail else "no other channel is left"
    is_end = detail.get("news") == "resolved"
    return f"gave up telling {told}: {detail.get('reason')}{'' if is_end else f'; {onward}'}"


def _answer(entry: LogEntry, zone: ZoneInfo) -> str:
    """What somebody has answered, and where."""
    detail = entry.detail
    parts = [f"{entry.event} by {detail.get('by')}{_until(detail, zone)}"]
    parts += [f"from {detail['from']}"] if "from" in detail else []
    parts += [f"on {detail['via']}"] if "via" in detail else []
    return " ".join(parts) + (f": {detail['note']}" if "note" in detail else "")


def _until(detail: Mapping[str, Any], zone: ZoneInfo) -> str:
    return f" until {_local(datetime.fromisoformat(detail['until']), zone)}" if "until" in detail else ""


def _news(entry: LogEntry) -> str:
    news = {"resolved": "of its end", "warning": "of the warning"}.get(entry.detail.get("news", ""), "")
    level = f"level {entry.level}" if (entry.level or 0) > 1 else ""
    return " ".join(part for part in (level, news) if part)


def _audience(detail: Any) -> str:
    parts = [f"for {detail['team']}" if "team" in detail else "for everybody"]
    if detail.get("mentions"):
        parts.append(f"calling {', '.join(detail['mentions'])}")
    parts.append(f"on {', '.join(detail['channels'])}" if detail.get("channels") else "on no channel")
    if detail.get("route"):
        parts.append(f"by the route {detail['route']}")
    if detail.get("not_configured"):
        parts.append(f"but not on {', '.join(detail['not_configured'])}, which is not configured")
    return " ".join(parts)


def _row(alert: Alert, trail: Sequence[LogEntry], waiting: Sequence[Notification], zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "status": alert.status,
        "severity": alert.severity,
        "level": alert.level,
        "since": alert.since_at,
        "trail": [
            {
                "at": entry.at,
                "event": entry.event,
                "level": entry.level,
                "channel": entry.channel,
                "detail": dict(entry.detail),
                "words": words_of(entry, zone),
            }
            for entry in trail
        ],
        "waiting": [
            {
                "channel": each.channel,
                "event": each.event,
                "level": each.level,
                "attempts": each.attempts,
                "held_by": each.held_by,
                "not_before": each.not_before,
                "error": each.error,
            }
            for each in waiting
        ],
    }


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"
