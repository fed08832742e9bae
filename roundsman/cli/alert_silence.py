"""`roundsman alerts silence add | list | end`: what people do not want to hear of for a while."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from roundsman.alerts.rules.facts import facts_of_alert
from roundsman.alerts.rules.matcher import Matcher, cover
from roundsman.alerts.silencing import Ended, Silencer
from roundsman.cli.arguments import span
from roundsman.cli.group import command_group
from roundsman.cli.output import one_line, print_json, print_table, say
from roundsman.cli.person import person
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.errors import BadInputError
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.silences import NewSilence, Silence, SilenceRepository

LONGEST = timedelta(days=90)
LONGEST_REASON = 200
MOST_MATCHERS = 20
SHOWN_AFTER = timedelta(days=7)
"""Of silences that are over, those of the last days are listed."""

app = command_group()


@app.command("add")
def add_silence(
    ctx: typer.Context,
    matchers: Annotated[
        list[str],
        typer.Argument(metavar="MATCHER...", help='Such as kind=job_failing or "page_id=~12.*"; all have to hold.'),
    ],
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="Such as 30m, 2h or 3d.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; whoever wonders about the silence reads it.")],
    begins_in: Annotated[
        str | None, typer.Option("--in", metavar="DURATION", help="Begin later, for planned work; else at once.")
    ] = None,
) -> None:
    """Hold what is told of some alerts. What still goes on at its end is told then."""
    session: Session = ctx.obj
    now = session.clock.now()
    starts_at = now + (span("--in", begins_in) if begins_in else timedelta(0))
    length = span("--for", duration)
    if not timedelta(0) < length <= LONGEST:
        raise BadInputError(f"--for {duration!r}: a silence lasts between 1s and {LONGEST.days}d; give such a time.")
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise BadInputError(f"--reason: write why, in at most {LONGEST_REASON} characters.")
    if len(matchers) > MOST_MATCHERS:
        raise BadInputError(f"MATCHER: {len(matchers)} are too many for one silence; at most {MOST_MATCHERS} fit.")
    read = tuple(map(_matcher, matchers))
    draft = NewSilence(
        tuple(map(str, read)), person(), one_line(reason.strip(), LONGEST_REASON), starts_at, starts_at + length
    )
    with session.store.write() as connection:
        made, kept = Silencer().add(connection, draft, now)
        open_ones = AlertRepository().all_open(connection)
    meant = sum(cover(read, facts_of_alert(alert)) for alert in open_ones)
    say(f"Silence {made.id}: {_words(made)}, until {local_time(made.ends_at, session.settings.time_zone)}.")
    now_said = f"It means {meant} of {len(open_ones)} open alerts"
    say(f"{now_said} and keeps {kept} message{'' if kept == 1 else 's'} back." if kept else f"{now_said}.")


@app.command("list")
def list_silences(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the silences in force, those to come, and those that ended within a week."""
    session: Session = ctx.obj
    now, zone = session.clock.now(), session.settings.time_zone
    with session.store.read() as connection:
        found = SilenceRepository().all(connection, now - SHOWN_AFTER)
    if as_json:
        print_json([_row(each, now) for each in found])
    elif not found:
        say("No silences.")
    else:
        print_table(
            ["ID", "STATE", "MATCHES", "FROM", "UNTIL", "BY", "REASON"],
            [
                (
                    each.id, _state(each, now), _words(each), local_time(each.starts_at, zone),
                    local_time(each.ends_at, zone), each.author, each.reason,
                )
                for each in found
            ],
        )  # fmt: skip


@app.command("end")
def end_silence(
    ctx: typer.Context,
    silence_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The number that `silence list` shows.")],
) -> None:
    """End a silence before its time. What it kept back and still goes on is told now."""
    session: Session = ctx.obj
    with session.store.write() as connection:
        ended = Silencer().end(connection, silence_id, person(), session.clock.now())
    if ended is Ended.UNKNOWN:
        raise BadInputError(f"There is no silence {silence_id}; `alerts silence list` shows all.")
    if ended is Ended.OVER:
        raise BadInputError(f"Silence {silence_id} is over already.")
    say(f"Silence {silence_id} is ended.")


def _matcher(written: str) -> Matcher:
    try:
        return Matcher.parse(written)
    except ValueError as error:
        raise BadInputError(f"MATCHER {written!r} {error}.") from None


def _words(silence: Silence) -> str:
    return " ".join(silence.matchers)


def _state(silence: Silence, now: datetime) -> str:
    if silence.ends_at <= now:
        return f"ended by {silence.ended_by}" if silence.ended_by else "over"
    return "in force" if silence.is_active(now) else "to come"


def _row(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "id": silence.id,
        "state": "in_force" if silence.is_active(now) else "to_come" if silence.starts_at > now else "over",
        "matchers": list(silence.matchers),
        "author": silence.author,
        "reason": silence.reason,
        "created_at": silence.created_at,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "ended_by": silence.ended_by,
    }
