"""What a file of policies means, and when two of them mean the same."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from policy_samples import FILES, OTHERWISE, POLICY, SHOP, read

from roundsman.conversations.policies.policy import Level, Policy, Recipient, RecipientKind
from roundsman.conversations.shifts.holidays import Country, Lunar, Tet, Vietnam, Yearly
from roundsman.conversations.shifts.span import Span, whole_days
from roundsman.repositories.watch_list import AnsweringClock

EXAMPLE = Path(__file__).parents[2] / "config" / "policies.toml"


def test_everything_that_can_be_said() -> None:
    book = read(
        """
        [calendar.shop]
        zone = "Asia/Ho_Chi_Minh"
        mon-fri = ["13:30-22:30", "08:30-12:00"]
        sat = "24h"
        holidays = ["vietnam", { on = "tet", before = 2, days = 6 }, "ical:team.ics", "lunar:15/7", "24/12",
                    "country:de", { on = "31/12", why = "stock-taking" }]
        closed = ["2026-09-02", 2026-09-03, "2026-02-14..2026-02-22", { on = "2026-10-10 12:00-18:00", why = "fair" }]
        open = ["2027-02-10 09:00-12:00", "2027-02-11"]

        [staff.lan]
        name = "Lan"
        pancake = ["uuid-2", "uuid-1"]
        slack = "U0123"
        telegram = "12345"
        calendar = "shop"
        [staff.hoa]
        [team.sales]
        members = ["lan"]
        manager = "hoa"
        slack = "<!subteam^S123>"
        telegram = "-100123"
        digest_from = 5

        [[policy]]
        name = "flower shops"
        pages = ["1234"]
        types = ["inbox"]
        tags = ["Khách VIP"]
        calendar = "shop"
        clock = "customer"
        first_response = "10m"
        next_response = "1h30m"
        warn_before = "3m"
        stale_after = "10m"
        exclude_tags = ["rác"]
        waiting_on_customer_tags = ["chờ khách"]
        comments = true
        team = "sales"
        [[policy.level]]
        to = ["assignee", "lan"]
        channels = ["slack"]
        [[policy.level]]
        after = "2h"
        to = ["team", "manager"]
        """
    )
    shop, lan = book.calendars["shop"], book.staff["lan"]
    assert str(shop.zone) == "Asia/Ho_Chi_Minh"
    assert [str(each) for each in shop.rules.week.days[0]] == ["08:30-12:00", "13:30-22:30"]
    assert shop.rules.week.duration == timedelta(hours=5 * 12.5 + 24)
    assert {
        Vietnam(), Tet(2, 6), Lunar(15, 7), Yearly(24, 12), Country("DE"), Yearly(31, 12, "stock-taking")
    } < set(shop.rules.holidays)  # fmt: skip
    assert (
        whole_days(datetime(2026, 2, 14), datetime(2026, 2, 22), "closed on 2026-02-14..2026-02-22")
        in shop.rules.closed
    )
    assert Span(datetime(2026, 10, 10, 12), datetime(2026, 10, 10, 18), "fair") in shop.rules.closed
    assert len(shop.rules.closed) == 4
    assert shop.rules.opened == (Span(datetime(2027, 2, 10, 9), datetime(2027, 2, 10, 12)),)
    assert shop.rules.usual == ((datetime(2027, 2, 11).date(), datetime(2027, 2, 11).date()),)
    assert (lan.name, lan.pancake, lan.slack, lan.telegram) == ("Lan", ("uuid-1", "uuid-2"), "U0123", "12345")
    assert lan.calendar is shop
    assert book.staff["hoa"].name == "hoa"
    team = book.teams["sales"]
    assert (team.members, team.manager, team.digest_from) == ((lan,), book.staff["hoa"], 5)
    (policy,) = book.policies
    assert (policy.scope.pages, policy.scope.types, policy.scope.tags) == (("1234",), ("INBOX",), ("khachvip",))
    assert policy.clock is AnsweringClock.CUSTOMER
    assert (policy.first_response, policy.next_response) == (timedelta(minutes=10), timedelta(minutes=90))
    assert (policy.warn_before, policy.stale_after) == (timedelta(minutes=3), timedelta(minutes=10))
    assert (policy.exclude_tags, policy.waiting_on_customer_tags) == (("rac",), ("chokhach",))
    assert policy.comments
    assert policy.team is team
    assert policy.levels == (
        Level(1, None, (Recipient(RecipientKind.ASSIGNEE), Recipient(RecipientKind.STAFF, lan)), ("slack",)),
        Level(2, timedelta(hours=2), (Recipient(RecipientKind.TEAM), Recipient(RecipientKind.MANAGER))),
    )


def test_an_opening_for_the_whole_day_is_not_one_for_the_usual_hours() -> None:
    rules = read(SHOP + 'open = ["2026-03-03 24h", "2026-03-04"]').calendars["shop"].rules
    assert rules.opened == (whole_days(datetime(2026, 3, 3), datetime(2026, 3, 3)),)
    assert len(rules.usual) == 1


def test_what_is_left_out_has_a_default() -> None:
    (policy,) = read(POLICY).policies
    expected = Policy("p", timedelta(minutes=10), timedelta(minutes=10))
    assert policy == expected
    assert policy.exclude_tags == ("khachblock", "spam")


def test_the_example_that_is_shipped_is_in_order() -> None:
    book = read(EXAMPLE.read_text(encoding="utf-8"))
    assert [policy.name for policy in book.policies] == ["VIP", "all others"]
    assert book.policies[1].exclude_tags == OTHERWISE.exclude_tags


# --- the version ---

SMALL = SHOP + POLICY + 'pages = ["2", "1"]\nexclude_tags = ["Khách Block", "spam"]\nnext_response = "60m"\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[[policy]]", "\n# a remark\n\n[[policy]]"),
        ('"60m"', '"1h"'),
        ('["2", "1"]', '[ "1","2", "2" ]'),
        ('["Khách Block", "spam"]', '["spam", "khach-block"]'),
        ('mon-fri = ["08:30-12:00"]', 'mon-wed = ["08:30-12:00"]\n"thu,fri" = "8:30 - 12:00"'),
    ],
)
def test_equal_meaning_has_the_same_version(old: str, new: str) -> None:
    assert old in SMALL
    assert read(SMALL).version == read(SMALL.replace(old, new)).version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"60m"', '"61m"'),
        ('["2", "1"]', '["2"]'),
        ("12:00", "12:01"),
        ('name = "p"', 'name = "q"'),
        ('mon-fri = ["08:30-12:00"]', 'mon-fri = ["08:30-12:00"]\nholidays = ["ical:team.ics"]'),
    ],
)
def test_another_meaning_has_another_version(old: str, new: str) -> None:
    changed = SMALL.replace(old, new).replace('name = "p"\n', 'name = "p"\ncalendar = "shop"\n')
    assert read(SMALL.replace('name = "p"\n', 'name = "p"\ncalendar = "shop"\n')).version != read(changed).version


def test_another_ics_file_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SHOP + 'holidays = ["ical:team.ics"]\n' + POLICY + 'calendar = "shop"\n'
    before = read(text).version
    monkeypatch.setitem(FILES, "team.ics", FILES["team.ics"].replace("20260303", "20260304"))
    assert read(text).version != before
