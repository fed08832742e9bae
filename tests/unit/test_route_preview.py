"""Where an alert would go by the rules, and why."""

from datetime import UTC, datetime, timedelta

import pytest
from policy_samples import SHOP, rules_of

from roundsman.alerts.preview import Preview, preview
from roundsman.alerts.rules.facts import facts_of
from roundsman.alerts.rules.route import DEFAULT_ROUTE, Rules
from roundsman.repositories.alerts import Severity

OPEN = datetime(2026, 3, 3, 4, tzinfo=UTC)
CLOSED = OPEN + timedelta(hours=1)
NEXT_MORNING = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)
RULES = (
    SHOP
    + """\
[staff.lan]
name = "Lan"
[staff.hoa]
name = "Hoa"
calendar = "shop"
[[route]]
name = "held"
match = ["kind=held"]
channels = ["slack"]
mention = ["hoa"]
calendar = "shop"
[[route.level]]
after = "1h"
to = ["lan"]
channels = ["console"]
[[route]]
name = "always"
match = ["kind=~job_.*", "page_id!=3"]
mention = ["lan", "hoa"]
passes_from = "high"
[[route]]
name = "elsewhere"
match = ["severity=low"]
channels = ["slack"]
"""
)


def found(kind: str, now: datetime, severity: Severity = Severity.MEDIUM, level: int = 1, page: str = "1") -> Preview:
    facts = facts_of(kind, severity, level, "subject", None, {"page_id": page})
    return preview(rules_of(RULES), facts, ("console", "slack"), now)


def test_the_routes_before_it_are_passed_each_for_a_reason() -> None:
    seen = found("job_failing", OPEN)
    assert seen.route.name == "always"
    assert [(route.name, str(matcher)) for route, matcher in seen.passed] == [("held", "kind=held")]
    seen = found("job_failing", OPEN, Severity.LOW, page="3")
    assert seen.route.name == "elsewhere"
    assert [str(matcher) for _, matcher in seen.passed] == ["kind=held", "page_id!=3"]


def test_what_no_route_means_goes_everywhere() -> None:
    seen = found("other", CLOSED)
    assert seen.route is DEFAULT_ROUTE
    assert (seen.channels, seen.mentions, seen.wait) == (("console", "slack"), (), None)
    assert [route.name for route, _ in seen.passed] == ["held", "always", "elsewhere"]


def test_outside_of_its_hours_a_route_holds_what_is_not_bad_enough() -> None:
    assert found("held", OPEN).wait is None
    wait = found("held", CLOSED).wait
    assert wait is not None
    assert (wait.hours.name, wait.until) == ("shop", NEXT_MORNING)
    assert found("held", CLOSED, Severity.HIGH).wait is not None
    assert found("held", CLOSED, Severity.CRITICAL).wait is None


def test_who_is_off_duty_is_called_later_unless_it_is_bad_enough() -> None:
    seen = found("job_failing", CLOSED)
    assert [mention.name for mention in seen.mentions] == ["Lan", "Hoa"]
    assert {mention.name: wait.until for mention, wait in seen.off_duty.items()} == {"Hoa": NEXT_MORNING}
    assert found("job_failing", CLOSED, Severity.HIGH).off_duty == {}
    assert found("job_failing", OPEN).off_duty == {}
    assert found("held", CLOSED).off_duty == {}  # all of it waits


def test_in_a_chat_with_somebody_who_is_off_duty_all_of_it_waits() -> None:
    rules = rules_of(
        SHOP + '[staff.hoa]\nname = "Hoa"\ntelegram = "88"\ncalendar = "shop"\n'
        '[[route]]\nname = "hers"\nmention = ["hoa"]\n'
    )
    facts = facts_of("held", Severity.MEDIUM, 1, "subject", None, {})
    seen = preview(rules, facts, ("telegram:88",), CLOSED)
    assert seen.wait is not None
    assert (seen.wait.until, seen.off_duty) == (NEXT_MORNING, {})
    assert preview(rules, facts, ("telegram:88",), OPEN).wait is None
    beside = preview(rules, facts, ("telegram:88", "console"), CLOSED)
    assert (beside.wait, [mention.name for mention in beside.off_duty]) == (None, ["Hoa"])


def test_a_level_has_its_own_people_and_channels() -> None:
    assert found("held", OPEN).channels == ("slack",)
    seen = found("held", OPEN, level=2)
    assert seen.channels == ("console",)
    assert [mention.name for mention in seen.mentions] == ["Lan", "Hoa"]


def test_a_channel_that_is_gone_means_all_others() -> None:
    facts = facts_of("held", Severity.HIGH, 1, "subject", None, {})
    assert preview(rules_of(RULES), facts, ("console",), OPEN).channels == ("console",)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("conversation_unreplied", ["a page without data"]),
        ("page_stale", ["a page whose sync has stopped"]),
        ("sync_failed", []),
    ],
)
def test_what_can_mute_it_is_told(kind: str, names: list[str]) -> None:
    facts = facts_of(kind, Severity.HIGH, 1, "subject", None, {})
    assert [each.name for each in preview(Rules(), facts, ("console",), OPEN).can_be_muted] == names


def test_a_label_cannot_hide_what_an_alert_is() -> None:
    facts = facts_of("held", Severity.HIGH, 1, "subject", "sync", {"kind": "other", "level": "9", "page_id": "1"})
    assert facts == {
        "kind": "held", "severity": "high", "level": "1", "subject": "subject", "job": "sync", "page_id": "1",
    }  # fmt: skip
