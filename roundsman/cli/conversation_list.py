"""`roundsman conversations list | due`: how conversations stand, the most urgent first."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from roundsman.cli.arguments import AtOption, JsonOption, moment_of
from roundsman.cli.output import LONGEST_NAME, one_line, print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.conversations.platform import platform_of
from roundsman.conversations.roster import Roster, RosterEntry
from roundsman.conversations.verdict import Judgement

MOST_ROWS = 100
"""What a table shows unless it is told how many; JSON is for programs, and is not cut."""

LimitOption = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=1, help=f"How many at most; {MOST_ROWS} when left out, with --json all."),
]
PageOption = Annotated[str | None, typer.Option("--page", metavar="PAGE", help="Only of this page: its id or name.")]
VerdictOption = Annotated[
    list[Judgement] | None, typer.Option("--verdict", help="Only with this verdict; may be given several times.")
]


def list_conversations(
    ctx: typer.Context,
    at: AtOption = None,
    page: PageOption = None,
    verdict: VerdictOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """List conversations with their verdicts, the late ones first."""
    session: Session = ctx.obj
    moment = moment_of(session, at)
    with session.store.read() as connection:
        entries = _roster(session).all(connection, moment, page=page)
    wanted = [each for each in entries if not verdict or each.verdict.verdict in verdict]
    what = "conversation" if page is None else f"conversation of page {page!r}"
    empty = f"No {what} is stored." if not entries else f"No {what} is {' or '.join(verdict or ())}."
    _print(session, wanted, limit, as_json=as_json, when_empty=empty)


def list_due(
    ctx: typer.Context,
    at: AtOption = None,
    page: PageOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the conversations whose customer has waited too long."""
    session: Session = ctx.obj
    moment = moment_of(session, at)
    roster = _roster(session)
    with session.store.read() as connection:
        late = (
            roster.due_now(connection, moment, page=page) if at is None else roster.due(connection, moment, page=page)
        )
    on = "" if page is None else f" on page {page!r}"
    _print(session, late, limit, as_json=as_json, when_empty=f"Nobody has waited too long{on}.")


def _roster(session: Session) -> Roster:
    return Roster(session.app.conversations.policies, session.app.conversations.source)


def _print(
    session: Session, entries: Sequence[RosterEntry], limit: int | None, *, as_json: bool, when_empty: str
) -> None:
    order = list(reversed(Judgement))
    rows = sorted(entries, key=lambda entry: order.index(entry.verdict.verdict))  # stable: longest waiting first
    if as_json:
        # in the order of before, unless only the most urgent are wanted
        chosen = entries if limit is None else rows[:limit]
        print_json([asdict(entry.verdict) for entry in chosen])
        return
    if not rows:
        say(when_empty)
        return
    shown = rows[: MOST_ROWS if limit is None else limit]
    print_table(
        ["VERDICT", "WAITED", "DUE", "CUSTOMER", "PAGE", "PLATFORM", "CONVERSATION", "NOTE"],
        [_cells(session, entry) for entry in shown],
    )
    if len(shown) < len(rows):
        say(f"and {len(rows) - len(shown):,} more; --limit shows more of them, --page and --verdict choose.")


def _cells(session: Session, entry: RosterEntry) -> tuple[str, ...]:
    verdict, conversation, page = entry.verdict, entry.watched.conversation, entry.watched.page
    due = f"{verdict.due_at.astimezone(session.settings.time_zone):%m-%d %H:%M}" if verdict.due_at else ""
    return (
        verdict.verdict.value,
        f"{verdict.waited_minutes:.1f} min" if verdict.due_at else "",
        due,
        one_line(conversation.customer_name or "", LONGEST_NAME),
        one_line(page.name or page.page_id, LONGEST_NAME),
        platform_of(conversation).value,
        verdict.conversation_id,
        verdict.reason if verdict.verdict is Judgement.EXCLUDED else "",
    )
