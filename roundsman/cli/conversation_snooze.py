"""`roundsman conversations snooze`: put one wait off, until a time or until the next shift; or take that back."""

from datetime import datetime
from typing import Annotated

import typer

from roundsman.cli.arguments import span
from roundsman.cli.conversation_why import IdArgument
from roundsman.cli.output import say
from roundsman.cli.person import person
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.conversations.policies.policy import Policy
from roundsman.errors import BadInputError

OFF, SHIFT = "off", "shift"


def snooze_conversation(
    ctx: typer.Context,
    conversation_id: IdArgument,
    until: Annotated[str, typer.Argument(metavar="TIME", help="30m, 2h, 1d; shift: the next one; off: no longer.")],
) -> None:
    """Tell nobody of a waiting customer for so long. An answer ends it; a new wait is told as usual."""
    session: Session = ctx.obj
    now = session.clock.now()
    app = session.app
    with session.store.read() as connection:  # so that nobody waits for a source that is away
        watched = app.conversations.source.reader(connection).watched([conversation_id]).get(conversation_id)
    if watched is None:
        raise BadInputError(
            f"There is no conversation {conversation_id!r}; `roundsman conversations list` shows all ids."
        )
    conversation = watched.conversation
    policy = app.conversations.policies.policy_for(conversation.page_id, conversation.type, conversation.tags)
    exclusion = policy.exclusion(watched.page, conversation.type, conversation.tags, is_set_up=watched.is_set_up)
    if exclusion is not None:
        raise BadInputError(f"Nobody is told of {conversation_id} anyway. {exclusion}")
    moment = None if until == OFF else _moment(until, policy, now)
    with session.store.write() as connection:
        app.conversations.source.reader(connection).lock([conversation_id])
        row = app.conversations.keeper.snooze(connection, watched, moment, by=person(), now=now)
    if row is None:
        raise BadInputError(f"Nobody waits in {conversation_id}, so there is nothing to put off.")
    if moment is None:
        say(f"{conversation_id} is no longer put off.")
    else:
        say(f"{conversation_id} is put off until {local_time(moment, session.settings.time_zone)}.")


def _moment(until: str, policy: Policy, now: datetime) -> datetime:
    if until != SHIFT:
        duration = span("TIME", until)
        if not duration:
            raise BadInputError(f"TIME: {until!r} is over at once; give a time such as 30m, or off.")
        return now + duration
    calendar = policy.calendar
    opens = calendar.next_shift(now)
    if opens is None:
        raise BadInputError(f"TIME: the calendar {calendar.name!r} has no next shift; give a time such as 2h.")
    return opens
