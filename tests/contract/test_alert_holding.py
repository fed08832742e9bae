"""What is held back and when it is let go, over both databases: silences, inhibitions, quiet hours, repeats, rises."""

import logging
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from alert_outbox import Outbox
from alert_samples import KIND, unreplied
from shift_samples import calendar, local, week

from roundsman.alerts.condition import Condition
from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import Inhibition, Route, RouteLevel, Rules
from roundsman.alerts.silencing import Ended, Silencer
from roundsman.cli.alert_why import words_of
from roundsman.clock import ManualClock
from roundsman.repositories.alert_answers import AlertAnswers, Answered, Author
from roundsman.repositories.alerts import AlertRepository, Severity
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.engine import Store
from roundsman.repositories.silences import NewSilence, Silence

LAN, HOA = Mention("Lan", "U0LAN", "77", key="lan"), Mention("Hoa", "U0HOA", "88", key="hoa")
DAY = calendar(week(mon_sun=["08:00-18:00"]))
LATE_SHIFT = calendar(week(mon_sun=["14:00-22:00"]))
NIGHT, MORNING = local("2026-03-03 23:00"), local("2026-03-04 08:00")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NIGHT)


@pytest.fixture
def outbox(store: Store, clock: ManualClock) -> Outbox:
    return Outbox(store, clock)


def matchers(*written: str) -> tuple[Matcher, ...]:
    return tuple(map(Matcher.parse, written))


def silenced(outbox: Outbox, *written: str, hours: float = 2, begins_in: float = 0) -> tuple[Silence, int]:
    start = outbox.clock.now() + timedelta(hours=begins_in)
    draft = NewSilence(written, "Minh", "moving house", start, start + timedelta(hours=hours))
    with outbox.store.write() as connection:
        return Silencer().add(connection, draft, outbox.clock.now())


def statuses(outbox: Outbox, channel: str = "slack") -> list[tuple[str, int, str]]:
    return [(subject, level, status) for subject, _, level, status in outbox.told(channel)]


def log_of(outbox: Outbox, subject: str) -> list[str]:
    return [entry.event.value for entry in outbox.trail(subject)]


# --- silences ---


def test_what_a_silence_means_is_held_until_its_end_and_told_then_if_it_goes_on(outbox: Outbox) -> None:
    silenced(outbox, f"kind={KIND}")
    outbox.fire("1", "2")
    assert statuses(outbox) == [("1", 1, "held"), ("2", 1, "held")]
    assert outbox.drain() == []
    outbox.resolve("2")
    assert outbox.keep(hours=1, minutes=59) == 0
    outbox.keep(minutes=1)
    (claim,) = outbox.drain()
    assert outbox.subjects(claim.shows) == ["1"]
    assert statuses(outbox) == [("1", 1, "sent"), ("2", 1, "cancelled")]
    assert log_of(outbox, "1") == ["opened", "held", "held", "told"]
    assert "silence 1 of Minh (moving house)" in str(outbox.trail("1")[1].detail["reason"])


def test_a_silence_holds_nothing_else_and_nothing_before_its_beginning(outbox: Outbox) -> None:
    silenced(outbox, "kind=page_stale")
    silenced(outbox, f"kind={KIND}", begins_in=1)
    outbox.fire("1")
    assert len(outbox.drain()) == 1
    outbox.keep(hours=1)
    outbox.fire("2")
    assert statuses(outbox) == [("1", 1, "sent"), ("2", 1, "held")]


def test_a_new_silence_keeps_back_what_is_about_to_leave_and_takes_it_out_of_digests(outbox: Outbox) -> None:
    outbox.fire("1", "2", "3", audience=Audience("Sales", digest_from=3))
    outbox.fire("4")
    _, kept = silenced(outbox, "conversation_id=~[14]")
    assert kept == 4  # two alerts on two channels
    digest, *others = outbox.drain()
    assert (outbox.subjects(digest.shows), others) == (["2", "3"], [])
    outbox.keep(hours=2)
    assert sorted(outbox.subjects([each for claim in outbox.drain() for each in claim.shows])) == ["1", "4"]


def test_a_silence_that_is_ended_lets_go_at_once(outbox: Outbox) -> None:
    made, _ = silenced(outbox, f"kind={KIND}")
    outbox.fire("1")
    with outbox.store.write() as connection:
        ends = [Silencer().end(connection, number, "Lan", outbox.clock.now()) for number in (made.id, made.id, 99)]
    assert ends == [Ended.ENDED, Ended.OVER, Ended.UNKNOWN]
    outbox.keep()
    assert len(outbox.drain()) == 1


def test_of_two_silences_the_later_end_counts(outbox: Outbox) -> None:
    silenced(outbox, f"kind={KIND}", hours=1)
    outbox.fire("1")
    silenced(outbox, "severity=medium", hours=3)
    outbox.keep(hours=1)
    assert statuses(outbox) == [("1", 1, "held")]
    outbox.keep(hours=2)
    assert len(outbox.drain()) == 1


def test_a_storm_that_is_let_go_is_one_message(outbox: Outbox) -> None:
    silenced(outbox, f"kind={KIND}")
    names = [str(number) for number in range(450)]
    outbox.fire(*names)
    outbox.keep(hours=2)
    (digest,) = outbox.drain()
    assert len(digest.shows) == len(names)


# --- inhibition ---


def stale_page(outbox: Outbox, page: str) -> None:
    labels = {"page_id": page}
    with outbox.book().transaction("monitor") as desk:
        desk.fire(Condition("page_stale", page, Severity.HIGH, outbox.clock.now(), labels, {}))


def resolve(outbox: Outbox, fingerprint: str) -> None:
    with outbox.book().transaction("monitor") as desk:
        desk.resolve(fingerprint, "there is data again")


def test_a_page_without_data_mutes_its_customers_until_there_is_data_again(outbox: Outbox) -> None:
    stale_page(outbox, "shop-a")
    outbox.fire("1")  # of that page
    outbox.drain()
    assert statuses(outbox)[0] == ("1", 1, "held")
    assert outbox.keep(minutes=59) == 0
    outbox.keep(minutes=2)  # it is looked at again from time to time, and held on
    assert statuses(outbox)[0] == ("1", 1, "held")
    assert log_of(outbox, "1").count("held") == 2  # one for each channel: what is only held on is not noted again
    resolve(outbox, "page_stale:shop-a")
    outbox.keep()
    assert statuses(outbox)[0] == ("1", 1, "pending")


def test_another_page_mutes_nothing(outbox: Outbox) -> None:
    stale_page(outbox, "shop-b")
    outbox.fire("1")
    assert statuses(outbox)[0] == ("1", 1, "pending")


def test_two_that_mute_each_other_do_not(outbox: Outbox) -> None:
    one = Inhibition("one", matchers("kind=page_stale"), matchers(f"kind={KIND}"))
    other = Inhibition("other", matchers(f"kind={KIND}"), matchers("kind=page_stale"))
    outbox.rules = Rules(inhibitions=(one, other))
    stale_page(outbox, "shop-a")
    outbox.fire("1")
    assert {status for _, _, status in statuses(outbox)} == {"pending"}


def test_three_that_mute_each_other_in_a_circle_do_not(outbox: Outbox) -> None:
    steps = [("disk_full", "backup_failed"), ("backup_failed", "copy_old"), ("copy_old", "disk_full")]
    outbox.rules = Rules(
        inhibitions=tuple(
            Inhibition(f"{one} explains {other}", matchers(f"kind={one}"), matchers(f"kind={other}"))
            for one, other in [*steps, ("copy_old", KIND)]
        )
    )
    with outbox.book().transaction("monitor") as desk:
        desk.fire_all([Condition(kind, "/", Severity.HIGH, outbox.clock.now(), {}, {}) for kind, _ in steps])
    outbox.fire("1")
    assert {subject: status for subject, _, status in statuses(outbox)} == {
        "disk_full:/": "pending", "backup_failed:/": "pending", "copy_old:/": "pending", "1": "held",
    }  # fmt: skip
    assert outbox.trail("1")[1].detail["reason"] == "alert 2 (copy_old:/) explains it"


# --- quiet hours ---


def test_outside_the_hours_of_a_route_messages_wait_and_leave_as_one(outbox: Outbox) -> None:
    outbox.rules = Rules((Route("calm", hours=DAY),))
    outbox.fire("1", audience=Audience("Sales"))
    outbox.clock.advance(timedelta(hours=1))
    outbox.fire("2", "3", audience=Audience("Sales"))
    assert {status for _, _, status in statuses(outbox)} == {"held"}
    outbox.resolve("2")
    outbox.clock.advance(MORNING - outbox.clock.now() - timedelta(seconds=1))
    assert outbox.keep() == 0
    outbox.keep(seconds=1)
    (digest,) = outbox.drain()
    assert outbox.subjects(digest.shows) == ["1", "3"]
    outbox.resolve("1", "3")
    assert [claim.edits for claim in outbox.drain()] == [digest.id]


def test_what_is_bad_enough_passes_at_any_hour(outbox: Outbox) -> None:
    outbox.rules = Rules((Route("calm", hours=DAY, passes_from=Severity.HIGH),))
    stale_page(outbox, "shop-b")
    outbox.fire("1")
    assert {(subject, status) for subject, _, status in statuses(outbox)} == {
        ("page_stale:shop-b", "pending"), ("1", "held"),
    }  # fmt: skip


def test_who_is_off_duty_is_called_at_the_start_of_the_next_shift_and_the_others_now(outbox: Outbox) -> None:
    outbox.clock.advance(local("2026-03-04 09:00") - outbox.clock.now())
    outbox.rules = Rules(hours_of={"lan": DAY, "hoa": LATE_SHIFT})
    outbox.fire("1", audience=Audience("Sales", ("slack",), (LAN, HOA)))
    first = outbox.send()
    assert [each.name for each in first.audience.mentions] == ["Lan"]
    assert outbox.drain() == []
    outbox.keep(hours=5)
    later = outbox.send()
    assert [each.name for each in later.audience.mentions] == ["Hoa"]
    outbox.resolve("1")
    assert sorted(claim.edits or 0 for claim in outbox.drain()) == [first.id, later.id]


def test_a_chat_with_somebody_off_duty_alone_is_left_in_peace(store: Store, clock: ManualClock) -> None:
    outbox = Outbox(store, clock, channels=("slack", "telegram:77"), rules=Rules(hours_of={"lan": DAY}))
    outbox.fire("1", audience=Audience("Sales", (), (LAN,)))
    # In the chat of all, the news comes at once, and the call for Lan in the morning
    assert statuses(outbox) == [("1", 1, "held"), ("1", 1, "pending")]
    assert statuses(outbox, "telegram:77") == [("1", 1, "held")]


# --- snoozes and repeats ---


def snooze(outbox: Outbox, subject: str, hours: float) -> None:
    now = outbox.clock.now()
    with outbox.store.write() as connection:
        answered = AlertAnswers().snooze(
            connection, outbox.alert(subject).id, Author("Lan"), now, until=now + timedelta(hours=hours)
        )
    assert answered is Answered.TAKEN


def test_at_the_end_of_a_snooze_those_who_were_told_are_told_again(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.send()
    snooze(outbox, "1", 1)
    snooze(outbox, "1", 2)  # changed his mind
    assert outbox.keep(hours=1, minutes=59) == 0
    outbox.keep(minutes=1)
    again = outbox.send()
    assert (again.level, outbox.subjects(again.shows)) == (1, ["1"])
    outbox.resolve("1")
    assert len(outbox.drain()) == 2  # the end goes to both


def test_a_snoozed_alert_that_ends_is_not_told_again(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.send()
    snooze(outbox, "1", 1)
    outbox.resolve("1")
    outbox.keep(hours=2)
    assert [claim.event.value for claim in outbox.drain()] == ["resolved"]


def acknowledge(outbox: Outbox, subject: str) -> None:
    with outbox.store.write() as connection:
        number = outbox.alert(subject).id
        AlertAnswers().acknowledge(connection, number, Author("Lan"), outbox.clock.now())


def test_what_goes_on_is_told_again_until_somebody_takes_it(outbox: Outbox) -> None:
    outbox.rules = Rules((Route("loud", repeat=timedelta(hours=4)),))
    outbox.fire("1")
    outbox.drain()
    for _ in range(3):
        assert outbox.keep(hours=3) == 0
        outbox.keep(hours=1)
        assert len(outbox.drain()) == 1
    acknowledge(outbox, "1")
    outbox.keep(hours=4)
    assert [claim.event.value for claim in outbox.drain()] == ["changed"], "the last message shows who has it"
    assert outbox.keep(hours=40) == 0
    assert [entry.detail.get("reason") for entry in outbox.trail("1") if entry.event.value == "cancelled"] == [
        "somebody has acknowledged it"
    ] * 2
    outbox.resolve("1")
    assert len(outbox.drain()) == 4


def test_a_level_that_has_risen_is_not_repeated(outbox: Outbox) -> None:
    outbox.rules = Rules((Route("loud", repeat=timedelta(hours=4)),))
    outbox.fire("1")
    outbox.drain()
    outbox.keep(hours=2)
    outbox.escalate("1", level=2)
    outbox.drain()
    outbox.keep(hours=2)
    assert outbox.drain() == []
    outbox.keep(hours=2)
    assert [claim.level for claim in outbox.drain()] == [2]


# --- channels that are gone ---


def test_what_waits_for_a_channel_that_is_not_set_up_any_more_is_told_on_others(outbox: Outbox) -> None:
    outbox.rules = Rules((Route("calm", hours=DAY),))
    outbox.fire("1", "2", audience=Audience("Sales", ("slack",)))
    acknowledge(outbox, "2")
    outbox.fire("3", audience=Audience("Sales"))  # on both
    outbox.channels = ("hook",)
    outbox.keep(hours=9)
    assert [outbox.subjects(claim.shows) for claim in outbox.drain("hook")] == [["3"]]
    outbox.keep(minutes=15)
    assert outbox.drain("hook") == [], "it may be set up again"
    outbox.keep(seconds=1)
    assert [outbox.subjects(claim.shows) for claim in outbox.drain("hook")] == [["1"]]
    assert {status for _, _, status in statuses(outbox)} == {"cancelled"}
    assert outbox.trail("1")[-2].detail["reason"] == "the channel is not set up any more; it goes where it would go now"
    assert outbox.keep(days=1) == 0


def test_changes_for_a_channel_that_is_gone_are_given_up_after_a_day_so_that_their_alerts_can_go(
    outbox: Outbox,
) -> None:
    outbox.fire("1", "2", "3", audience=Audience("Sales", ("slack", "hook")))
    outbox.drain()
    outbox.drain("hook")
    outbox.resolve("1", "2")
    acknowledge(outbox, "3")
    outbox.channels = ("hook",)
    outbox.drain("hook")
    outbox.keep(hours=23)
    assert {status for _, event, _, status in outbox.told() if event == "resolved"} == {"pending"}, "it may come back"
    outbox.keep(hours=2)
    assert {status for _, event, _, status in outbox.told() if event == "resolved"} == {"cancelled"}
    for subject in ("1", "2"):
        last = outbox.trail(subject)[-1]
        assert (last.event, last.channel, last.detail["news"]) == ("cancelled", "slack", "resolved")
        assert words_of(last, ZoneInfo("UTC")) == (
            "not told of its end on slack: the channel is not set up any more, and the message that was to show it is "
            "there alone"
        )
    assert outbox.trail("3")[-1].detail["news"] == "changed"
    assert outbox.keep(days=1) == 0
    with outbox.store.write() as connection:
        assert AlertRepository().prune(connection, outbox.clock.now(), limit=9) == 2


# --- rising by a route ---

STEPS = (RouteLevel(2, timedelta(minutes=15), (LAN,)), RouteLevel(3, timedelta(minutes=45), (HOA,), ("hook",)))


def test_what_nobody_takes_rises_by_its_route_and_the_end_of_the_chain_is_said(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.rules = Rules((Route("ops", channels=("slack",), levels=STEPS),))
    outbox.fire("1")
    assert outbox.keep(minutes=14) == 0
    outbox.keep(minutes=1)
    claims = outbox.drain()  # the higher level leaves first
    assert [(claim.level, claim.audience.mentions) for claim in claims] == [(2, (LAN,)), (1, ())]
    outbox.keep(minutes=30)
    assert outbox.drain() == []
    assert [(each.level, each.audience.mentions) for each in outbox.drain("hook")] == [(3, (HOA,))]
    caplog.clear()
    outbox.keep(minutes=29)
    assert not caplog.records
    outbox.keep(minutes=1)
    assert [(record.levelno, record.getMessage()[:34]) for record in caplog.records] == [
        (logging.CRITICAL, "Nobody has answered to alert 1 (co")
    ]
    assert outbox.keep(days=9) == 0
    assert log_of(outbox, "1")[-1] == "chain_ended"


def test_nobody_is_missed_while_all_that_tells_of_it_is_held(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    outbox.rules = Rules((Route("ops", channels=("slack",), levels=STEPS, hours=DAY),))
    outbox.fire("1")
    for _ in range(9):
        outbox.keep(hours=1)
    assert [claim.level for claim in (*outbox.drain(), *outbox.drain("hook"))] == [2, 3]
    outbox.keep(minutes=29)
    assert not caplog.records
    outbox.keep(minutes=1)
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


def test_what_somebody_has_taken_does_not_rise(outbox: Outbox) -> None:
    outbox.rules = Rules((Route("ops", channels=("slack",), levels=STEPS),))
    outbox.fire("1", "2")
    acknowledge(outbox, "1")
    snooze(outbox, "2", 1)
    outbox.keep(minutes=20)
    assert (outbox.alert("1").level, outbox.alert("2").level) == (1, 1)
    outbox.keep(hours=1)
    assert (outbox.alert("1").level, outbox.alert("2").level) == (1, 2)
    assert outbox.keep(hours=1) == 1
    assert (outbox.alert("1").level, outbox.alert("2").level) == (1, 3)


def test_a_route_for_a_team_is_found_again_when_the_alert_rises(outbox: Outbox) -> None:
    outbox.rules = Rules((Route("sales", matchers("team=Sales"), channels=("slack",), levels=STEPS),))
    outbox.fire("1", audience=Audience("Sales"))
    outbox.drain()
    outbox.keep(minutes=15)
    (claim,) = outbox.drain()
    assert (claim.level, claim.audience.team, claim.audience.mentions) == (2, "Sales", (LAN,))


def test_a_chain_that_no_route_knows_ends_where_its_job_says_so(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    condition = unreplied("1", outbox.clock.now())
    with outbox.book().transaction("monitor") as desk:
        desk.fire(Condition(**{**vars(condition), "unanswered_after": timedelta(minutes=30)}))
    outbox.keep(minutes=31)
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
