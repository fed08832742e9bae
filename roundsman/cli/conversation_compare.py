"""`roundsman conversations compare`: what we know of a page's answers beside what Pancake counts."""

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from roundsman.cli.arguments import JsonOption
from roundsman.cli.output import LONGEST_NAME, one_line, print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.clock import short_duration
from roundsman.conversations.answering import Answering, answering
from roundsman.conversations.exclusions import plain_letters
from roundsman.conversations.sender import ChatMessage
from roundsman.conversations.threads import read_threads
from roundsman.errors import BadInputError, SourceError
from roundsman.scheduling.job import StopToken

if TYPE_CHECKING:
    from roundsman.conversations.pancake.statistics import UserStatistics

PATIENCE_S = 30.0
INBOX = "INBOX"


class Row(NamedTuple):
    """One person; None is what one of the two does not know of. The fields are the JSON form."""

    name: str
    messages: int | None
    pancake_messages: int | None
    average: timedelta | None
    pancake_average: timedelta | None


def compare_with_pancake(
    ctx: typer.Context,
    page: Annotated[str, typer.Argument(metavar="PAGE", help="The id of a page that Pancake tells of.")],
    day: Annotated[str | None, typer.Option("--day", metavar="DATE", help="Yesterday when left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare who answered how much on a day, by our messages and by Pancake's own count: is anything missing here?"""
    session: Session = ctx.obj
    zone = session.settings.time_zone
    chosen = _day(day) if day else session.clock.now().astimezone(zone).date() - timedelta(days=1)
    start = datetime.combine(chosen, time(), zone)
    end = datetime.combine(chosen + timedelta(days=1), time(), zone)
    theirs = _asked(session, page, start, end)
    rows = _joined(answering(_threads(session, page), start.astimezone(UTC), end.astimezone(UTC)), theirs)
    if as_json:
        print_json({"page_id": page, "day": chosen.isoformat(), "people": [row._asdict() for row in rows]})
    elif not rows:
        say(f"Nobody answered on page {page} on {chosen}, by either count.")
    else:
        _print(rows)


def _threads(session: Session, page: str) -> list[list[ChatMessage]]:
    """The inbox of a page."""
    found: list[list[ChatMessage]] = []
    with session.store.read() as connection:
        reader = session.app.conversations.source.reader(connection)
        for batch in reader.all():
            inbox = {
                each.conversation.conversation_id: each
                for each in batch
                if each.conversation.page_id == page and each.conversation.type == INBOX
            }
            found += read_threads(connection, reader, inbox).values()
    return found


def _asked(session: Session, page: str, start: datetime, end: datetime) -> "list[UserStatistics]":
    """Pancake's count. Raises BadInputError, SourceError."""
    from roundsman.conversations.pancake.fault import PancakeError

    if session.settings.pancake is None:
        raise BadInputError(
            "Pancake is not set up, so there is nothing to compare with; set PANCAKE_PAGE_ACCESS_TOKENS."
        )
    pancake = session.app.conversations.pancake
    errand = pancake.errand(StopToken(), PATIENCE_S)
    try:
        access = pancake.directory.find(page, errand)
        if access is None:
            known = ", ".join(sorted(pancake.directory.pages())) or "none"
            raise BadInputError(f"There is no token for page {page!r}; there are tokens for {known}.")
        return pancake.client.statistics(access, start, end - timedelta(seconds=1), errand)
    except PancakeError as error:
        raise SourceError(error.reason) from None


def _joined(ours: list[Answering], theirs: "list[UserStatistics]") -> list[Row]:
    """By name, whatever its case and accents: the store does not keep whose account wrote a message."""
    left = {plain_letters(each.name): each for each in theirs if each.messages or each.average is not None}
    rows = []
    for own in ours:
        their = left.pop(plain_letters(own.name), None)
        known = (their.messages, their.average) if their is not None else (None, None)
        rows.append(Row(own.name, own.messages, known[0], own.average, known[1]))
    rows += [Row(each.name, None, each.messages, None, each.average) for each in left.values()]
    return sorted(rows, key=lambda row: (-max(row.messages or 0, row.pancake_messages or 0), row.name))


def _print(rows: list[Row]) -> None:
    print_table(["STAFF", "MESSAGES", "PANCAKE", "GAP", "AVERAGE", "PANCAKE"], list(map(_cells, rows)))
    gap = sum((row.messages or 0) - (row.pancake_messages or 0) for row in rows)
    if gap:
        say(f"The store holds {abs(gap)} {'more' if gap > 0 else 'fewer'} messages than Pancake counts.")
    else:
        say("Both count the same number of messages.")


def _cells(row: Row) -> tuple[object, ...]:
    averages = (None if each is None else short_duration(each) for each in (row.average, row.pancake_average))
    gap = f"{(row.messages or 0) - (row.pancake_messages or 0):+d}"
    name = one_line(row.name, LONGEST_NAME) or "(without a name)"
    return (name, row.messages, row.pancake_messages, gap, *averages)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInputError(f"--day {text!r} is no date; write it like 2026-03-03.") from None
