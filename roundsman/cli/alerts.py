"""`roundsman alerts`: list, test."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from roundsman import logs
from roundsman.alerts.attempt import Attempts
from roundsman.alerts.channels import CHANNELS
from roundsman.alerts.channels.base import Channel, DeliveryError
from roundsman.alerts.templates import Language, render_test
from roundsman.cli.group import command_group
from roundsman.cli.output import complain, print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.errors import EXIT_FAILED, BadInputError
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.channels import ChannelRepository, ChannelState
from roundsman.repositories.notifications import Notification, NotificationRepository, NotificationStatus

app = command_group()


@app.command("list")
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
            ["ID", "KIND", "SUBJECT", "SEVERITY", "STATUS", "SINCE", "OPENED", "CHANNELS"],
            [
                (
                    alert.id,
                    alert.kind,
                    _subject(alert),
                    alert.severity,
                    alert.status if alert.resolution is None else f"{alert.status}: {alert.resolution}",
                    _local(alert.since_at, zone),
                    _local(alert.opened_at, zone),
                    "\n".join(_words(each, channels, now, zone) for each in deliveries.get(alert.id, [])) or "none",
                )
                for alert in found
            ],
        )
    for state in channels.values():
        if state.off_since is not None:
            say(f"Channel {state.channel} is switched off: {state.off_reason}. Mend it, then `alerts test` it.")


@app.command("test")
def test_channel(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="console, slack, telegram, telegram:CHAT, ...")],
) -> None:
    """Send a test message; a channel that was switched off is on again when it arrives. Exit 1 when it does not."""
    session: Session = ctx.obj
    logs.setup(session.settings.log_level, session.settings.secrets())
    chosen = _one(session.app.channels, channel)
    message = render_test(Language(session.settings.alerts.language), session.clock.now(), session.settings.time_zone)
    try:
        receipt = Attempts().make(channel, lambda: chosen.send(message))
    except DeliveryError as error:
        complain(f"The test message on {channel} did not arrive: {error.reason}.")
        raise typer.Exit(EXIT_FAILED) from None
    with session.store.write() as connection:
        was_off = ChannelRepository().switch_on(connection, channel)
    say(f"{channel}: delivered, {receipt.words}.{' The channel is switched on again.' if was_off else ''}")


def _one(channels: Sequence[Channel], name: str) -> Channel:
    for channel in channels:
        if channel.name == name:
            return channel
    kind = CHANNELS.get(name.partition(":")[0])
    if kind is None:
        raise BadInputError(f"There is no channel {name!r}; the kinds are {', '.join(CHANNELS)}.")
    configured = ", ".join(channel.name for channel in channels) or "none"
    raise BadInputError(
        f"The channel {name!r} is not configured; set {kind.switched_on_by}. Configured now: {configured}."
    )


def _subject(alert: Alert) -> str:
    name = alert.annotations.get("customer_name")
    return f"{alert.subject} ({name})" if name else alert.subject


def _words(notification: Notification, channels: Mapping[str, ChannelState], now: datetime, zone: ZoneInfo) -> str:
    """`slack sent`, `slack resolved sent`, `telegram pending, tried 3 times, next at 10:41:07: HTTP 503`."""
    event = "" if notification.event == "firing" else f" {notification.event}"
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
                "status": entry.status,
                "attempts": entry.attempts,
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
