"""A customer whom somebody has dealt with by hand: nobody is told any more until they write again."""

from pathlib import Path

import pytest
from alert_samples import ZONE
from chats import ago, conversation, export, message, page, staff
from rounds import Rounds, levels

from roundsman.alerts.action import Action
from roundsman.alerts.answerers import Answerer, Answerers
from roundsman.alerts.answers import AnswerDesk, Texts
from roundsman.alerts.reply import Reply
from roundsman.alerts.templates import Language
from roundsman.clock import ManualClock
from roundsman.conversations.roster import Roster
from roundsman.conversations.source import StoreSource
from roundsman.monitor.case import KIND
from roundsman.monitor.closing import ClosingOfWaits
from roundsman.monitor.findings import look_into
from roundsman.monitor.timeline import timeline
from roundsman.repositories.alert_answers import Answered
from roundsman.repositories.engine import Store

QUESTION = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(0))])
NEWS = {"opened", "escalated"}


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Rounds:
    """Somebody has waited for 20 minutes and was told of."""
    made = Rounds(store, clock, tmp_path, levels(15, 30, 60, warn_before=5))
    made.take(QUESTION)
    made.walk_until(20)
    return made


def deal_with(desk: Rounds, action: Action = Action.RESOLVE) -> Reply:
    """The newest alert."""
    answers = AnswerDesk(
        desk.store,
        desk.clock,
        lambda: None,
        answerers=Answerers,
        policies=lambda: desk.book,
        texts=lambda: Texts(Language.ENGLISH, ZONE),
        closings={KIND: ClosingOfWaits()},
    )
    return answers.answer(desk.alerts()[-1].id, action, Answerer("Lan"))


def late(desk: Rounds) -> list[str]:
    with desk.store.read() as connection:
        found = Roster(desk.book, StoreSource()).due_now(connection, desk.clock.now())
    return [each.verdict.conversation_id for each in found]


def test_no_further_level_is_told_and_nothing_is_opened_anew(desk: Rounds) -> None:
    assert late(desk) == ["100_1"]
    assert deal_with(desk).outcome is Answered.TAKEN
    assert late(desk) == [], "also before the monitor has looked"
    assert not any(NEWS & each.keys() for each in desk.walk_until(180))
    (alert,) = desk.alerts()
    assert (alert.status, alert.resolution, alert.level) == ("resolved", "resolved by Lan", 1)
    assert desk.rows() == {}, "nobody waits there any more"
    assert desk.verdicts() == {"100_1": "answered"}


def test_what_the_customer_writes_next_is_a_new_wait_of_its_own(desk: Rounds) -> None:
    deal_with(desk)
    desk.walk_until(40)
    written = desk.clock.now()
    desk.take(export(messages=[message("m2", written)]))
    told = [minute for minute, each in enumerate(desk.walk_until(40), start=1) if NEWS & each.keys()]
    assert told == [11, 16, 31], "its warning and its levels, counted from the new message"
    first, second = desk.alerts()
    assert (first.status, second.status, second.since_at) == ("resolved", "firing", written)


def test_the_same_export_once_more_opens_nothing(desk: Rounds) -> None:
    deal_with(desk)
    desk.take(QUESTION)
    assert not any(NEWS & each.keys() for each in desk.walk_until(60))
    desk.take(export(messages=[message("m0", ago(-5))]))
    assert not any(NEWS & each.keys() for each in desk.walk_until(60)), "written before, known only now"
    assert len(desk.alerts()) == 1


def test_a_warning_can_be_dealt_with_as_well(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    desk = Rounds(store, clock, tmp_path, levels(15, 30, warn_before=5))
    desk.take(QUESTION)
    desk.walk_until(12)
    assert deal_with(desk).outcome is Answered.TAKEN
    assert not any(NEWS & each.keys() for each in desk.walk_until(60))


def test_an_answer_later_on_is_no_news_and_the_next_question_is(desk: Rounds) -> None:
    deal_with(desk)
    desk.take(export(messages=[message("m2", desk.clock.now(), staff())]))
    assert not any((NEWS | {"resolved"}) & each.keys() for each in desk.walk_until(20))
    desk.take(export(messages=[message("m3", desk.clock.now())]))
    assert sum(each.get("opened", 0) for each in desk.walk_until(20)) == 1


def test_two_who_deal_with_it_one_after_the_other_close_one_wait(desk: Rounds) -> None:
    assert deal_with(desk).outcome is Answered.TAKEN
    assert deal_with(desk).outcome is Answered.OVER
    desk.walk_until(1)
    desk.take(export(messages=[message("m2", desk.clock.now())]))
    desk.walk_until(20)
    assert deal_with(desk).outcome is Answered.TAKEN
    assert not any(NEWS & each.keys() for each in desk.walk_until(120))
    assert [alert.status for alert in desk.alerts()] == ["resolved", "resolved"]


def test_who_asks_why_sees_that_somebody_has_dealt_with_it(desk: Rounds) -> None:
    deal_with(desk)
    desk.walk_until(5)
    with desk.store.read() as connection:
        found = look_into(connection, StoreSource(), desk.book, "100_1", desk.clock.now())
    assert found is not None
    said = [(event.who, event.what) for event in timeline(found)]
    assert ("Lan", "said that it is dealt with") in said
