"""`roundsman alerts ack | claim | snooze | resolve`: what the buttons of chats do, as commands."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from roundsman.alerts.action import Action
from roundsman.alerts.answerers import Answerer
from roundsman.alerts.reply import Refused, Reply
from roundsman.cli.alert_why import AlertArgument
from roundsman.cli.arguments import span
from roundsman.cli.output import say
from roundsman.cli.person import person
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.repositories.alert_answers import Answered
from roundsman.scheduling.facts import positive_duration

NoteOption = Annotated[str | None, typer.Option("--note", help="Why; it is kept in the alert's log.")]
LONGEST_SNOOZE = timedelta(days=30)
LONGEST_NOTE = 500


def acknowledge(ctx: typer.Context, alert_id: AlertArgument, note: NoteOption = None) -> None:
    """Say that you see to an alert: it rises no further. It is resolved as always when its condition is over."""
    reply = _answer(ctx, alert_id, Action.ACKNOWLEDGE, note)
    say(f"Alert {alert_id} is acknowledged by {reply.by}.")


def claim(ctx: typer.Context, alert_id: AlertArgument, note: NoteOption = None) -> None:
    """Take an alert, also from somebody else who sees to it."""
    reply = _answer(ctx, alert_id, Action.CLAIM, note)
    say(f"Alert {alert_id} is {reply.by}'s now.")


def snooze(
    ctx: typer.Context,
    alert_id: AlertArgument,
    duration: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="Such as 30m or 2h.")] = None,
    until_shift: Annotated[
        bool, typer.Option("--until-shift", help="Until your next shift, by the calendars.")
    ] = False,
    note: NoteOption = None,
) -> None:
    """Let an alert wait: it rises no further until then. If it still goes on then, it goes its way as before."""
    session: Session = ctx.obj
    if (duration is None) is not until_shift:
        raise BadInputError("Say for how long: --for 30m, or --until-shift.")
    until = (
        None if duration is None else session.clock.now() + span("--for", duration, LONGEST_SNOOZE, positive_duration)
    )
    reply = _answer(ctx, alert_id, Action.SNOOZE_SHIFT if until_shift else Action.SNOOZE, note, until)
    assert reply.until is not None
    local = reply.until.astimezone(session.settings.time_zone)
    say(f"Alert {alert_id} is snoozed by {reply.by} until {local:%Y-%m-%d %H:%M:%S}.")


def resolve(ctx: typer.Context, alert_id: AlertArgument, note: NoteOption = None) -> None:
    """Say that an alert is dealt with. Of a customer nobody is told any more until they write again.

    Every other alert is opened anew when its job finds its condition again.
    """
    reply = _answer(ctx, alert_id, Action.RESOLVE, note)
    say(f"Alert {alert_id} is resolved by {reply.by}.")


def _answer(
    ctx: typer.Context, alert_id: int, action: Action, note: str | None, until: datetime | None = None
) -> Reply:
    session: Session = ctx.obj
    if note is not None and len(note) > LONGEST_NOTE:
        raise BadInputError(f"--note is {len(note)} characters long; at most {LONGEST_NOTE} are kept.")
    reply = session.app.answers.answer(alert_id, action, _answerer(session), until=until, note=note)
    fault = {
        Answered.UNKNOWN: f"There is no alert {alert_id}; `alerts list` shows the open ones.",
        Answered.OVER: f"Alert {alert_id} is over already; `alerts why {alert_id}` tells how.",
        Answered.SOMEBODY_HAS_IT: f"{reply.holder} has alert {alert_id} already; "
        f"`alerts claim {alert_id}` takes it over.",
        Refused.NO_SHIFT: f"No shift begins after this one by any calendar of alert {alert_id} or of yours; "
        "say how long with --for.",
    }.get(reply.outcome)
    if fault is not None:
        raise BadInputError(fault)
    return reply


def _answerer(session: Session) -> Answerer:
    """The user, by the name and with the hours that the file of policies has for somebody of that key."""
    user = person()
    known = session.app.conversations.policies.staff.get(user)
    return Answerer(user) if known is None else Answerer(known.name, known.calendar)
