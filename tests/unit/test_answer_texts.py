"""What is said to whoever answers, and what a message shows of answers, in both languages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from alert_samples import ZONE

from roundsman.alerts.action import Action
from roundsman.alerts.answerers import Answerer, Answerers
from roundsman.alerts.message import Item, Message
from roundsman.alerts.reply import Refused, Reply
from roundsman.alerts.templates import Language, render
from roundsman.alerts.templates.answers import sentence, with_answers
from roundsman.conversations.policies.staff import Staff
from roundsman.repositories.alert_answers import Answered
from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.notifications import NotificationEvent

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
EN, VI = Language.ENGLISH, Language.VIETNAMESE
PLAIN = Message("title", ("a fact",), Severity.MEDIUM, NotificationEvent.FIRING)


def alert(number: int = 1, kind: str = "conversation_unreplied", **facts: Any) -> Alert:
    plain = Alert(number, f"{kind}:{number}", kind, Severity.MEDIUM, AlertStatus.FIRING, 1, "monitor", {}, {}, NOW, NOW)
    return replace(plain, **facts)


def shown(*alerts: Alert, message: Message = PLAIN, language: Language = EN) -> Message:
    return with_answers(message, alerts, 42, language, NOW, ZONE)


def offered(*alerts: Alert) -> list[Action]:
    return [answer.action for answer in shown(*alerts).answers]


def taken(by: str = "Lan") -> Alert:
    return alert(status=AlertStatus.ACKNOWLEDGED, taken_by=by, taken_at=NOW - timedelta(minutes=18))


def asleep(hours: float = 2) -> Alert:
    until = NOW + timedelta(hours=hours)
    return alert(status=AlertStatus.SNOOZED, taken_by="Lan", taken_until=until, taken_at=NOW)


@pytest.mark.parametrize(("outcome", "action", "language"), list(product([*Answered, *Refused], Action, Language)))
def test_every_outcome_is_one_short_sentence(outcome: Answered | Refused, action: Action, language: Language) -> None:
    reply = Reply(outcome, action, "Lan", NOW + timedelta(days=2), "Minh\n<b>@here", 3, "telegram:666")
    said = sentence(reply, language, NOW, ZONE)
    assert 5 < len(said) <= 200
    assert said.isprintable()
    assert said.endswith(".")


def test_a_moment_of_another_day_names_the_day() -> None:
    reply = Reply(Answered.TAKEN, Action.SNOOZE_SHIFT, "Lan", NOW + timedelta(hours=3))
    assert sentence(reply, EN, NOW, ZONE) == "Snoozed until 14:00."
    tomorrow = replace(reply, until=NOW + timedelta(hours=21))
    assert sentence(tomorrow, EN, NOW, ZONE) == "Snoozed until 08:00 on 4 March."
    assert sentence(tomorrow, VI, NOW, ZONE) == "Đã hoãn đến 08:00 ngày 4/3."


def test_what_is_offered_follows_how_it_stands() -> None:
    snoozes = [Action.SNOOZE_SHORT, Action.SNOOZE_LONG, Action.SNOOZE_SHIFT]
    everything = [Action.ACKNOWLEDGE, Action.CLAIM, *snoozes, Action.RESOLVE]
    assert offered(alert()) == everything
    assert offered(taken()) == everything[1:]
    assert offered(asleep()) == [Action.CLAIM, Action.RESOLVE]
    assert offered(asleep(-1)) == everything, "it woke up"
    assert offered(alert(status=AlertStatus.RESOLVED, resolved_at=NOW)) == []
    assert offered(alert(kind="page_stale")) == everything[:-1], "it would be opened anew at once"
    assert offered(alert(1), alert(2)) == everything[:-1]
    assert offered(alert(1), replace(taken(), id=2)) == everything[:-1]


def test_a_message_shows_who_has_it() -> None:
    assert shown(alert()).lines == ("a fact",)
    assert shown(taken()).lines[-1] == "Acknowledged by Lan 10:42"
    assert shown(taken(), language=VI).lines[-1] == "Lan đã nhận lúc 10:42"
    assert shown(asleep()).lines[-1] == "Snoozed by Lan until 13:00"
    assert shown(asleep(-1)).lines == ("a fact",)
    assert shown(taken("Lan\n*<!channel>*" + "x" * 99)).lines[-1].startswith("Acknowledged by Lan *<!channel>*xxx")
    assert "\n" not in shown(taken("a\nb")).lines[-1]


def test_a_digest_shows_who_has_how_many_and_names_them_line_by_line() -> None:
    items = (Item("first"), Item("second"), Item("over"))
    message = replace(PLAIN, items=items)
    over = alert(3, status=AlertStatus.RESOLVED, resolved_at=NOW)
    told = shown(over, alert(1), replace(taken(), id=2), message=message)
    assert told.lines[-1] == "1 of 2 in the hands of Lan"
    assert [item.text for item in told.items] == ["first", "second (Lan)", "over"]


def test_an_end_by_hand_is_told_in_the_language() -> None:
    over = alert(
        status=AlertStatus.RESOLVED, resolved_at=NOW, resolution="resolved by Lan", annotations={"page_name": "Shop A"}
    )
    english, vietnamese = (render(over, NotificationEvent.RESOLVED, each, NOW, ZONE).title for each in (EN, VI))
    assert english.endswith("no longer waits on Shop A: resolved by Lan")
    assert vietnamese.endswith("Shop A: Lan đã xử lý")


def test_only_ids_make_somebody_one_who_may_answer() -> None:
    staff = [
        Staff("lan", "Lan", slack="U0LAN", telegram="77"),
        Staff("hoa", "Hoa", slack="hoa", telegram="@hoa"),
        Staff("team", "Team", slack="S0TEAM", telegram="-100200"),
    ]
    known = Answerers.of(staff, {("telegram", "77"): "somebody", ("slack", "U0AN"): "An"}).known
    assert known == {
        ("telegram", "77"): Answerer("Lan"), ("slack", "U0LAN"): Answerer("Lan"), ("slack", "U0AN"): Answerer("An"),
    }  # fmt: skip
    assert Answerers().find("telegram", "77") is None
