"""What may be held against people when the outside cannot be asked, and when it need not be."""

from datetime import timedelta
from random import Random

import pytest
from outside import World, chat_id
from rounds import levels

from roundsman.clock import ManualClock
from roundsman.repositories.engine import Store
from roundsman.repositories.watch_list import WatchListRepository, WatchRow

POLICY = levels(15, 30).otherwise


@pytest.fixture
def world(sqlite_store: Store, clock: ManualClock) -> World:
    """A page that was synced at this moment; whoever is asked about a conversation does not answer."""
    return World(sqlite_store, clock, Random(1), POLICY, failing=1.0)


def after(world: World, minutes: float, seconds: float = 0) -> None:
    world.clock.advance(timedelta(minutes=minutes, seconds=seconds))


def row(world: World) -> WatchRow:
    world.walk()
    with world.store.read() as connection:
        return WatchListRepository().find(connection, [chat_id("1")])[chat_id("1")]


def test_without_an_answer_from_outside_nothing_behind_the_watermark_is_told(world: World) -> None:
    world.outside.write("1", "customer")
    after(world, 14, 50)
    world.synced()
    after(world, 4)
    assert row(world).level == 0
    after(world, 1)
    world.synced()
    assert row(world).level == 1


def test_of_two_levels_only_the_one_before_the_watermark_is_told(world: World) -> None:
    world.outside.write("1", "customer")
    after(world, 29)
    world.synced()
    after(world, 2)
    assert row(world).level == 1
    world.outside.write("1", "staff")  # after the second level's moment: that one was reached
    after(world, 1)
    world.outside.failing = 0.0
    world.walk()
    with world.store.read() as connection:
        assert WatchListRepository().find(connection, [chat_id("1")]) == {}


def test_data_of_this_very_moment_is_asked_for_once_more_and_proves_nothing_later(world: World) -> None:
    world.outside.write("1", "customer")
    after(world, 14, 58)
    world.synced()
    after(world, 0, 1)
    world.outside.write("1", "staff")  # in time, and not here yet
    after(world, 0, 2)
    assert (row(world).level, world.outside.asked) == (0, {chat_id("1"): False})
    world.outside.failing = 0.0
    after(world, 0, 10)
    world.walk()
    assert world.outside.asked == {chat_id("1"): True}
    with world.store.read() as connection:
        assert WatchListRepository().find(connection, [chat_id("1")]) == {}


def test_a_message_whose_time_came_while_nobody_looked_is_told_after_a_question_only(world: World) -> None:
    """The row knows nothing of it yet, so that nothing seemed to be there to ask about."""
    after(world, 60)
    world.outside.write("1", "customer")
    early = world.outside.truth.pop()
    after(world, -40)  # our clock is behind the platform's
    world.outside.bring([early])
    world.outside.truth.append(early)
    world.synced()
    after(world, 52)
    world.outside.write("1", "staff")
    after(world, 7)
    world.synced(at=world.clock.now() - timedelta(minutes=9))
    assert (row(world).level, world.outside.asked) == (0, {})
    world.outside.failing = 0.0
    world.walk()
    with world.store.read() as connection:
        assert WatchListRepository().find(connection, [chat_id("1")]) == {}
