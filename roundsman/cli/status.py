"""`roundsman status`: one look at everything."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from roundsman.cli.glance import glance, words_of
from roundsman.cli.group import command_group
from roundsman.cli.output import print_json, say, short_duration
from roundsman.cli.session import Session
from roundsman.errors import ConfigurationError
from roundsman.monitor.judges import dissent, other_judges
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.held import HeldRepository
from roundsman.repositories.notifications import NotificationRepository

app = command_group()


@app.command()
def status(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the daemons, what runs, what is due next, the queue, open alerts and channels."""
    session: Session = ctx.obj
    found = _look(session)
    if as_json:
        print_json(found)
        return
    now = session.clock.now()
    _say_daemons(found, now)
    say(f"Store: {found['store']}")
    for run in found["running"]:
        say(f"Running: {run['job']}, since {short_duration(now - (run['started_at'] or run['due_at']))}")
    for job, since in found["paused"].items():
        say(f"Paused: {job}, since {short_duration(now - since)}")
    for coming in found["next"]:
        say(f"Next: {coming['job']} in {short_duration(coming['due_at'] - now)}")
    for line in words_of(found):
        say(line)
    say(f"Open alerts: {found['open_alerts']}  (roundsman alerts list)")
    for channel in found["channels"]:
        words = "on" if channel["set_up"] else "not set up any more"
        if channel["off_since"]:
            words = f"OFF for {short_duration(now - channel['off_since'])}"
        reason = f" ({channel['off_reason']})" if channel["off_reason"] else ""
        say(
            f"Channel {channel['channel']}: {words}, {channel['waiting']} waiting{_held_words(channel['held'])}{reason}"
        )


def _held_words(held: Mapping[str, int]) -> str:
    """`, 3 held (1 quiet hours, 2 silence)`."""
    by = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in held.items())
    return f", {sum(held.values())} held ({by})" if held else ""


def _say_daemons(found: Mapping[str, Any], now: datetime) -> None:
    if not found["daemons"]:
        say("No daemon is running on this store. Start one with `roundsman run`.")
    for daemon in found["daemons"]:
        state = "is up" if daemon["alive"] else "is SILENT since its last heartbeat"
        up = short_duration(now - daemon["started_at"])
        say(f"Daemon {daemon['host']} pid {daemon['pid']} {state}, started {up} ago: {daemon['status']}")
    for sentence in found["other_policies"]:
        say(sentence)


def _look(session: Session) -> dict[str, Any]:
    app_, now = session.app, session.clock.now()
    set_up = {channel.name for channel in app_.channels}
    with session.store.read() as connection:
        daemons = DaemonRepository().all(connection)
        running = app_.ticks.running(connection)
        paused = app_.ticks.paused(connection)
        states = ChannelRepository().states(connection)
        waiting = NotificationRepository().backlog(connection)
        held = HeldRepository().counts(connection)
        open_alerts = AlertRepository().count_open(connection)
    return {
        "now": now,
        "store": session.store.place,
        "daemons": [
            {
                "host": daemon.host,
                "pid": daemon.pid,
                "version": daemon.version,
                "started_at": daemon.started_at,
                "heartbeat_at": daemon.heartbeat_at,
                "alive": daemon.is_alive(now),
                "status": daemon.status,
                "policies": daemon.policies,
            }
            for daemon in daemons
        ],
        "other_policies": _other_policies(session, daemons, now),
        "running": [{"job": run.job, "due_at": run.due_at, "started_at": run.started_at} for run in running],
        "paused": paused,
        "next": sorted(
            (
                {"job": facts.name, "due_at": due}
                for facts in app_.registry.enabled
                if facts.name not in paused and (due := facts.trigger.next_after(now)) is not None
            ),
            key=lambda coming: coming["due_at"],
        ),
        **glance(session),
        "open_alerts": open_alerts,
        "channels": [
            {
                "channel": name,
                "set_up": name in set_up,
                "off_since": state.off_since,
                "off_reason": state.off_reason,
                "waiting": waiting.get(name, 0),
                "held": {by.value: count for by, count in held.get(name, {}).items()},
            }
            for name, state in sorted(states.items())
            if name in set_up or waiting.get(name, 0) or name in held
        ],
    }


def _other_policies(session: Session, daemons: Sequence[DaemonRecord], now: datetime) -> list[str]:
    """A sentence for each daemon that judges conversations by other policies than this command would."""
    try:
        version = session.app.conversations.policies.version
    except ConfigurationError:
        return []  # `check-config` tells what is wrong with them
    return [dissent(each, version, "this command") for each in other_judges(daemons, version, now)]
