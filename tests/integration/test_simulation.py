"""The past walked through once more: with the policies in force it is what really happened, exactly."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from chats import ago, bot, conversation, customer, export, message, staff
from rounds import Rounds, levels

from roundsman.clock import ManualClock
from roundsman.monitor.record import Real, difference, really_told
from roundsman.monitor.simulation import Past, Told, simulate
from roundsman.repositories.engine import Store
from roundsman.repositories.observations import ObservationRepository
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.stale_spans import StaleSpanRepository

MONTH = timedelta(days=30)


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Rounds:
    return Rounds(store, clock, tmp_path, levels(15, 30, 60, warn_before=5))


def past_of(desk: Rounds) -> Past:
    start, end = desk.clock.now() - MONTH, desk.clock.now() + timedelta(microseconds=1)
    with desk.store.read() as connection:
        observations = list(ObservationRepository().between(connection, start, end))
        return Past(observations, desk.walked_at, start, end, StaleSpanRepository().since(connection, start))


def real_of(desk: Rounds) -> list[Real]:
    with desk.store.read() as connection:
        return really_told(connection, desk.clock.now() - MONTH, desk.clock.now() + timedelta(microseconds=1))


def keys(told: list[Real] | list[Told]) -> list[tuple[object, ...]]:
    return sorted((each.at, each.conversation_id, each.level, each.since) for each in told)


def live(desk: Rounds, rng: random.Random, minutes: int) -> None:
    """A shop's life: customers write, people and bots answer, tags come and go, news is late and comes twice."""
    late: list[dict[str, object]] = []
    for minute in range(minutes):
        desk.clock.advance(timedelta(minutes=1))
        for _ in range(rng.randrange(3)):
            name = str(rng.randrange(6))
            author = rng.choice([customer(name), customer(name), staff(), bot()])
            late.append(message(f"m{minute}.{rng.random()}", desk.clock.now(), author, name=name))
        if rng.random() < 0.6:
            rng.shuffle(late)
            news, late = late[: rng.randrange(len(late) + 1)], late
            late = late[len(news) :] + [each for each in news if rng.random() < 0.2]
            tags = [{"text": "spam"}] if rng.random() < 0.1 else None
            conversations = [conversation(str(rng.randrange(6)), tags=tags)] if rng.random() < 0.3 else []
            desk.take(export(conversations=conversations, messages=news))
        if rng.random() < 0.8:
            desk.walk()


@pytest.mark.parametrize("seed", range(4))
def test_the_policies_in_force_give_the_real_past(desk: Rounds, seed: int) -> None:
    live(desk, random.Random(seed), 150)
    real = real_of(desk)
    assert len(real) > 5
    assert keys(simulate(past_of(desk), desk.book)) == keys(real)
    assert difference(real, simulate(past_of(desk), desk.book)) == ((), ())


def test_stale_times_are_part_of_the_past(desk: Rounds) -> None:
    syncs = PageSyncRepository()
    desk.book = levels(15, 30, 60, warn_before=5, stale_after=timedelta(minutes=2))

    def fresh() -> None:
        with desk.store.write() as connection:
            syncs.advance(connection, "100", "pancake", fresh_at=desk.clock.now(), checkpoint=None)

    fresh()
    desk.walk()
    desk.take(export(conversations=[conversation()], messages=[message("m1", ago(0))]))
    for minute in range(90):
        desk.clock.advance(timedelta(minutes=1))
        if not 5 < minute < 50:
            fresh()
        desk.walk()
    assert [real.level for real in real_of(desk)] == [2, 3]  # the warning and level 1 fell into the stale time
    assert keys(simulate(past_of(desk), desk.book)) == keys(real_of(desk))


def test_other_policies_tell_other_things(desk: Rounds) -> None:
    desk.take(export(conversations=[conversation()], messages=[message("m1", ago(0))]))
    desk.walk_until(40)
    desk.take(export(messages=[message("m2", desk.clock.now(), staff())]))
    desk.walk_until(5)
    past = past_of(desk)
    assert [told.level for told in simulate(past, desk.book)] == [0, 1, 2]
    assert [told.level for told in simulate(past, levels(35))] == [1]
    assert simulate(past, levels(45)) == []
    (told,) = simulate(past, levels(35))
    assert (told.at, told.since) == (ago(-36), ago(0))


def test_a_difference_names_what_only_one_side_tells() -> None:
    real = Real(ago(5), "a", 1, ago(20))
    told = Told(ago(4), "a", "100", 1, ago(20), "p", ())
    other = told._replace(level=2)
    assert difference([real], [told]) == ((), ())
    assert difference([real], [other]) == ((real,), (other,))
