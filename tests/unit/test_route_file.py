"""What the sections about alerts in a file of policies mean."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from policy_samples import POLICY, SHOP, read_both, rules_of

from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import BUILT_IN, DEFAULT_ROUTE, Inhibition, Route, RouteLevel, Wording
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention

EXAMPLE = Path(__file__).parents[2] / "config" / "policies.toml"
PEOPLE = """\
[staff.lan]
name = "Lan"
slack = "U0LAN"
[staff.hoa]
telegram = "@hoa_manager"
calendar = "shop"
[team.sales]
members = ["lan", "hoa"]
[team.it]
slack = "S0IT"
"""
LAN = Mention("Lan", "U0LAN", None, "lan")
HOA = Mention("hoa", None, "@hoa_manager", "hoa")
IT = Mention("it", "S0IT")


def test_everything_that_can_be_said_of_a_route() -> None:
    rules = rules_of(
        SHOP
        + PEOPLE
        + """
        [[route]]
        name = "jobs"
        match = ["kind=~job_.*", "severity=~high|critical"]
        channels = ["slack"]
        fallback = ["console"]
        mention = ["lan", "it"]
        calendar = "shop"
        passes_from = "high"
        group_by = ["page_id", "watched_job"]
        digest_from = 5
        repeat = "4h"
        gives_up_after = "1h"
        language = "vi"
        [[route.level]]
        after = "30m"
        to = ["sales", "lan"]
        channels = ["console"]
        [[route.level]]
        after = "1h"
        """.replace("        ", "")
    )
    (route,) = rules.routes
    hours = route.hours
    assert hours is not None
    assert hours.name == "shop"
    assert route == Route(
        "jobs",
        (Matcher.parse("kind=~job_.*"), Matcher.parse("severity=~high|critical")),
        channels=("slack",),
        fallback=("console",),
        mentions=(LAN, IT),
        hours=hours,
        passes_from=Severity.HIGH,
        group_by=("page_id", "watched_job"),
        digest_from=5,
        repeat=timedelta(hours=4),
        levels=(
            RouteLevel(2, timedelta(minutes=30), (LAN, HOA), ("console",)),
            RouteLevel(3, timedelta(hours=1)),
        ),
        gives_up_after=timedelta(hours=1),
        language=Wording.VIETNAMESE,
    )
    assert [mention.key for mention in route.levels[0].mentions] == ["lan", "hoa"]


def test_a_route_with_a_name_alone_means_every_alert_and_changes_nothing() -> None:
    (route,) = rules_of('[[route]]\nname = "rest"').routes
    assert route == Route("rest")
    assert route.covers({"kind": "anything"})


def test_nobody_answers_as_long_after_the_last_level_as_that_came_after_the_one_before_it() -> None:
    levels = '[[route.level]]\nafter = "30m"\n[[route.level]]\nafter = "2h"\n'
    text = '[[route]]\nname = "rest"\n'
    found = [rules_of(each).routes[0].unanswered_after for each in (text, text + levels[:30], text + levels)]
    assert found == [None, timedelta(minutes=30), timedelta(minutes=90)]
    (route,) = rules_of(text + 'gives_up_after = "5m"\n' + levels).routes
    assert route.unanswered_after == timedelta(minutes=5)


def test_the_first_route_that_means_an_alert_is_in_force() -> None:
    rules = rules_of(
        '[[route]]\nname = "a"\nmatch = "kind=a"\n[[route]]\nname = "b"\nmatch = ["kind=~a|b", "severity=high"]\n'
    )
    assert rules.route_for({"kind": "a", "severity": "high"}).name == "a"
    assert rules.route_for({"kind": "b", "severity": "high"}).name == "b"
    assert rules.route_for({"kind": "b", "severity": "low"}) is DEFAULT_ROUTE


def test_people_have_hours_of_their_own() -> None:
    hours = rules_of(SHOP + PEOPLE).hours_of
    assert list(hours) == ["hoa"]
    assert hours["hoa"].is_open(datetime(2026, 3, 3, 4, tzinfo=UTC))
    assert not hours["hoa"].is_open(datetime(2026, 3, 3, 5, tzinfo=UTC))


def test_inhibitions_stand_beside_those_that_are_always_there() -> None:
    text = '[[inhibit]]\nname = "x"\nsource = ["kind=a"]\ntarget = ["kind=b", "severity!=critical"]\nequal = ["job"]\n'
    rules = rules_of(text)
    own = Inhibition(
        "x",
        (Matcher.parse("kind=a"),),
        (Matcher.parse("kind=b"), Matcher.parse("severity!=critical")),
        ("job",),
    )
    assert rules.inhibitions == (*BUILT_IN, own)
    source, target = {"kind": "a", "job": "sync"}, {"kind": "b", "job": "sync", "severity": "high"}
    assert own.mutes(source, target)
    assert not own.mutes(target, source)
    assert not own.mutes(source, target | {"job": "other"})
    assert not own.mutes(source, target | {"severity": "critical"})
    assert not own.mutes({"kind": "a"}, {"kind": "b"})  # neither of them has the label


def test_alerts_that_could_mute_each_other_are_both_told() -> None:
    storm = Inhibition("storm", (Matcher.parse("severity=critical"),), (Matcher.parse("kind=~job_.*"),))
    critical_job = {"kind": "job_failing", "severity": "critical"}
    assert storm.mutes({"kind": "sync_failed", "severity": "critical"}, critical_job)
    assert storm.mutes(critical_job, {"kind": "job_missed", "severity": "low"})
    assert not storm.mutes(critical_job, critical_job)
    assert not storm.mutes(critical_job, {"kind": "job_missed", "severity": "critical"})


def test_both_halves_of_a_file_are_read_and_have_versions_of_their_own() -> None:
    book, rules = read_both(SHOP + POLICY)
    other_book, other_rules = read_both(SHOP + POLICY + '[[route]]\nname = "rest"\n')
    assert book.version == other_book.version
    assert rules.version != other_rules.version
    assert rules.version == rules_of("# another remark\n" + SHOP + POLICY).version


def test_hours_of_a_route_and_of_people_are_part_of_the_version() -> None:
    text = SHOP + PEOPLE + '[[route]]\nname = "rest"\ncalendar = "shop"\n'
    later = text.replace("08:30", "09:30")
    assert rules_of(text).version == rules_of(text).version
    assert rules_of(text).version != rules_of(later).version
    assert rules_of(SHOP + PEOPLE).version != rules_of((SHOP + PEOPLE).replace("08:30", "09:30")).version


def test_the_example_that_is_shipped_has_routes() -> None:
    assert rules_of(EXAMPLE.read_text(encoding="utf-8")).routes
