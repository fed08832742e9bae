"""Whose time a wait is: hand-overs, shared conversations, nobody, shifts of one's own, and a past that is cut off."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shift_samples import calendar, local, week

from roundsman.conversations.charges import assigned_at, charges, holdings
from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.policies.staff import Staff
from roundsman.repositories.conversations import Conversation, Handover, Person

LAN, MINH, HOA = Person("u1", "Lan"), Person("u2", "Minh"), Person("u3", "Hoa")
NINE = local("2026-03-03 09:00")  # a Tuesday
TARGET = timedelta(minutes=15)
ALL_DAY = Policy("all day", TARGET, TARGET)
SHOP = Policy("shop", TARGET, TARGET, calendar=calendar())
"""08:30-12:00 and 13:30-22:30."""
MORNING = calendar(week(mon_fri=["08:30-09:30"]))
AFTERNOON = calendar(week(mon_fri=["14:00-17:00"]))


def at(minute: float) -> datetime:
    return NINE + timedelta(minutes=minute)


def handed(minute: float, added: Sequence[Person] = (), removed: Sequence[Person] = ()) -> Handover:
    return Handover(at(minute), tuple(added), tuple(removed))


def conversation(*handovers: Handover, now: Sequence[Person] = ()) -> Conversation:
    return Conversation("100_1", "100", "INBOX", assignees=tuple(now), handovers=handovers)


def charged(
    of: Conversation, start: float, end: float, policy: Policy = ALL_DAY, staff: dict[str, Staff] | None = None
) -> dict[str | None, float]:
    """Minutes by name."""
    found = charges(of, at(start), at(end), policy, staff or {})
    return {each.person.name if each.person else None: each.worked / timedelta(minutes=1) for each in found}


def test_one_who_had_it_all_the_time_is_charged_all_of_it() -> None:
    assert charged(conversation(now=[LAN]), 0, 20) == {"Lan": 20}


def test_a_hand_over_divides_the_wait() -> None:
    handover = handed(12, added=[MINH], removed=[LAN])
    assert charged(conversation(handover, now=[MINH]), 0, 20) == {"Lan": 12, "Minh": 8}


def test_the_largest_share_comes_first() -> None:
    found = charges(conversation(handed(5, [MINH], [LAN]), now=[MINH]), at(0), at(20), ALL_DAY, {})
    assert [each.person for each in found] == [MINH, LAN]


def test_across_three_people() -> None:
    chain = conversation(handed(3, [MINH], [LAN]), handed(10, [HOA], [MINH]), now=[HOA])
    assert charged(chain, 0, 20) == {"Lan": 3, "Minh": 7, "Hoa": 10}


def test_it_may_come_back() -> None:
    chain = conversation(handed(3, [MINH], [LAN]), handed(10, [LAN], [MINH]), now=[LAN])
    assert charged(chain, 0, 20) == {"Lan": 13, "Minh": 7}


def test_before_anybody_had_it_nobody_is_charged() -> None:
    assert charged(conversation(handed(12, [LAN]), now=[LAN]), 0, 20) == {None: 12, "Lan": 8}


def test_who_has_it_together_is_charged_together() -> None:
    assert charged(conversation(handed(5, [MINH]), now=[LAN, MINH]), 0, 20) == {"Lan": 20, "Minh": 15}


def test_hand_overs_before_and_after_the_wait_do_not_matter() -> None:
    chain = conversation(handed(-9, [LAN], [HOA]), handed(0, [MINH], [LAN]), handed(30, [HOA], [MINH]), now=[HOA])
    assert charged(chain, 0, 20) == {"Minh": 20}


def test_a_past_that_is_cut_off_is_found_from_the_present() -> None:
    """Sources keep a hundred hand-overs: the first one that is left removes somebody whose coming nobody tells."""
    chain = conversation(*(handed(n / 2, [(MINH, LAN)[n % 2]], [(LAN, MINH)[n % 2]]) for n in range(100)), now=[LAN])
    found = charged(chain, -10, 60)
    assert found == {"Lan": 10 + 25 + 10, "Minh": 25}  # Lan until minute 0, then in turns of 30 s, Lan from 49.5 on


def test_each_is_charged_by_the_hours_of_their_own() -> None:
    staff = {"u1": Staff("lan", "Lan", calendar=MORNING), "u2": Staff("minh", "Minh")}
    handover = handed(40, [MINH], [LAN])  # at 09:40; Lan goes home at 09:30
    assert charged(conversation(handover, now=[MINH]), 0, 60, SHOP, staff) == {"Lan": 30, "Minh": 20}


def test_who_does_not_work_meanwhile_is_left_out() -> None:
    staff = {"u1": Staff("lan", "Lan", calendar=AFTERNOON)}
    assert charged(conversation(now=[LAN]), 0, 60, SHOP, staff) == {}


def test_nobody_is_charged_by_the_hours_of_the_page() -> None:
    assert charged(conversation(), 170, 280, SHOP) == {None: 20}  # 11:50-13:40, lunch from 12:00 to 13:30


def test_nothing_is_charged_for_no_time() -> None:
    assert charged(conversation(now=[LAN]), 20, 20) == {}


def test_a_hand_over_that_changes_nothing_divides_nothing() -> None:
    of = conversation(handed(5), handed(7, [LAN], [LAN]), now=[LAN])
    assert [each.people for each in holdings(of, at(0), at(20))] == [(LAN,)]


def test_whose_it_was_at_a_moment() -> None:
    chain = conversation(handed(3, [MINH], [LAN]), handed(10, [HOA]), now=[HOA, MINH])
    moments = [assigned_at(chain, at(minute)) for minute in (2, 3, 9, 10)]
    assert moments == [(LAN,), (MINH,), (MINH,), (MINH, HOA)]


@st.composite
def chains(draw: st.DrawFn) -> tuple[Conversation, list[tuple[float, Person | None]]]:
    """A conversation that one person or nobody has at a time, and who has it from when on."""
    people = st.sampled_from([None, LAN, MINH, HOA])
    minutes = draw(st.lists(st.integers(-120, 1400), unique=True, max_size=8).map(sorted))
    holders = [draw(people)]
    handovers = []
    for minute in minutes:
        before, after = holders[-1], draw(people)
        handovers.append(handed(minute, [after] if after else [], [before] if before else []))
        holders.append(after)
    last = holders[-1]
    turns = list(zip([float("-inf"), *map(float, minutes)], holders, strict=True))
    return conversation(*handovers, now=[last] if last else []), turns


@given(
    made=chains(), start=st.integers(-60, 1400), length=st.integers(0, 2000), policy=st.sampled_from([ALL_DAY, SHOP])
)
def test_of_a_chain_of_single_holders_the_charges_are_the_wait(
    made: tuple[Conversation, list[tuple[float, Person | None]]], start: int, length: int, policy: Policy
) -> None:
    chain, turns = made
    found = charges(chain, at(start), at(start + length), policy, {})
    total = sum((each.worked for each in found), timedelta(0))
    assert total == policy.calendar.worked(at(start), at(start + length))
    ends = [turn[0] for turn in turns[1:]] + [float("inf")]
    for person in (None, LAN, MINH, HOA):
        expected = timedelta(0)
        for (begin, holder), end in zip(turns, ends, strict=True):
            first, last = max(begin, start), min(end, start + length)
            if holder == person and first < last:
                expected += policy.calendar.worked(at(first), at(last))
        assert dict(found).get(person, timedelta(0)) == expected


@pytest.mark.parametrize("kept", [100, 3, 1, 0])
@given(made=chains())
def test_the_hand_overs_that_are_kept_tell_the_truth(
    kept: int, made: tuple[Conversation, list[tuple[float, Person | None]]]
) -> None:
    """What happened since the first one that is kept is charged the same, however much was forgotten before it."""
    chain, turns = made
    cut = chain._replace(handovers=chain.handovers[len(chain.handovers) - min(kept, len(chain.handovers)) :])
    start = cut.handovers[0].at if cut.handovers else at(1401)
    end = at(3000)
    assert charges(cut, start, end, ALL_DAY, {}) == charges(chain, start, end, ALL_DAY, {})
    assert cut.handovers or turns[-1][1] in (None, *cut.assignees)
