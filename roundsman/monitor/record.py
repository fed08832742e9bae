"""The past as the store has kept it: what a simulation walks through, and what people were really told."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from roundsman.conversations.policies.book import PolicyBook
from roundsman.monitor.case import KIND
from roundsman.monitor.simulation import Past, Told, rounds_every
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.observations import ObservationRepository
from roundsman.repositories.policy_versions import PolicyVersionRepository
from roundsman.repositories.stale_spans import StaleSpanRepository
from roundsman.repositories.tick_history import TickHistory

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
    observations = list(ObservationRepository().between(connection, start - _LONG_AGO, end))
    began_at = observations[0].seen_at if observations else end
    rounds = TickHistory().started(connection, JOB, began_at, end)
    first = rounds[0] if rounds else end
    return Past(
        observations,
        [*rounds_every(ROUND_EVERY, began_at, first), *rounds],
        start,
        end,
        StaleSpanRepository().since(connection, began_at),
    )


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
