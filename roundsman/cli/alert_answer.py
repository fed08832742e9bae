"""`roundsman alerts ack | snooze`: people say that they see to an alert, or that it can wait."""

from datetime import timedelta
from typing import Annotated

import typer

from roundsman.cli.alert_why import AlertArgument
from roundsman.cli.arguments import span
from roundsman.cli.output import say
from roundsman.cli.person import person
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.repositories.alert_answers import AlertAnswers, Answered
from roundsman.scheduling.facts import positive_duration

NoteOption = Annotated[str | None, typer.Option("--note", help="Why; it is kept in the alert's log.")]
LONGEST_SNOOZE = timedelta(days=30)
LONGEST_NOTE = 500


def acknowledge(ctx: typer.Context, alert_id: AlertArgument, note: NoteOption = None) -> None:
    """Say that you see to an alert: it rises no further. It is resolved as always when its condition is over."""
    session: Session = ctx.obj
    by, now = person(), session.clock.now()
    note = _checked(note)
    with session.store.write() as connection:
        answered = AlertAnswers().acknowledge(connection, alert_id, by=by, note=note, now=now)
    _complain_unless_taken(answered, alert_id)
    say(f"Alert {alert_id} is acknowledged by {by}.")


def snooze(
    ctx: typer.Context,
    alert_id: AlertArgument,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="Such as 30m or 2h.")],
    note: NoteOption = None,
) -> None:
    """Let an alert wait: it rises no further until then. If it still goes on then, it goes its way as before."""
    session: Session = ctx.obj
    by, now = person(), session.clock.now()
    until = now + span("--for", duration, LONGEST_SNOOZE, positive_duration)
    note = _checked(note)
    with session.store.write() as connection:
        answered = AlertAnswers().snooze(connection, alert_id, by=by, until=until, note=note, now=now)
    _complain_unless_taken(answered, alert_id)
    say(f"Alert {alert_id} is snoozed by {by} until {until.astimezone(session.settings.time_zone):%Y-%m-%d %H:%M:%S}.")


def _complain_unless_taken(answered: Answered, alert_id: int) -> None:
    if answered is Answered.UNKNOWN:
        raise BadInputError(f"There is no alert {alert_id}; `alerts list` shows the open ones.")
    if answered is Answered.OVER:
        raise BadInputError(f"Alert {alert_id} is over already; `alerts why {alert_id}` tells how.")


def _checked(note: str | None) -> str | None:
    if note is not None and len(note) > LONGEST_NOTE:
        raise BadInputError(f"--note is {len(note)} characters long; at most {LONGEST_NOTE} are kept.")
    return note
