"""One suite over all listeners: people press buttons on a fake service, and the real store has what comes of it."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler

import pytest
from answer_bench import BENCHES, STAFF, Bench
from fake_chat import reset, slow, status
from fake_telegram import FakeTelegram
from shift_samples import calendar, local, week

from roundsman.alerts.answers import AnswerDesk, Press
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.templates import Language
from roundsman.clock import ManualClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.repositories.alerts import AlertStatus
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store

SALES = Audience("Sales", digest_from=2)


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, sqlite_store: Store, clock: ManualClock) -> Iterator[Bench]:
    with BENCHES[request.param](sqlite_store, clock) as made:
        yield made
        made.listener.stop()


@pytest.fixture
def listening(bench: Bench) -> Bench:
    """With one alert that was told, and the listener at work."""
    bench.fire("1")
    bench.listener.start(bench.desk)
    return bench


# --- what people do ---


def test_a_message_about_a_customer_has_buttons_for_all_that_can_be_done(bench: Bench) -> None:
    bench.fire("1")
    assert bench.labels == ["Acknowledge", "I take it", "Snooze 30 min", "2 h", "Until shift", "Dealt with"]


def test_who_acknowledges_is_told_so_and_the_message_shows_it(listening: Bench) -> None:
    assert listening.press("Acknowledge") == "Acknowledged."
    alert = listening.alert()
    assert (alert.status, alert.taken_by, listening.woken) == (AlertStatus.ACKNOWLEDGED, "Lan", 1)
    assert listening.trail() == [("acknowledged", "Lan", listening.channel.name)]
    assert listening.deliver() == 1
    assert "Acknowledged by Lan 11:00" in listening.server.chat.newest.text
    assert listening.labels == ["I take it", "Snooze 30 min", "2 h", "Until shift", "Dealt with"]


def test_what_somebody_has_is_taken_over_in_so_many_words_only(listening: Bench) -> None:
    message = next(iter(listening.server.chat.messages))
    listening.press("Acknowledge", "Lan")
    for label in ("Acknowledge", "2 h"):
        said = listening.press(label, "Minh", message)
        assert said == "Lan has it already; press “I take it” to take it over."
    assert listening.alert().taken_by == "Lan"
    assert listening.press("I take it", "Minh", message) == "Yours now."
    assert listening.press("I take it", "Minh", message) == "It is yours already."
    via = listening.channel.name
    assert listening.trail() == [("acknowledged", "Lan", via), ("claimed", "Minh", via)]
    listening.deliver()
    assert "Acknowledged by Minh" in listening.server.chat.newest.text


@pytest.mark.parametrize(("label", "until"), [("Snooze 30 min", "11:30"), ("2 h", "13:00")])
def test_a_snooze_lasts_as_long_as_its_button_says(listening: Bench, label: str, until: str) -> None:
    listening.at("2026-03-04 11:00")
    assert listening.press(label) == f"Snoozed until {until}."
    alert = listening.alert()
    assert (alert.status, alert.taken_until) == (AlertStatus.SNOOZED, local(f"2026-03-04 {until}"))
    listening.deliver()
    assert f"Snoozed by Lan until {until}" in listening.server.chat.newest.text
    assert listening.labels == ["I take it", "Dealt with"]


def test_the_next_shift_is_that_of_the_person_or_else_of_the_policy(bench: Bench) -> None:
    minhs = replace(STAFF["minh"], calendar=calendar(week(mon_sun=["18:00-23:00"])))
    shop = Policy("shop", timedelta(1), timedelta(1), calendar=calendar())
    bench.policies = PolicyBook(shop, staff={**STAFF, "minh": minhs})
    bench.fire("1", policy="shop")
    bench.fire("2", policy="shop")
    bench.listener.start(bench.desk)
    first, second = bench.server.chat.messages
    bench.at("2026-03-04 11:00")
    assert bench.press("Until shift", "Lan", first) == "Snoozed until 13:30."
    assert bench.press("Until shift", "Minh", second) == "Snoozed until 18:00."
    bench.at("2026-03-04 21:00")
    assert bench.press("Until shift", "Lan", first) == "Snoozed until 08:30 on 5 March."


def test_where_no_shift_begins_that_is_said_and_nothing_is_put_off(listening: Bench) -> None:
    assert listening.press("Until shift").startswith("No shift begins after this one")
    assert listening.alert().status is AlertStatus.FIRING


def test_what_somebody_has_dealt_with_is_over_and_its_message_has_no_buttons(listening: Bench) -> None:
    message = next(iter(listening.server.chat.messages))
    assert listening.press("Dealt with") == "Marked as dealt with."
    alert = listening.alert()
    assert (alert.status, alert.resolution) == (AlertStatus.RESOLVED, "resolved by Lan")
    listening.server.chat.messages["copy"] = listening.server.chat.messages[message]
    listening.deliver()
    shown = listening.server.chat.messages[message]
    assert "resolved by Lan" in shown.text
    assert shown.buttons == {}


def test_one_press_answers_for_all_that_a_digest_tells_of(bench: Bench) -> None:
    bench.fire("1", "2", "3", audience=SALES)
    assert bench.labels == ["Acknowledge", "I take it", "Snooze 30 min", "2 h", "Until shift"]
    bench.resolve("3")
    bench.listener.start(bench.desk)
    assert bench.press("Acknowledge") == "Acknowledged, 2 alerts."
    assert {bench.alert(each).taken_by for each in "12"} == {"Lan"}
    bench.clock.advance(timedelta(minutes=1))
    bench.deliver()
    text = bench.server.chat.newest.text
    assert "2 of 2 in the hands of Lan" in text
    assert text.count("(Lan)") == 2


def test_people_are_spoken_to_in_the_language_of_the_alerts(listening: Bench) -> None:
    listening.language = Language.VIETNAMESE
    assert listening.press("Acknowledge") == "Đã ghi nhận."


# --- who may, and what counts ---


def test_a_member_of_the_chat_who_is_not_one_of_the_staff_is_refused(
    listening: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    listening.users["Hoa <b>\n\x1b[31m@here"] = listening.users["stranger"]
    with caplog.at_level(logging.WARNING):
        said = listening.press("Dealt with", "Hoa <b>\n\x1b[31m@here")
    place = f"{listening.channel.name}:{listening.users['stranger']}"
    assert said == f"You may not answer here; ask for {place} to be let in."
    assert listening.alert().status is AlertStatus.FIRING
    (line,) = [record.message for record in caplog.records if "may not answer" in record.message]
    assert place in line
    assert line.isprintable()


@pytest.mark.parametrize(
    "data", ["", "ack:1:", "ack:1:AAAAAAAAAAAAAAAA", "ack:-1:x", "done:1", "x" * 64, None, 7, "ạck:1:AAAA"]
)
def test_what_we_did_not_put_under_a_message_changes_nothing(listening: Bench, data: object) -> None:
    said = listening.heard(lambda: listening.server.send_data(data, listening.users["Lan"]))
    assert said == "This button is not known here any more; nothing was changed."
    assert listening.alert().status is AlertStatus.FIRING


def test_a_button_of_another_message_or_store_does_not_fit(listening: Bench) -> None:
    data = listening.server.chat.newest.buttons["Acknowledge"]
    action, number, mac = data.split(":")
    for forged in (f"done:{number}:{mac}", f"{action}:{int(number) + 1}:{mac}", f"{action}:{number}:{mac[::-1]}"):
        said = listening.heard(partial(listening.server.send_data, forged, listening.users["Lan"]))
        assert "not known here" in said
    assert listening.alert().status is AlertStatus.FIRING


def test_the_same_press_told_twice_changes_nothing_twice_and_the_same_is_said(listening: Bench) -> None:
    assert listening.press("Acknowledge", "Lan", press="4711") == "Acknowledged."
    assert listening.press("Acknowledge", "Lan", press="4711") == "Acknowledged."
    assert listening.press("Acknowledge", "Lan") == "It is yours already."
    assert len(listening.trail()) == 1
    assert listening.deliver() == 1


def test_a_press_under_an_old_message_of_what_is_over_says_so(listening: Bench) -> None:
    label, data = next(iter(listening.server.chat.newest.buttons.items()))
    listening.resolve("1")
    before = listening.server.chat.edits
    said = listening.heard(lambda: listening.server.send_data(data, listening.users["Lan"]))
    assert (label, said) == ("Acknowledge", "This is over already; nothing was changed.")
    assert listening.trail() == []
    assert listening.deliver() == 0
    assert listening.server.chat.edits == before


def test_who_presses_many_buttons_at_once_is_answered_each_time(listening: Bench) -> None:
    chat, users = listening.server.chat, listening.users
    for number in range(30):
        listening.server.press("I take it", users["Lan"] if number % 2 else users["Minh"])
    chat.wait_for(lambda: len(chat.said) == 30)
    assert {text for _, text in chat.said} <= {"Yours now.", "It is yours already."}
    assert listening.deliver() == 1, "one change tells whatever is true when it leaves"


# --- what goes wrong ---

FAULTS: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "500": status(500, "<html>Sorry</html>"),
    "503": status(503),
    "429": status(429, "", Retry_After="0"),
    "302": status(302, "", Location="https://example.org/"),
    "reset": reset,
    "slow": slow,
    "garbage": status(200, '{"ok": tru'),
    "a list": status(200, "[1, 2]"),
    "nothing": status(200, ""),
    "no result": status(200, '{"ok": true}'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_trouble_of_the_service_presses_are_heard_again(bench: Bench, fault: str) -> None:
    bench.fire("1")
    bench.server.chat.faults.extend([FAULTS[fault]] * 2)
    bench.listener.start(bench.desk)
    bench.server.chat.wait_for(lambda: bench.server.chat.asked >= 3)
    assert bench.press("Acknowledge") == "Acknowledged."
    assert bench.listener.ill() is None


def test_trouble_is_told_once_and_without_a_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.fire("1")
    bench.server.chat.faults.extend([status(500, "secretsecretsecret AAtelegramSecretPart")] * 4)
    with caplog.at_level(logging.DEBUG):
        bench.listener.start(bench.desk)
        bench.press("Acknowledge")
        if isinstance(bench.server, FakeTelegram):  # it works as soon as it asks again after an answer
            bench.server.chat.wait_for(lambda: bench.server.chat.asked >= 6)
        bench.listener.stop()
    lines = [record.getMessage() for record in caplog.records]
    assert sum("not heard at the moment" in line for line in lines) == 1
    assert sum("are heard again" in line for line in lines) == 1
    assert not any("ecretsecret" in line or "SecretPart" in line or "ticket" in line for line in lines)
    assert "ecret" not in repr(bench.listener) + repr(vars(bench.listener).get("_api")) + bench.listener.identity


class Faulty(AnswerDesk):
    """A desk with a fault, at which the first press ends."""

    def __init__(self, desk: AnswerDesk) -> None:
        self.desk = desk
        self.has_failed = threading.Event()

    def press(self, press: Press, seal: Seal) -> str:
        if not self.has_failed.is_set():
            self.has_failed.set()
            raise RuntimeError("a bug")
        return self.desk.press(press, seal)


def test_a_fault_of_ours_does_not_keep_later_presses_waiting(bench: Bench) -> None:
    bench.fire("1")
    desk = Faulty(bench.desk)
    bench.listener.start(desk)
    bench.server.press("I take it", bench.users["Lan"])
    assert desk.has_failed.wait(20)
    assert bench.press("Acknowledge", "Minh") == "Acknowledged."


# --- life ---


def test_a_listener_stops_soon_can_be_stopped_twice_and_hears_nothing_then(listening: Bench) -> None:
    listening.server.chat.wait_for(lambda: listening.server.chat.asked >= 1)
    listening.listener.stop()
    listening.listener.stop()
    listening.server.chat.said.clear()
    if listening.channel.name == "telegram":
        listening.server.press("Acknowledge", listening.users["Lan"])
    assert listening.listener.ill() is None
    assert listening.alert().status is AlertStatus.FIRING
    listening.make_listener(listening.store).stop()  # one that never began


def test_one_whose_thread_hangs_is_ill(listening: Bench) -> None:
    assert listening.listener.ill() is None
    listening.server.chat.wait_for(lambda: listening.server.chat.asked >= 1)
    listening.clock.advance(timedelta(hours=3))
    ill = listening.listener.ill()
    assert ill is None or "hangs" in ill
