"""`roundsman alerts list`: what is wrong, and what each channel was told of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from roundsman.cli.output import LONGEST_NAME, one_line, print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.repositories.alerts import Alert, AlertRepository, AlertStatus
from roundsman.repositories.channels import ChannelRepository, ChannelState
from roundsman.repositories.notifications import (
    Notification,
    NotificationEvent,
    NotificationRepository,
    NotificationStatus,
)


def list_alerts(
    ctx: typer.Context,
    with_resolved: Annotated[bool, typer.Option("--all", help="Also the resolved ones.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many, with --all.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the open alerts, the newest first, with what each channel was told."""
    session: Session = ctx.obj
    repository = AlertRepository()
    with session.store.read() as connection:
        found = repository.latest(connection, limit) if with_resolved else repository.all_open(connection)
        deliveries = NotificationRepository().of_alerts(connection, [alert.id for alert in found])
        channels = ChannelRepository().states(connection)
    if as_json:
        print_json([_row(alert, deliveries.get(alert.id, []), channels) for alert in found])
        return
    if not found:
        say("No alerts." if with_resolved else "No open alerts.")
    else:
        zone, now = session.settings.time_zone, session.clock.now()
        print_table(
            ["ID", "KIND", "SUBJECT", "SEVERITY", "LEVEL", "STATUS", "SINCE", "OPENED", "CHANNELS"],
            [
                (
                    alert.id,
                    alert.kind,
                    _subject(alert),
                    alert.severity,
                    alert.level or "warning",
                    _status(alert, now, zone),
                    _local(alert.since_at, zone),
                    _local(alert.opened_at, zone),
                    "\n".join(delivery_words(each, channels, now, zone) for each in deliveries.get(alert.id, []))
                    or "none",
                )
                for alert in found
            ],
        )
    for state in channels.values():
        if state.off_since is not None:
            say(f"Channel {state.channel} is switched off: {state.off_reason}. Mend it, then `alerts test` it.")


def _status(alert: Alert, now: datetime, zone: ZoneInfo) -> str:
    if alert.resolution is not None:
        return f"{alert.status}: {alert.resolution}"
    if alert.status is AlertStatus.SNOOZED and alert.taken_until is not None:
        if not alert.is_taken(now):
            return AlertStatus.FIRING
        return f"{alert.status} by {alert.taken_by} until {_local(alert.taken_until, zone)}"
    return f"{alert.status} by {alert.taken_by}" if alert.taken_by else alert.status


def _subject(alert: Alert) -> str:
    name = alert.annotations.get("customer_name")
    return f"{alert.subject} ({one_line(str(name), LONGEST_NAME)})" if name else alert.subject


def delivery_words(
    notification: Notification, channels: Mapping[str, ChannelState], now: datetime, zone: ZoneInfo
) -> str:
    """`slack sent`, `slack level 2 resolved sent`, `telegram pending, tried 3 times, next at 10:41:07: HTTP 503`."""
    level = f" level {notification.level}" if notification.level > 1 else ""
    event = "" if notification.event is NotificationEvent.FIRING else f" {notification.event}"
    event = level + event + (f" with {notification.tells_of - 1} more" if notification.tells_of > 1 else "")
    if notification.held_by is not None and notification.status is NotificationStatus.HELD:
        why = notification.held_by.replace("_", " ")
        return f"{notification.channel}{event} held until {_local(notification.not_before, zone)} ({why})"
    words = f"{notification.channel}{event} {notification.status}"
    if notification.status in (NotificationStatus.PENDING, NotificationStatus.SENDING):
        state = channels.get(notification.channel)
        if state is not None and state.off_since is not None:
            return f"{words}, the channel is off"  # why stands below the table, once
        if notification.attempts:
            words += f", tried {notification.attempts} time{'s' if notification.attempts > 1 else ''}"
        if notification.status is NotificationStatus.PENDING and notification.not_before > now:
            words += f", next at {notification.not_before.astimezone(zone):%H:%M:%S}"
    return f"{words}: {notification.error}" if notification.error else words


def _row(alert: Alert, deliveries: Sequence[Notification], channels: Mapping[str, ChannelState]) -> dict[str, Any]:
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "kind": alert.kind,
        "subject": alert.subject,
        "severity": alert.severity,
        "status": alert.status,
        "level": alert.level,
        "taken_by": alert.taken_by,
        "taken_until": alert.taken_until,
        "job": alert.job,
        "since": alert.since_at,
        "opened_at": alert.opened_at,
        "resolved_at": alert.resolved_at,
        "resolution": alert.resolution,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "notifications": [
            {
                "channel": entry.channel,
                "event": entry.event,
                "level": entry.level,
                "alerts": entry.tells_of,
                "status": entry.status,
                "attempts": entry.attempts,
                "held_by": entry.held_by,
                "not_before": entry.not_before,
                "finished_at": entry.finished_at,
                "error": entry.error,
                "channel_off": state.off_reason if (state := channels.get(entry.channel)) else None,
            }
            for entry in deliveries
        ],
    }


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"
