"""What is told together: the cap on messages, and the order among them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.news import News
from roundsman.alerts.rules.route import Rules
from roundsman.alerts.stages.group import OVERFLOW, group
from roundsman.alerts.stages.route import reach, route
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import EVERYBODY, Audience, Mention, Wording
from roundsman.repositories.notifications import NewNotification, NotificationEvent

NOW = datetime(2026, 3, 3, 4, tzinfo=UTC)
SALES = Audience("Sales", digest_from=3)


def news(number: int, audience: Audience = SALES, level: int = 1, **facts: object) -> News:
    values: dict[str, object] = {"kind": "k", "severity": Severity.MEDIUM, "since": NOW - timedelta(minutes=number)}
    return News(alert_id=number, level=level, audience=audience, **(values | facts))  # type: ignore[arg-type]  # facts of any field


def messages(found: list[News], channels: Sequence[str]) -> list[NewNotification]:
    return group(route(found, Rules(), channels))


def told(found: list[News], *channels: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(each.channel, each.alert_ids) for each in messages(found, channels or ("slack",))]


def test_a_few_are_told_one_by_one_and_from_the_stated_number_on_together() -> None:
    assert told([news(1), news(2)]) == [("slack", (2,)), ("slack", (1,))]
    assert told([news(1), news(2), news(3)]) == [("slack", (3, 2, 1))]


def test_without_a_stated_number_only_what_nobody_would_read_is_told_together() -> None:
    assert len(told([news(number, EVERYBODY) for number in range(OVERFLOW)])) == OVERFLOW
    assert len(told([news(number, EVERYBODY) for number in range(OVERFLOW + 1)])) == 1


def test_teams_levels_kinds_and_channels_are_not_mixed() -> None:
    other = Audience("Care", digest_from=3)
    found = [news(n) for n in (1, 2, 3)] + [news(n, level=2) for n in (4, 5)] + [news(n, other) for n in (6, 7, 8)]
    found += [news(9, kind="page_stale")]
    assert sorted(told(found)) == [("slack", (3, 2, 1)), ("slack", (5, 4)), ("slack", (8, 7, 6)), ("slack", (9,))]
    narrow = [news(n, Audience("Sales", ("hook",), digest_from=3)) for n in (1, 2, 3)]
    assert told(narrow, "slack", "hook") == [("hook", (3, 2, 1))]


def test_what_is_told_in_another_language_or_falls_back_on_other_channels_is_not_mixed() -> None:
    vietnamese, to_mail = replace(SALES, language=Wording.VIETNAMESE), replace(SALES, fallback=("email",))
    found = [news(1), news(2, vietnamese), news(3, to_mail), news(4, vietnamese), news(5), news(6, to_mail)]
    digests = messages(found, ["slack"])
    assert [(each.alert_ids, each.audience.language, each.audience.fallback) for each in digests] == [
        ((6, 3), None, ("email",)), ((5, 1), None, ()), ((4, 2), Wording.VIETNAMESE, ()),
    ]  # fmt: skip


def test_a_digest_is_as_urgent_as_its_worst_and_calls_everybody_once() -> None:
    lan, hoa = Mention("Lan", "U1"), Mention("Hoa", "U2")
    found = [
        news(1, Audience("Sales", mentions=(lan,), digest_from=2)),
        news(2, Audience("Sales", mentions=(hoa, lan), digest_from=2), severity=Severity.HIGH),
    ]
    (digest,) = messages(found, ["slack"])
    assert digest.rank == found[1].rank
    assert digest.audience.mentions == (hoa, lan)
    assert digest.is_digest


def test_critical_ones_are_told_apart() -> None:
    found = [news(number, severity=Severity.CRITICAL if number > 3 else Severity.HIGH) for number in range(1, 6)]
    assert told(found) == [("slack", (5, 4)), ("slack", (3, 2, 1))]


def test_what_is_told_first() -> None:
    ranks = [news(1, severity=severity, level=level).rank for severity in Severity for level in (5000, 3, 2, 1, 0)]
    assert ranks == sorted(ranks)
    assert news(1, level=0).event is NotificationEvent.WARNING
    assert news(1).event is NotificationEvent.FIRING


def test_an_audience_reaches_the_channels_that_exist_or_else_all() -> None:
    assert reach(Audience(channels=("hook", "pager", "hook")), ["slack", "hook"]) == ("hook",)
    assert reach(Audience(channels=("pager",)), ["slack", "hook"]) == ("slack", "hook")
    assert reach(EVERYBODY, ["slack"]) == ("slack",)


@given(
    found=st.lists(st.tuples(st.sampled_from(["Sales", "Care", None]), st.integers(0, 3)), max_size=60),
    digest_from=st.integers(1, 8),
)
def test_the_cap_holds_and_everybody_is_told_of_everything_once(
    found: list[tuple[str | None, int]], digest_from: int
) -> None:
    everything = [news(n, Audience(team, digest_from=digest_from), level) for n, (team, level) in enumerate(found)]
    drafts = messages(everything, ["slack", "hook"])
    levels = {(each.audience.team, each.level) for each in everything}
    for channel in ("slack", "hook"):
        mine = [draft for draft in drafts if draft.channel == channel]
        assert Counter(n for draft in mine for n in draft.alert_ids) == Counter(range(len(found)))
        for team in {team for team, _ in levels}:
            count = sum(draft.audience.team == team for draft in mine)
            assert count <= max(sum(each == team for each, _ in levels), digest_from - 1)
