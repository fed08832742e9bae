"""Which policy is in force, whom it leaves out, and the moments of a wait; the arithmetic stands beside each."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shift_samples import calendar, local

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Level, Plan, Policy, Scope
from roundsman.conversations.policies.staff import Staff
from roundsman.conversations.shifts.holidays import Vietnam
from roundsman.repositories.conversations import Page
from roundsman.repositories.watch_list import AnsweringClock

SHOP = calendar(holidays=[Vietnam()])
PAGE = Page("100", "Shop", "shop")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


LEVELS = (Level(1), Level(2, minutes(30)), Level(3, minutes(60)))
POLICY = Policy("p", minutes(10), minutes(15), calendar=SHOP, warn_before=minutes(3), levels=LEVELS)


@pytest.mark.parametrize(
    ("since", "first", "warn", "levels"),
    [
        # 7, 10, 30 and 60 minutes from 09:00
        ("2026-03-03 09:00", True, "09:07", ["09:10", "09:30", "10:00"]),
        # 12, 15, 30 and 60
        ("2026-03-03 09:00", False, "09:12", ["09:15", "09:30", "10:00"]),
        # 10 minutes are left before lunch: 2 more of 12 after 13:30, 5 of 15, 20 of 30, 50 of 60
        ("2026-03-03 11:50", False, "13:32", ["13:35", "13:50", "14:20"]),
        # the target is reached exactly when lunch begins, and not when it is over
        ("2026-03-03 11:50", True, "11:57", ["12:00", "13:50", "14:20"]),
        # in the night: all counts from 08:30
        ("2026-03-03 23:00", False, "08:42", ["08:45", "09:00", "09:30"]),
    ],
)
def test_the_moments_of_a_wait(since: str, first: bool, warn: str, levels: list[str]) -> None:
    plan = POLICY.plan(local(since), first=first)
    day = "2026-03-04" if since.endswith("23:00") else "2026-03-03"
    assert plan.warn_at == local(f"{day} {warn}")
    assert plan.levels == tuple(enumerate((local(f"{day} {each}") for each in levels), 1))
    assert plan.due_at == plan.levels[0][1]


def test_the_wait_before_tet_is_warned_of_before_it_and_late_after_it() -> None:
    # Sunday 15 February 11:55: 5 minutes until 12:00, then closed until Saturday 21 at 09:00
    plan = POLICY.plan(local("2026-02-15 11:55"), first=True)
    assert plan.warn_at == local("2026-02-21 09:02")
    assert plan.levels[0] == (1, local("2026-02-21 09:05"))


def test_the_first_level_can_come_later_than_the_target() -> None:
    policy = Policy("p", minutes(10), minutes(15), levels=(Level(1, minutes(20)),))
    since = local("2026-03-03 09:00")
    assert policy.plan(since, first=True) == Plan(since, None, ((1, since + minutes(20)),), since + minutes(10))


def test_what_never_comes_is_no_part_of_a_plan() -> None:
    gone = Policy("p", minutes(10), minutes(10), calendar=calendar(closed=[]), levels=LEVELS)
    plan = gone.plan(datetime.max.replace(tzinfo=SHOP.zone) - timedelta(days=900), first=True)
    assert plan.levels == ()
    assert plan.due_at is None


@given(st.integers(0, 400 * 24 * 60), st.booleans())
def test_the_moments_ascend_and_hold_so_much_shift_time(minute: int, first: bool) -> None:
    since = local("2026-01-01 00:00") + minutes(minute)
    plan = POLICY.plan(since, first=first)
    assert plan.warn_at is not None
    moments = [plan.warn_at, *(moment for _, moment in plan.levels)]
    assert moments == sorted(set(moments))
    assert [SHOP.worked(since, moment) for moment in moments] == [
        POLICY.target(first=first) - minutes(3), POLICY.target(first=first), minutes(30), minutes(60),
    ]  # fmt: skip


# --- which policy ---


def book(*scopes: Scope) -> PolicyBook:
    policies = tuple(Policy(f"p{place}", minutes(1), minutes(1), scope) for place, scope in enumerate(scopes))
    return PolicyBook(Policy("settings", minutes(15), minutes(15)), policies)


@pytest.mark.parametrize(
    ("page", "kind", "tags", "name"),
    [
        ("1", "INBOX", [], "p0"),
        ("1", "COMMENT", [], "p1"),
        ("2", "comment", [], "p1"),
        ("3", "INBOX", ["Khách VIP"], "p2"),
        ("3", "INBOX", ["x", "khach-vip"], "p2"),
        ("3", "INBOX", ["vip"], "settings"),
        ("3", "INBOX", [], "settings"),
    ],
)
def test_the_first_policy_that_covers_a_conversation_is_in_force(
    page: str, kind: str, tags: list[str], name: str
) -> None:
    found = book(Scope(("1", "9"), ("INBOX",)), Scope(("1", "2")), Scope(tags=("khachvip",)))
    assert found.policy_for(page, kind, tags).name == name


def test_a_policy_for_all_leaves_nothing_for_the_settings() -> None:
    assert [each.name for each in book(Scope(("1",)), Scope()).all_policies] == ["p0", "p1"]
    assert [each.name for each in book(Scope(("1",))).all_policies] == ["p0", "settings"]


def test_everybody_is_found_by_each_account() -> None:
    lan = Staff("lan", "Lan", ("a", "b"))
    found = PolicyBook(Policy("settings", minutes(15), minutes(15)), staff={"lan": lan})
    assert found.staff_by_pancake == {"a": lan, "b": lan}


# --- the settings alone ---


@given(st.integers(0, 3600), st.sampled_from(AnsweringClock))
def test_without_a_file_all_is_as_the_settings_say(waited: int, clock: AnsweringClock) -> None:
    policy = PolicyBook.of_settings(clock, minutes(15), comments=False).policy_for("100", "INBOX", ())
    at = local("2026-02-17 03:00")  # at night, in Tet
    since = at - timedelta(seconds=waited)
    plan = policy.plan(since, first=True)
    assert policy.clock is clock
    assert (plan.due_at, plan.levels, plan.warn_at) == (since + minutes(15), ((1, since + minutes(15)),), None)


def test_a_tag_can_say_that_the_page_waits_for_the_customer() -> None:
    policy = Policy("p", minutes(1), minutes(1), waiting_on_customer_tags=("chokhach",))
    assert (
        policy.exclusion(PAGE, "INBOX", ["Chờ khách"])
        == "The tag 'Chờ khách' says that the page waits for the customer."
    )
    assert policy.exclusion(PAGE, "INBOX", ["vip"]) is None
    assert policy.exclusion(PAGE, "INBOX", ["Chờ khách", "SPAM"]) == "The tag 'SPAM' excludes it."
