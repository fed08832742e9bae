"""Who is called by name when a level is told, and on which channels."""

from datetime import UTC, datetime, timedelta

import pytest

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Level, Policy, Recipient, RecipientKind
from roundsman.conversations.policies.staff import Staff, Team
from roundsman.monitor.audience import audience_of
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.conversations import Conversation, Handover, Page, Person, WatchedConversation

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
LAN = Staff("lan", "Lan", ("u1", "u1b"), slack="U0LAN")
MINH = Staff("minh", "Minh", ("u2",), telegram="@minh_x")
HOA = Staff("hoa", "Hoa", slack="U0HOA", telegram="77")
SALES = Team("sales", (LAN, MINH), HOA)
ASSIGNEE, TEAM, MANAGER = (
    Recipient(kind) for kind in (RecipientKind.ASSIGNEE, RecipientKind.TEAM, RecipientKind.MANAGER)
)
OF_LAN, OF_MINH, OF_HOA = Mention("Lan", "U0LAN"), Mention("Minh", None, "@minh_x"), Mention("Hoa", "U0HOA", "77")


def watched(*assignees: Person, handovers: tuple[Handover, ...] = ()) -> WatchedConversation:
    made = Conversation("c", "100", "INBOX", assignees=assignees, handovers=handovers)
    return WatchedConversation(made, Page("100"))


def audience(
    *levels: Level, told: tuple[int, ...] = (1,), team: Team | None = SALES, of: WatchedConversation | None = None
) -> Audience:
    policy = Policy("p", timedelta(minutes=10), timedelta(minutes=10), team=team, levels=levels)
    book = PolicyBook(policy, staff={"lan": LAN, "minh": MINH, "hoa": HOA})
    return audience_of(of or watched(), policy, told, book, NOW)


def called(*to: Recipient, of: WatchedConversation | None = None, team: Team | None = SALES) -> tuple[Mention, ...]:
    return audience(Level(1, to=to), of=of, team=team).mentions


def test_an_assignee_with_an_entry_is_called_by_the_ids_of_it() -> None:
    assert called(ASSIGNEE, of=watched(Person("u1b", "Lan N."))) == (OF_LAN,)


def test_an_assignee_without_an_entry_is_called_by_the_name_that_the_source_knows() -> None:
    assert called(ASSIGNEE, of=watched(Person("u9", "Người mới"))) == (Mention("Người mới"),)


def test_who_has_neither_entry_nor_name_is_not_called() -> None:
    assert called(ASSIGNEE, of=watched(Person("u9"))) == ()
    assert called(ASSIGNEE, of=watched()) == ()


def test_several_assignees_are_called_and_one_with_two_accounts_once() -> None:
    assert called(ASSIGNEE, of=watched(Person("u2"), Person("u1"), Person("u1b"))) == (OF_LAN, OF_MINH)


def test_whose_it_is_now_counts_not_whose_it_was_or_will_be() -> None:
    earlier = Handover(NOW - timedelta(minutes=5), (Person("u2"),), (Person("u1"),))
    later = Handover(NOW + timedelta(minutes=5), (Person("u9", "X"),), (Person("u2"),))
    assert called(ASSIGNEE, of=watched(Person("u9", "X"), handovers=(earlier, later))) == (OF_MINH,)


@pytest.mark.parametrize(
    ("team", "mentions"),
    [
        (SALES, (OF_LAN, OF_MINH)),
        (Team("vip", (LAN,), HOA, slack="S0VIP"), (Mention("vip", "S0VIP"),)),
        (Team("vip", (LAN,), HOA, telegram="-100"), (Mention("vip", None, "-100"),)),
        (Team("empty"), ()),
        (None, ()),
    ],
)
def test_a_team_is_called_by_its_group_or_else_by_its_members(team: Team | None, mentions: tuple[Mention, ...]) -> None:
    assert called(TEAM, team=team) == mentions


def test_the_manager_and_named_people_are_called() -> None:
    assert called(MANAGER) == (OF_HOA,)
    assert called(MANAGER, team=Team("x")) == ()
    assert called(Recipient(RecipientKind.STAFF, MINH), MANAGER) == (OF_MINH, OF_HOA)


def test_nobody_is_called_twice() -> None:
    assert called(ASSIGNEE, TEAM, MANAGER, of=watched(Person("u2"))) == (OF_MINH, OF_LAN, OF_HOA)


THREE = (
    Level(1, to=(ASSIGNEE,), channels=("slack",)),
    Level(2, timedelta(minutes=30), (TEAM,), ("slack", "telegram")),
    Level(3, timedelta(minutes=60), (MANAGER,)),
)


def test_levels_that_are_told_at_once_call_the_people_of_all_of_them() -> None:
    found = audience(*THREE, told=(1, 2), of=watched(Person("u9", "X")))
    assert found.mentions == (Mention("X"), OF_LAN, OF_MINH)
    assert found.channels == ("slack", "telegram")
    assert audience(*THREE, told=(2,)).mentions == (OF_LAN, OF_MINH)


def test_a_level_without_channels_goes_to_all_also_together_with_others() -> None:
    assert audience(*THREE, told=(3,)).channels == ()
    assert audience(*THREE, told=(2, 3)).channels == ()


def test_a_warning_goes_to_those_of_the_first_level() -> None:
    assert audience(*THREE, told=(0,), of=watched(Person("u1"))) == Audience("sales", ("slack",), (OF_LAN,))


def test_digests_are_the_teams() -> None:
    assert audience(Level(1), team=Team("sales", digest_from=5)) == Audience("sales", digest_from=5)
    assert audience(Level(1), team=None) == Audience()
