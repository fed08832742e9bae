"""The two waiting clocks, against named cases and against a reference that is slow and obviously right."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations.sender import ChatMessage, Sender
from roundsman.conversations.waiting import FUTURE_TOLERANCE, first_answer, waiting_state
from roundsman.repositories.watch_list import AnsweringClock, WaitingState

AT = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)


def said(minute: float, sender: Sender, *, removed: bool = False, hidden: bool = False) -> ChatMessage:
    """A message so many minutes after (or, negative, before) AT."""
    return ChatMessage(AT + timedelta(minutes=minute), sender, None, removed, hidden)


def at(minute: float | None) -> datetime | None:
    return None if minute is None else AT + timedelta(minutes=minute)


CUSTOMER, HUMAN, BOT, SYSTEM = Sender.CUSTOMER, Sender.HUMAN, Sender.BOT, Sender.SYSTEM

CASES: dict[str, tuple[list[ChatMessage], float | None, float | None]] = {
    # name: (thread, waiting_since, human_waiting_since) in minutes from AT
    "an empty thread": ([], None, None),
    "one question": ([said(-9, CUSTOMER)], -9, -9),
    "the first of three questions counts": (
        [said(-9, CUSTOMER), said(-5, CUSTOMER), said(-1, CUSTOMER)],
        -9,
        -9,
    ),
    "a person answered": ([said(-9, CUSTOMER), said(-5, HUMAN)], None, None),
    "a bot answered: only the human clock runs on": ([said(-9, CUSTOMER), said(-8, BOT)], None, -9),
    "asked again after a bot": ([said(-9, CUSTOMER), said(-8, BOT), said(-3, CUSTOMER)], -3, -9),
    "asked again after a person": ([said(-9, CUSTOMER), said(-8, HUMAN), said(-3, CUSTOMER)], -3, -3),
    "a person, then a question, then a bot": (
        [said(-9, CUSTOMER), said(-8, HUMAN), said(-3, CUSTOMER), said(-2, BOT)],
        None,
        -3,
    ),
    "the shop wrote first": ([said(-9, HUMAN)], None, None),
    "an answer at the same time counts as later": ([said(-9, CUSTOMER), said(-9, HUMAN)], None, None),
    "a bot's answer at the same time too": ([said(-9, CUSTOMER), said(-9, BOT)], None, -9),
    "a system message answers nothing": ([said(-9, CUSTOMER), said(-5, SYSTEM)], -9, -9),
    "a system message asks nothing": ([said(-9, SYSTEM)], None, None),
    "a removed answer answers nothing": ([said(-9, CUSTOMER), said(-5, HUMAN, removed=True)], -9, -9),
    "a hidden answer answers nothing": ([said(-9, CUSTOMER), said(-5, HUMAN, hidden=True)], -9, -9),
    "a removed question asks nothing": ([said(-9, CUSTOMER, removed=True), said(-5, CUSTOMER)], -5, -5),
    "a hidden question asks nothing": ([said(-9, CUSTOMER, hidden=True)], None, None),
    "ten minutes ahead is a fast clock": ([said(10, CUSTOMER)], 10, 10),
}


@pytest.mark.parametrize("name", CASES)
def test_clocks(name: str) -> None:
    thread, waiting, human = CASES[name]
    state = waiting_state(thread, AT)
    assert (state.waiting_since, state.human_waiting_since) == (at(waiting), at(human))


def test_a_message_from_the_future_waits_for_its_time() -> None:
    thread = [said(-20, CUSTOMER), said(10.5, HUMAN), said(45, CUSTOMER)]
    assert waiting_state(thread, AT) == WaitingState(at(-20), at(-20), recheck_at=at(0.5))
    later = AT + timedelta(minutes=0.5)
    assert waiting_state(thread, later) == WaitingState(None, None, at(10.5), at(10.5), recheck_at=at(35))


def test_the_last_answer_is_known_on_both_clocks() -> None:
    thread = [said(-30, HUMAN), said(-20, CUSTOMER), said(-10, BOT), said(-8, HUMAN, removed=True), said(-5, SYSTEM)]
    state = waiting_state(thread, AT)
    assert (state.answered(AnsweringClock.CUSTOMER), state.answered(AnsweringClock.HUMAN)) == (at(-10), at(-30))


def test_a_removed_message_from_the_future_is_not_waited_for() -> None:
    assert waiting_state([said(45, CUSTOMER, removed=True), said(60, SYSTEM)], AT) == WaitingState()


def test_the_first_answer_ends_an_incident() -> None:
    thread = [said(-9, CUSTOMER), said(-30, HUMAN), said(-5, BOT), said(-4, HUMAN), said(-2, HUMAN)]
    human = first_answer(thread, AT - timedelta(minutes=9), AnsweringClock.HUMAN, AT)
    customer = first_answer(thread, AT - timedelta(minutes=9), AnsweringClock.CUSTOMER, AT)
    assert human is not None
    assert human.sent_at == at(-4)
    assert customer is not None
    assert customer.sent_at == at(-5)
    assert first_answer(thread, AT, AnsweringClock.HUMAN, AT) is None


# --- properties ---

messages = st.builds(
    ChatMessage,
    sent_at=st.integers(-40, 40).map(lambda half_minutes: AT + timedelta(seconds=30 * half_minutes)),
    sender=st.sampled_from(Sender),
    sender_name=st.none(),
    is_removed=st.booleans(),
    is_hidden=st.booleans(),
)
threads = st.lists(messages, max_size=12)


def reference(thread: list[ChatMessage], now: datetime, answering: set[Sender]) -> datetime | None:
    """Replay the thread message by message with one variable; answers after questions of the same time."""
    waiting: datetime | None = None
    for each in sorted(thread, key=lambda each: (each.sent_at, each.sender in answering)):
        if each.is_removed or each.is_hidden or each.sent_at - now > FUTURE_TOLERANCE:
            continue
        if each.sender in answering:
            waiting = None
        elif each.sender is CUSTOMER and waiting is None:
            waiting = each.sent_at
    return waiting


@given(threads)
def test_both_clocks_agree_with_a_replay(thread: list[ChatMessage]) -> None:
    state = waiting_state(thread, AT)
    assert state.waiting_since == reference(thread, AT, {HUMAN, BOT})
    assert state.human_waiting_since == reference(thread, AT, {HUMAN})


@given(threads, st.randoms(use_true_random=False))
def test_neither_order_nor_duplicates_matter(thread: list[ChatMessage], rng: object) -> None:
    import random

    assert isinstance(rng, random.Random)
    mixed = thread + [each for each in thread if rng.random() < 0.5]
    rng.shuffle(mixed)
    assert waiting_state(mixed, AT) == waiting_state(thread, AT)


@given(threads)
def test_the_human_clock_never_waits_shorter(thread: list[ChatMessage]) -> None:
    state = waiting_state(thread, AT)
    if state.waiting_since is not None:
        assert state.human_waiting_since is not None
        assert state.human_waiting_since <= state.waiting_since


@given(threads)
def test_only_a_recheck_changes_a_state_without_new_messages(thread: list[ChatMessage]) -> None:
    state = waiting_state(thread, AT)
    until = state.recheck_at or AT + timedelta(days=1)
    just_before = waiting_state(thread, until - timedelta(microseconds=1))
    assert (just_before.waiting_since, just_before.human_waiting_since) == (
        state.waiting_since,
        state.human_waiting_since,
    )
