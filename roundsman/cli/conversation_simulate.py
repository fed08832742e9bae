"""`roundsman conversations simulate`: what policies would have told, by level, page and person, beside the truth."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from roundsman.cli.arguments import JsonOption, span
from roundsman.cli.output import print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.conversations.policies.book import PolicyBook
from roundsman.errors import BadInputError
from roundsman.monitor.record import Real, difference, in_force_since, past_of, really_told
from roundsman.monitor.simulation import Past, Told, simulate

NOBODY = "nobody"
MOST_ROWS = 20

PolicyOption = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="A file of policies; those in force when left out.")
]


@dataclass(frozen=True)
class Comparison:
    """One walk with the policies that were asked for, one with those in force, and what was really told."""

    past: Past
    asked: Sequence[Told]
    present: Sequence[Told]
    real: Sequence[Real]
    names: Mapping[str, str]
    """Of people, by their id."""


def simulate_policies(
    ctx: typer.Context,
    policy: PolicyOption = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="So far back: 12h, 30d.")] = "30d",
    as_json: JsonOption = False,
) -> None:
    """Walk through the recorded past with other policies: the alerts that would have gone. Nothing is sent."""
    session: Session = ctx.obj
    now = session.clock.now()
    start = now - span("--since", since)
    present = session.app.conversations.policies
    book = present if policy is None else _read(session, policy)
    with session.store.read() as connection:
        past = past_of(connection, start, now)
        real = really_told(connection, start, now)
        since_when = in_force_since(connection, present)
    if not past.observations and not as_json:
        say("Nothing was recorded yet: the monitor keeps what it knows of waiting customers from its first round on.")
        return
    names = {account: each.name for account, each in {**present.staff_by_pancake, **book.staff_by_pancake}.items()}
    found = Comparison(past, simulate(past, book), simulate(past, present), real, names)
    if as_json:
        print_json(_json(found, since_when))
    else:
        _print(session, found, since_when, is_present=policy is None)


def _read(session: Session, file: Path) -> PolicyBook:
    from roundsman.app.policies import policies_of

    if not file.is_file():
        what = "is not a file" if file.exists() else "does not exist"
        raise BadInputError(f"--policy: {file} {what}; give a file such as config/policies.toml.")
    return policies_of(session.settings, file).book


def _print(session: Session, found: Comparison, since_when: datetime | None, *, is_present: bool) -> None:
    zone = session.settings.time_zone
    first = max(found.past.start, found.past.observations[0].seen_at)
    say(f"From {local_time(first, zone)} to {local_time(found.past.end, zone)}, {_rounds(found.past)}:")
    title = "THESE POLICIES" if not is_present else "IN FORCE NOW"
    for name, key in _groups(found.names).items():
        asked, present = Counter(map(key, found.asked)), Counter(map(key, found.present))
        rows = sorted(asked.keys() | present.keys(), key=lambda each: (-asked[each], each))
        if not rows:
            continue
        columns = [name, title] if is_present else [name, title, "IN FORCE NOW", "CHANGE"]
        print_table(
            columns,
            [
                (row, asked[row]) if is_present else (row, asked[row], present[row], f"{asked[row] - present[row]:+d}")
                for row in rows[:MOST_ROWS]
            ],
        )
        if len(rows) > MOST_ROWS:
            say(f"and {len(rows) - MOST_ROWS} more; --json shows all.")
    if is_present:
        say(f"{len(found.asked)} would have been told.")
    else:
        say(f"{len(found.asked)} would have been told with these policies, {len(found.present)} with those in force.")
    _say_real(session, found, since_when)
    if held := _held(found.past):
        say(
            f"At {held} looks nobody was told, as an answer of the last moments could not be ruled out; the walk waits "
            "there as well."
        )


def _say_real(session: Session, found: Comparison, since_when: datetime | None) -> None:
    if since_when is None:
        by = ", by other policies than those in force now" if found.real else ""
        say(f"{len(found.real)} were really told{by}.")
        return
    kept = _since(found, since_when)
    apart = difference(*kept)
    when = local_time(since_when, session.settings.time_zone)
    if not apart.only_real and not apart.only_simulated:
        say(f"Since the policies in force came into force ({when}), the walk tells just what was really told.")
    else:
        say(
            f"Since the policies in force came into force ({when}), {len(apart.only_real)} were told that the walk "
            f"does not tell, and {len(apart.only_simulated)} were not told that it tells."
        )


def _rounds(past: Past) -> str:
    number = past.count_rounds()
    return "1 round" if number == 1 else f"{number} rounds"


def _held(past: Past) -> int:
    return sum(each.looked_at >= past.start for each in past.held)


def _since(found: Comparison, since_when: datetime) -> tuple[list[Real], list[Told]]:
    return (
        [each for each in found.real if each.at >= since_when],
        [each for each in found.present if each.at >= since_when],
    )


def _groups(names: Mapping[str, str]) -> dict[str, Callable[[Told], str]]:
    def people(told: Told) -> str:
        return ", ".join(names.get(each, each) for each in told.assignees) or NOBODY

    return {
        "LEVEL": lambda told: f"level {told.level}" if told.level else "warning",
        "PAGE": lambda told: told.page_id,
        "STAFF": people,
        "POLICY": lambda told: told.policy,
    }


def _json(found: Comparison, since_when: datetime | None) -> dict[str, Any]:
    def counted(told: Sequence[Told]) -> dict[str, Any]:
        groups = {
            name.lower(): dict(sorted(Counter(map(key, told)).items())) for name, key in _groups(found.names).items()
        }
        return {"total": len(told), **groups, "told": [each._asdict() for each in told]}

    apart = None if since_when is None else difference(*_since(found, since_when))
    return {
        "start": found.past.start,
        "end": found.past.end,
        "rounds": found.past.count_rounds(),
        "held": _held(found.past),
        "simulated": counted(found.asked),
        "in_force": counted(found.present),
        "really_told": [each._asdict() for each in found.real],
        "in_force_since": since_when,
        "difference": None
        if apart is None
        else {
            "only_real": [each._asdict() for each in apart.only_real],
            "only_simulated": [each._asdict() for each in apart.only_simulated],
        },
    }
