"""Random lives of customers, staff, a sync and a line that is cut now and then: who is alerted about, and who is not.

In every life the following holds, by the truth of the outside and not by what we happened to know:

- **No answered conversation ever alerts.** When a level of a wait is told, then at that level's moment, which lies
  before, the customer did wait since the message that the alert names: nobody had answered it. If the outside could be
  asked in that round, nobody has answered it by now either. (If it could not, an answer within the last minutes may be
  on its way to us. The customer was late all the same, and the alert ends when the answer is here.)
- **Every late one does.** After a round in which the page is fresh enough to be judged, every wait that goes on has
  been told up to the last level whose moment the page's watermark has passed. When all is caught up, everything that
  is late at this moment is told, and no alert is open about anybody else.
- **Each level once**, in ascending order, and one alert for each wait.
- **The walk through the past** tells the same at the same moments, whatever was not sure then.
- **One alert about staleness** for each time that a page's data grew too old, and none is open when it has caught up.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

import pytest
from chats import PAGE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outside import NAMES, World, chat_id
from rounds import levels
from sqlalchemy import delete, select

from roundsman.clock import ManualClock
from roundsman.conversations.incident import WARNING
from roundsman.monitor import staleness
from roundsman.monitor.case import KIND
from roundsman.monitor.record import really_told
from roundsman.monitor.simulation import Past, PastRound, simulate
from roundsman.repositories.alert_log import LogEvent
from roundsman.repositories.engine import Store
from roundsman.repositories.held_looks import HeldLookRepository
from roundsman.repositories.observations import ObservationRepository
from roundsman.repositories.stale_spans import StaleSpanRepository
from roundsman.repositories.tables import alert_log, alerts, metadata
from roundsman.repositories.watch_list import AnsweringClock, WatchListRepository, WatchRow

STEPS = 100


class Told(NamedTuple):
    """A level that people were told of."""

    at: datetime
    alert_id: int
    conversation_id: str
    level: int
    since: datetime


def told(store: Store) -> list[Told]:
    news = (LogEvent.OPENED, LogEvent.WARNED, LogEvent.ESCALATED)
    query = (
        select(alert_log.c.at, alerts.c.id, alerts.c.fingerprint, alert_log.c.level, alerts.c.since_at)
        .join(alerts, alerts.c.id == alert_log.c.alert_id)
        .where(alerts.c.kind == KIND, alert_log.c.event.in_([each.value for each in news]))
        .order_by(alert_log.c.id)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    return [Told(at, alert_id, name.partition(":")[2], level, since) for at, alert_id, name, level, since in rows]


def open_alerts(store: Store, kind: str) -> set[str]:
    query = select(alerts.c.fingerprint).where(alerts.c.kind == kind, alerts.c.status != "resolved")
    with store.read() as connection:
        return {each.partition(":")[2] for each in connection.execute(query).scalars()}


def rows(store: Store) -> dict[str, WatchRow]:
    with store.read() as connection:
        return WatchListRepository().find(connection, [chat_id(name) for name in NAMES])


class Referee:
    """Looks at a world after each round."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen = 0
        self.outages = 0
        self._was_stale = False

    def judge(self, now: datetime) -> None:
        self._nobody_is_accused_wrongly(now)
        self._is_stale_once(now)
        if not self._was_stale:
            self._nobody_is_forgotten(now, self.world.fresh_at)

    def _nobody_is_accused_wrongly(self, now: datetime) -> None:
        outside, clock = self.world.outside, self.world.policy.clock
        everything = told(self.world.store)
        for each in everything[self.seen :]:
            assert each.at == now
            truth = outside.state(each.conversation_id, now)
            moment = self.world.plan(each.since, truth).moment_of(each.level)
            assert moment < now
            assert outside.state(each.conversation_id, moment).since(clock) == each.since
            if outside.asked.get(each.conversation_id):
                assert truth.since(clock) == each.since
        self.seen = len(everything)

    def _is_stale_once(self, now: datetime) -> None:
        is_stale = now - self.world.fresh_at > self.world.policy.stale_after
        self.outages += is_stale and not self._was_stale
        self._was_stale = is_stale
        with self.world.store.read() as connection:
            found = connection.execute(select(alerts.c.id).where(alerts.c.kind == staleness.KIND)).all()
        assert len(found) == self.outages
        assert open_alerts(self.world.store, staleness.KIND) == ({PAGE} if is_stale else set())

    def _nobody_is_forgotten(self, now: datetime, certain_until: datetime) -> None:
        known = rows(self.world.store)
        for conversation_id, since, reached in self._late(now, certain_until):
            row = known[conversation_id]
            assert row.incident_since == since
            assert row.level >= max(reached)
            assert row.warned or row.level > WARNING

    def _late(self, now: datetime, at: datetime) -> Iterator[tuple[str, datetime, list[int]]]:
        """Who really waits, since when, and the levels whose moments had passed by then."""
        for conversation_id in map(chat_id, NAMES):
            state = self.world.outside.state(conversation_id, now)
            since = state.since(self.world.policy.clock)
            if since is None:
                continue
            plan = self.world.plan(since, state)
            moments = {level: moment for level, moment in plan.levels if moment < at}
            if plan.warn_at is not None and plan.warn_at < at:
                moments[WARNING] = plan.warn_at
            if moments:
                yield conversation_id, since, sorted(moments)

    def judge_the_end(self, now: datetime) -> None:
        self.judge(now)
        self._nobody_is_forgotten(now, now)
        assert open_alerts(self.world.store, KIND) == {name for name, _, _ in self._late(now, now)}
        everything = told(self.world.store)
        by_alert: dict[int, list[Told]] = {}
        for each in everything:
            by_alert.setdefault(each.alert_id, []).append(each)
        for entries in by_alert.values():
            assert [each.level for each in entries] == sorted({each.level for each in entries})
        waits = [(entries[0].conversation_id, entries[0].since) for entries in by_alert.values()]
        assert len(waits) == len(set(waits))
        self._the_walk_through_the_past_tells_the_same(now)

    def _the_walk_through_the_past_tells_the_same(self, now: datetime) -> None:
        start, end = self.world.walked_at[0], now + timedelta(microseconds=1)
        with self.world.store.read() as connection:
            past = Past(
                list(ObservationRepository().between(connection, start, end)),
                [PastRound(at, at) for at in self.world.walked_at],
                start,
                end,
                StaleSpanRepository().since(connection, start),
                held=HeldLookRepository().between(connection, start, end),
            )
            real = really_told(connection, start, end)
        simulated = simulate(past, self.world.book)
        assert sorted((each.at, each.conversation_id, each.level) for each in simulated) == sorted(
            (each.at, each.conversation_id, each.level) for each in real
        )


def live(store: Store, clock: ManualClock, rng: Random, answers: AnsweringClock, failing: float) -> None:
    with store.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    policy = levels(15, 20, 45, warn_before=5, clock=answers).otherwise
    world = World(store, clock, rng, policy, failing)
    referee = Referee(world)
    for now in world.happen(STEPS):
        referee.judge(now)
    referee.judge_the_end(world.catch_up())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    rng=st.randoms(use_true_random=False),
    answers=st.sampled_from(AnsweringClock),
    failing=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_in_every_life_the_late_are_told_of_and_the_answered_are_not(
    sqlite_store: Store, clock: ManualClock, rng: Random, answers: AnsweringClock, failing: float
) -> None:
    live(sqlite_store, clock, rng, answers, failing)


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(4))
def test_so_it_is_on_postgresql(postgres_store: Store, clock: ManualClock, seed: int) -> None:
    live(postgres_store, clock, Random(seed), AnsweringClock.HUMAN, failing=0.3)


def test_the_lives_are_worth_their_name(sqlite_store: Store, clock: ManualClock) -> None:
    """Alerts, levels, outages and resolutions do happen in them."""
    found = dict.fromkeys((LogEvent.OPENED, LogEvent.WARNED, LogEvent.ESCALATED, LogEvent.RESOLVED), 0)
    outages = 0
    for seed in range(10):
        live(sqlite_store, clock, Random(seed), AnsweringClock.HUMAN, failing=0.3)
        with sqlite_store.read() as connection:
            for event in connection.execute(select(alert_log.c.event)).scalars():
                if event in found:
                    found[LogEvent(event)] += 1
            outages += len(connection.execute(select(alerts.c.id).where(alerts.c.kind == staleness.KIND)).all())
    assert all(count >= 5 for count in found.values()), found
    assert outages >= 3
