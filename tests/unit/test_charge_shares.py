"""Whose time a wait is: hand-overs undone from the present backwards, each by the hours of whoever had it."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shift_samples import calendar, local, week

from roundsman.conversations.charges import Charge, assigned_at, charges, holdings
from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.policies.staff import Staff
from roundsman.repositories.conversations import Conversation, Handover, Person

LAN, MINH, HOA = Person("1", "Lan"), Person("2", "Minh"), Person("3", "Hoa")
SHOP = Policy("p", timedelta(minutes=10), timedelta(minutes=10), calendar=calendar())
ALWAYS = Policy("p", timedelta(minutes=10), timedelta(minutes=10))


def at(text: str) -> datetime:
    return local(f"2026-03-03 {text}")


def conversation(*handovers: Handover, now: tuple[Person, ...] = ()) -> Conversation:
    return Conversation("c", "100", "INBOX", assignees=now, handovers=handovers)


def shares(found: list[Charge]) -> list[tuple[str | None, float]]:
    return [(each.person.name if each.person else None, each.worked / timedelta(minutes=1)) for each in found]


GIVEN_ON = conversation(Handover(at("09:10"), (LAN,)), Handover(at("09:30"), (MINH,), (LAN,)), now=(MINH,))


def test_each_is_charged_what_lay_between_two_handovers() -> None:
    # nobody 09:00-09:10, Lan until 09:30, Minh until 10:00
    assert shares(charges(GIVEN_ON, at("09:00"), at("10:00"), SHOP, {})) == [("Minh", 30), ("Lan", 20), (None, 10)]


def test_a_handover_after_the_end_is_undone_and_charged_to_nobody() -> None:
    assert shares(charges(GIVEN_ON, at("09:00"), at("09:20"), SHOP, {})) == [(None, 10), ("Lan", 10)]


@pytest.mark.parametrize(
    ("moment", "people"), [("09:05", ()), ("09:10", (LAN,)), ("09:29", (LAN,)), ("09:30", (MINH,)), ("12:00", (MINH,))]
)
def test_a_handover_holds_from_its_moment_on(moment: str, people: tuple[Person, ...]) -> None:
    assert assigned_at(GIVEN_ON, at(moment)) == people


def test_outside_of_the_shift_nobody_is_charged() -> None:
    # lunch is 12:00-13:30: 10 minutes before it and 5 after it
    assert shares(charges(conversation(now=(LAN,)), at("11:50"), at("13:35"), SHOP, {})) == [("Lan", 15)]
    assert charges(conversation(now=(LAN,)), at("12:10"), at("13:20"), SHOP, {}) == []


def test_own_hours_go_before_those_of_the_policy() -> None:
    evenings = Staff("minh", "Minh", ("2",), calendar=calendar(week(mon_sun=["13:00-23:00"])))
    both = conversation(now=(LAN, MINH))
    found = charges(both, at("11:50"), at("13:35"), SHOP, {"2": evenings})
    assert shares(found) == [("Minh", 35), ("Lan", 15)]


def test_a_person_with_a_new_name_is_one_person_with_the_name_known_last() -> None:
    renamed = Person("1", "Lan Nguyễn")
    twice = conversation(
        Handover(at("08:00"), (LAN,)),
        Handover(at("09:20"), (MINH,), (renamed,)),
        Handover(at("09:40"), (renamed,), (MINH,)),
        now=(Person("1"),),
    )
    assert shares(charges(twice, at("09:00"), at("10:00"), SHOP, {})) == [("Lan Nguyễn", 40), ("Minh", 20)]


def test_nobody_and_people_with_equal_shares_come_in_the_order_of_ids() -> None:
    both = conversation(Handover(at("09:30"), (HOA, LAN)), now=(LAN, HOA))
    assert shares(charges(both, at("09:00"), at("10:00"), SHOP, {})) == [(None, 30), ("Lan", 30), ("Hoa", 30)]


@given(st.lists(st.tuples(st.integers(0, 120), st.sampled_from([LAN, MINH, HOA])), max_size=12))
def test_one_after_the_other_all_of_a_wait_is_charged_to_somebody(moves: list[tuple[int, Person]]) -> None:
    handovers: list[Handover] = []
    last: tuple[Person, ...] = ()
    for minute, person in sorted(moves, key=lambda move: move[0]):
        handovers.append(Handover(at("09:00") + timedelta(minutes=minute), (person,), last))
        last = (person,)
    made = conversation(*handovers, now=last)
    start, end = at("09:30"), at("10:30")
    found = list(holdings(made, start, end))
    assert [found[0].start, found[-1].end] == [start, end]
    assert all(before.end == after.start for before, after in pairwise(found))
    assert sum((each.worked for each in charges(made, start, end, ALWAYS, {})), timedelta(0)) == end - start
