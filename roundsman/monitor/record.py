"""The past as the store has kept it: what a simulation walks through, and what people were really told."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import Connection

from roundsman.conversations.policies.book import PolicyBook
from roundsman.monitor.case import KIND
from roundsman.monitor.simulation import Past, PastRound, Told, rounds_every
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.held_looks import HeldLookRepository
from roundsman.repositories.observations import Observation, ObservationRepository
from roundsman.repositories.policy_versions import PolicyVersionRepository
from roundsman.repositories.stale_spans import StaleSpanRepository
from roundsman.repositories.tick_history import PastRun, TickHistory

JOB = "conversation_monitor"
ROUND_EVERY = timedelta(seconds=30)
"""Of made-up rounds, for a time of which the ledger tells none."""
_LONG_AGO = timedelta(days=400)


class Real(NamedTuple):
    """Something that people were really told."""

    at: datetime
    conversation_id: str
    level: int
    since: datetime


class Difference(NamedTuple):
    """How what was told differs from what a simulation tells, by (conversation, start of the wait, level)."""

    only_real: tuple[Real, ...]
    only_simulated: tuple[Told, ...]


def past_of(connection: Connection, start: datetime, end: datetime) -> Past:
    """What the store knows of a time, with all that it has kept from before."""
    observations = in_order(ObservationRepository().between(connection, start - _LONG_AGO, end))
    began_at = observations[0].seen_at if observations else end
    runs = TickHistory().runs(connection, JOB, began_at, end)
    first = runs[0].began_at if runs else end
    wrote_at = [each.at for each in really_told(connection, began_at, end)]
    return Past(
        observations,
        [*rounds_every(ROUND_EVERY, began_at, first), *rounds_of(runs, wrote_at)],
        start,
        end,
        StaleSpanRepository().since(connection, began_at),
        AlertLog().taken(connection, KIND, began_at, end),
        HeldLookRepository().between(connection, began_at, end),
    )


def in_order(observations: Iterable[Observation]) -> list[Observation]:
    """In the order of the moments from which they were known. They come in the order in which they were written.

    Whoever writes has read the clock before, so that of two the later one may bear the earlier time. Of one
    conversation the one that was written last is what was known in the end.
    """
    known_from: dict[str, datetime] = {}
    found = []
    for each in observations:
        seen_at = max(each.seen_at, known_from.get(each.conversation_id, each.seen_at))
        known_from[each.conversation_id] = seen_at
        found.append(each._replace(seen_at=seen_at))
    return sorted(found, key=attrgetter("seen_at"))


def rounds_of(runs: Sequence[PastRun], wrote_at: Iterable[datetime]) -> list[PastRound]:
    """What the monitor wrote, batch by batch, as far as that can be told: when it told somebody of something, and when
    a whole round was done. Of one that was killed or failed only what it had told by then is known."""
    rounds = [PastRound(run.began_at, run.finished_at) for run in runs if run.is_done and run.finished_at is not None]
    starts = [run.began_at for run in runs]
    for at in sorted(set(wrote_at)):
        place = bisect_right(starts, at)
        run = runs[place - 1] if place else None
        is_within = run is not None and (run.finished_at is None or at <= run.finished_at)
        rounds.append(PastRound(run.began_at if run is not None and is_within else at, at))
    return sorted(rounds, key=attrgetter("known_until"))


def really_told(connection: Connection, start: datetime, end: datetime) -> list[Real]:
    """What the alerts tell of that time, in the order in which it was told."""
    return [
        Real(at, fingerprint.removeprefix(f"{KIND}:"), level, since)
        for at, fingerprint, level, since in AlertLog().told(connection, KIND, start, end)
    ]


def in_force_since(connection: Connection, book: PolicyBook) -> datetime | None:
    """Since when these policies have been the ones in force; None if they are not."""
    return PolicyVersionRepository().in_force_since(connection, book.version)


def difference(real: list[Real], simulated: list[Told]) -> Difference:
    """What only one of the two tells. The moments may differ by a round."""
    left: defaultdict[tuple[str, datetime, int], list[Real]] = defaultdict(list)
    for each in real:
        left[each.conversation_id, each.since, each.level].append(each)
    only_simulated = []
    for told in simulated:
        same = left[told.conversation_id, told.since, told.level]
        if same:
            same.pop(0)
        else:
            only_simulated.append(told)
    return Difference(tuple(each for rest in left.values() for each in rest), tuple(only_simulated))
