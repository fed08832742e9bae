"""The past walked through once more: with the policies in force it is what really happened, exactly."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from chats import ago, bot, conversation, customer, export, message, staff
from ledger_rows import tick, write
from rounds import Rounds, levels, while_it_reads

from roundsman.clock import ManualClock
from roundsman.conversations.source import Reread, StoreSource
from roundsman.monitor.case import KIND
from roundsman.monitor.record import JOB, Real, difference, in_order, past_of, really_told
from roundsman.monitor.simulation import Past, PastRound, Told, simulate
from roundsman.repositories.alert_answers import AlertAnswers, Author
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.engine import Store
from roundsman.repositories.held_looks import HeldLook, HeldLookRepository
from roundsman.repositories.observations import Observation, ObservationRepository
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.stale_spans import StaleSpanRepository
from roundsman.scheduling.job import OutcomeKind, StopToken

MONTH = timedelta(days=30)


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Rounds:
    return Rounds(store, clock, tmp_path, levels(15, 30, 60, warn_before=5))


def recorded(desk: Rounds) -> Past:
    start, end = desk.clock.now() - MONTH, desk.clock.now() + timedelta(microseconds=1)
    with desk.store.read() as connection:
        observations = list(ObservationRepository().between(connection, start, end))
        rounds = [PastRound(at, at) for at in desk.walked_at]
        stale = StaleSpanRepository().since(connection, start)
        held = HeldLookRepository().between(connection, start, end)
        return Past(observations, rounds, start, end, stale, AlertLog().taken(connection, KIND, start, end), held)


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
        if rng.random() < 0.1:
            see_to_one(desk, rng)


def see_to_one(desk: Rounds, rng: random.Random) -> None:
    """Somebody acknowledges or snoozes an alert that is open."""
    now, answers = desk.clock.now(), AlertAnswers()
    with desk.store.write() as connection:
        for alert in rng.sample(found := AlertRepository().open_of_kind(connection, KIND), min(1, len(found))):
            if rng.random() < 0.5:
                answers.acknowledge(connection, alert.id, Author("Lan"), now)
            else:
                until = now + timedelta(minutes=rng.choice((5, 20, 60)))
                answers.snooze(connection, alert.id, Author("Lan"), now, until=until)


@pytest.mark.parametrize("seed", range(4))
def test_the_policies_in_force_give_the_real_past(desk: Rounds, seed: int) -> None:
    live(desk, random.Random(seed), 150)
    real = real_of(desk)
    assert len(real) > 5
    assert keys(simulate(recorded(desk), desk.book)) == keys(real)
    assert difference(real, simulate(recorded(desk), desk.book)) == ((), ())


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
    assert keys(simulate(recorded(desk), desk.book)) == keys(real_of(desk))


def test_other_policies_tell_other_things(desk: Rounds) -> None:
    desk.take(export(conversations=[conversation()], messages=[message("m1", ago(0))]))
    desk.walk_until(40)
    desk.take(export(messages=[message("m2", desk.clock.now(), staff())]))
    desk.walk_until(5)
    past = recorded(desk)
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


# --- what the ledger tells of the rounds ---

SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
QUESTION = export(conversations=[conversation()], messages=[message("m1", ago(0))])
ANSWER = export(messages=[message("a1", ago(-16), staff())])


def walk(desk: Rounds) -> None:
    """A round that the ledger has a row of; it begins a little before the job looks at the clock."""
    began_at = desk.clock.now()
    desk.clock.advance(3 * MILLISECOND)
    desk.walk(started_at=began_at)
    desk.clock.advance(3 * MILLISECOND)
    write(desk.store, [tick(JOB, began_at, took=desk.clock.now() - began_at)])


class Away:
    """Nobody can be asked for the newest messages."""

    def __init__(self) -> None:
        self.asked = 0

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        self.asked += 1
        return Reread(failed={each.conversation.conversation_id: "HTTP 503" for each in conversations})


def past_until_now(desk: Rounds) -> Past:
    now = desk.clock.now() + SECOND
    with desk.store.read() as connection:
        return past_of(connection, now - MONTH, now)


def compared(desk: Rounds) -> tuple[list[int], list[int]]:
    """The levels that were really told, and those that the walk through the past tells."""
    now = desk.clock.now() + SECOND
    with desk.store.read() as connection:
        real = really_told(connection, now - MONTH, now)
    simulated = simulate(past_until_now(desk), desk.book)
    if difference(real, simulated) != ((), ()):
        assert keys(real) == keys(simulated)  # shows both
    return [each.level for each in real], [each.level for each in simulated]


def test_an_answer_that_came_in_while_a_round_was_under_way_was_known_to_it(desk: Rounds) -> None:
    desk.book = levels(15, 30)
    desk.take(QUESTION)
    walk(desk)
    desk.clock.advance(timedelta(minutes=16))

    def answer() -> None:
        desk.clock.advance(2 * SECOND)
        desk.take(ANSWER)

    with while_it_reads(answer):
        walk(desk)
    walk(desk)
    assert compared(desk) == ([], [])


def test_an_answer_right_after_a_round_that_has_told_was_not_known_to_it(desk: Rounds) -> None:
    desk.book = levels(15, 30)
    desk.take(QUESTION)
    walk(desk)
    desk.clock.advance(timedelta(minutes=16))
    began_at = desk.clock.now()
    desk.walk()
    desk.clock.advance(2 * SECOND)
    desk.take(ANSWER)
    desk.clock.advance(SECOND)
    write(desk.store, [tick(JOB, began_at, took=3 * SECOND)])  # it was not done yet
    walk(desk)
    assert compared(desk) == ([1], [1])


def test_a_question_that_came_in_while_a_round_was_under_way_was_for_the_next_one(desk: Rounds) -> None:
    desk.book = levels(15, 30)
    desk.take(QUESTION)
    walk(desk)
    desk.clock.advance(timedelta(minutes=16))

    def ask() -> None:
        desk.clock.advance(2 * SECOND)
        desk.take(export(messages=[message("m2", ago(0), name="2")]))  # brought late: it waits too long already

    with while_it_reads(ask):
        walk(desk)
    desk.clock.advance(SECOND)
    desk.take(export(messages=[message("a2", desk.clock.now(), staff(), name="2")]))
    walk(desk)
    assert compared(desk) == ([1], [1])


def test_a_round_that_was_killed_has_told_what_it_had_written(desk: Rounds) -> None:
    desk.book = levels(15, 30)
    desk.take(QUESTION)
    walk(desk)
    desk.clock.advance(timedelta(minutes=16))
    killed = tick(JOB, desk.clock.now(), OutcomeKind.INTERRUPTED, started_at=None, counters={})
    desk.walk()
    desk.clock.advance(2 * SECOND)
    desk.take(ANSWER)
    write(desk.store, [killed | {"finished_at": desk.clock.now()}])
    walk(desk)
    assert compared(desk) == ([1], [1])


def test_a_page_that_a_round_found_stale_was_stale_to_it(desk: Rounds) -> None:
    desk.book = levels(15, stale_after=timedelta(minutes=2))
    with desk.store.write() as connection:
        PageSyncRepository().advance(connection, "100", "pancake", fresh_at=desk.clock.now(), checkpoint=None)
    desk.take(QUESTION)
    walk(desk)
    desk.clock.advance(timedelta(minutes=16))
    walk(desk)
    desk.clock.advance(timedelta(minutes=1))
    desk.take(ANSWER)
    walk(desk)
    assert compared(desk) == ([], [])


def test_the_walk_waits_where_it_was_not_sure_that_nobody_had_answered(desk: Rounds) -> None:
    """Pancake is away from the 14th minute on: what is due behind the watermark is told a sync later, or answered."""
    outside = Away()
    desk.source, desk.book = StoreSource(outside), levels(15, 30)
    desk.take(export(conversations=[conversation("1"), conversation("2")], messages=[
        message("m1", ago(0), name="1"), message("m2", ago(0), name="2"),
    ]))  # fmt: skip
    for minute in range(40):
        desk.clock.advance(timedelta(minutes=1))
        if minute in (0, 5, 13, 20):
            with desk.store.write() as connection:
                PageSyncRepository().advance(connection, "100", "pancake", fresh_at=desk.clock.now(), checkpoint=None)
        if minute == 18:
            desk.take(export(messages=[message("a2", ago(-17), staff(), name="2")]))
        walk(desk)
    assert outside.asked > 5
    past = past_until_now(desk)
    assert {each.conversation_id for each in past.held} == {"100_1", "100_2"}
    assert compared(desk) == ([1], [1])
    assert keys(simulate(past, desk.book)) == keys(real_of(desk))
    assert simulate(replace(past, held=[]), desk.book) != simulate(past, desk.book)


def test_a_page_of_which_nothing_is_sure_tells_nobody(desk: Rounds) -> None:
    desk.take(QUESTION)
    desk.walk_until(16)
    past = replace(recorded(desk), held=[HeldLook("100_1", at, None) for at in desk.walked_at])
    assert simulate(past, desk.book) == []


def test_a_level_that_falls_due_while_a_round_begins_is_for_the_next_one(desk: Rounds) -> None:
    """The job looks at the clock a moment after the ledger did, and goes by the ledger's."""
    desk.book = levels(15, 30)
    desk.take(QUESTION)
    walk(desk)
    desk.clock.advance(timedelta(minutes=15) - 7 * MILLISECOND)
    walk(desk)
    assert compared(desk) == ([], [])
    desk.clock.advance(SECOND)
    walk(desk)
    assert compared(desk) == ([1], [1])
    assert keys(simulate(past_until_now(desk), desk.book)) == keys(real_of(desk))


def test_news_is_taken_in_the_order_of_its_moments() -> None:
    def seen(name: str, minute: float, waiting_since: float | None = None) -> Observation:
        since = None if waiting_since is None else ago(waiting_since)
        return Observation(name, "100", ago(minute), "INBOX", True, (), (), since, since, None, None, None, None)

    late, early, last = seen("a", 1, 9), seen("b", 3), seen("a", 2)
    # what was written last of one conversation is what was known in the end, whatever its writer's clock said
    assert in_order([late, early, last]) == [early, late, last._replace(seen_at=ago(1))]


def test_only_rounds_of_the_time_that_is_asked_for_are_counted(desk: Rounds) -> None:
    desk.take(QUESTION)
    for _ in range(4):
        desk.clock.advance(timedelta(minutes=1))
        walk(desk)
    with desk.store.read() as connection:
        past = past_of(connection, ago(-2), ago(-3.5))
    assert past.count_rounds() == 2
