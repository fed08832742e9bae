"""The client of Pancake against a server that behaves and misbehaves as Pancake does."""

import logging
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from fake_pancake import Cursor, FakePancake, Misdeed
from pancake_bench import PAGE, Hurry, client_of

from roundsman.clock import ManualClock
from roundsman.conversations.pancake.client import PancakeClient, Window
from roundsman.conversations.pancake.errand import Errand
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.conversations.pancake.listing import changed_within
from roundsman.conversations.pancake.token import PageAccess, Token
from roundsman.scheduling.job import StoppedError, StopReason, StopToken

SOON = timedelta(milliseconds=300)


@pytest.fixture
def fake(clock: ManualClock) -> Iterator[FakePancake]:
    with FakePancake(clock).running() as fake:
        fake.add_page()
        yield fake


@pytest.fixture
def pause(clock: ManualClock) -> Hurry:
    return Hurry(clock)


class Caller:
    """A client with an errand that lasts."""

    def __init__(self, fake: FakePancake, clock: ManualClock, pause: Hurry, **options: Any) -> None:
        self.fake, self.clock, self.pause = fake, clock, pause
        self.client: PancakeClient = client_of(fake, clock, **options)
        self.stop = StopToken()
        self.errand = Errand(clock, self.stop, 3600, pause)
        self.page = PageAccess(PAGE, Token(fake.pages[PAGE].token))

    def messages(self, name: str = "1", **options: Any) -> list[str]:
        found = self.client.messages(self.page, f"{PAGE}_{name}", None, self.errand, **options)
        return [each["id"] for each in found]

    def window(self) -> Window:
        now = self.fake.now()
        return Window(int((now - timedelta(hours=1)).timestamp()), int((now + timedelta(minutes=10)).timestamp()))

    def conversations(self, after: str | None = None) -> list[str]:
        return [each["id"] for each in self.client.conversations(self.page, self.window(), self.errand, after)]

    def failure(self) -> PancakeError:
        with pytest.raises(PancakeError) as caught:
            self.messages()
        return caught.value


@pytest.fixture
def caller(fake: FakePancake, clock: ManualClock, pause: Hurry) -> Iterator[Caller]:
    fake.say(PAGE, "1", "m1")
    caller = Caller(fake, clock, pause)
    yield caller
    caller.client.close()


# --- what it tells ---


def test_conversations_come_sixty_at_a_time_and_the_cursor_leads_on(caller: Caller, clock: ManualClock) -> None:
    for number in range(2, 71):
        clock.advance(timedelta(seconds=1))
        caller.fake.say(PAGE, str(number), f"m{number}")
    first = caller.conversations()
    assert (len(first), first[0]) == (60, f"{PAGE}_70")
    assert caller.conversations(first[-1]) == [f"{PAGE}_{number}" for number in range(10, 0, -1)]


def test_messages_come_thirty_at_a_time_newest_first(caller: Caller, clock: ManualClock) -> None:
    for number in range(2, 36):
        clock.advance(timedelta(seconds=1))
        caller.fake.say(PAGE, "1", f"m{number}")
    assert caller.messages() == [f"m{number}" for number in range(35, 5, -1)]
    assert caller.messages(beyond=30) == ["m5", "m4", "m3", "m2", "m1"]


def test_the_customer_is_named_where_known(caller: Caller) -> None:
    caller.client.messages(caller.page, f"{PAGE}_1", "customer-1", caller.errand)
    assert caller.fake.requests[-1][1]["customer_id"] == "customer-1"


def test_the_pages_of_a_user_come_with_their_tokens_where_the_list_shows_them(caller: Caller) -> None:
    caller.fake.add_page("200", "Hoa Mai")
    found = caller.client.pages(Token(caller.fake.user_token), caller.errand)
    assert [(each.page["name"], each.token) for each in found] == [
        ("Shop 100", Token(caller.fake.pages["100"].token)),
        ("Hoa Mai", Token(caller.fake.pages["200"].token)),
    ]
    caller.fake.shows_page_tokens = False
    assert [each.token for each in caller.client.pages(Token(caller.fake.user_token), caller.errand)] == [None, None]


def test_the_people_of_a_page_and_whose_turn_it_is(caller: Caller) -> None:
    caller.fake.pages[PAGE].users = [{"id": "u1", "name": "Lan"}, {"id": "u2", "name": "Minh"}, {"id": "u3"}]
    found = caller.client.users(caller.page, caller.errand)
    assert found.names == {"u1": "Lan", "u2": "Minh", "u-gone": "Old Staff"}
    assert (found.inbox_rota, found.comment_rota) == (("u1",), ())


def test_ids_with_strange_characters_stay_one_part_of_the_path(caller: Caller) -> None:
    caller.fake.say(PAGE, "wa_c.us@84/90?x=1", "odd")
    odd = "wa_c.us@84/90?x=1"
    assert [each["id"] for each in caller.client.messages(caller.page, odd, None, caller.errand)] == ["odd"]


def test_no_verb_ever_makes_a_new_token(caller: Caller) -> None:
    caller.client.pages(Token(caller.fake.user_token), caller.errand)
    caller.messages()
    caller.conversations()
    caller.client.users(caller.page, caller.errand)
    assert caller.fake.tokens_made == 0
    assert not [path for path, _ in caller.fake.requests if "generate" in path]


# --- every failure ---

ENDURED = {
    Misdeed.TOO_MANY: Fault.RATE_LIMITED,
    Misdeed.REFUSED: Fault.TEMPORARY,
    Misdeed.SERVER_ERROR: Fault.TEMPORARY,
    Misdeed.BAD_GATEWAY_PAGE: Fault.BROKEN,
    Misdeed.CUT: Fault.BROKEN,
    Misdeed.BROKEN_OFF: Fault.TEMPORARY,
    Misdeed.RESET: Fault.TEMPORARY,
    Misdeed.SILENT: Fault.TEMPORARY,
    Misdeed.HUGE: Fault.BROKEN,
    Misdeed.WRONG: Fault.BROKEN,
    Misdeed.REDIRECT: Fault.TEMPORARY,
}


@pytest.mark.parametrize("misdeed", [each for each in ENDURED if each is not Misdeed.WRONG])
def test_what_passes_is_asked_again_until_it_has_passed(caller: Caller, misdeed: Misdeed) -> None:
    caller.fake.misbehave(misdeed, 2)
    assert caller.messages() == ["m1"]
    assert caller.errand.requests == 3
    assert sum(caller.pause.waits) >= 1


@pytest.mark.parametrize(("misdeed", "fault"), ENDURED.items())
def test_what_does_not_pass_is_of_a_known_kind(caller: Caller, misdeed: Misdeed, fault: Fault) -> None:
    caller.fake.misbehave(misdeed, 10)
    error = caller.failure()
    assert error.fault is fault
    assert error.reason.endswith(".")
    assert "\n" not in error.reason
    assert all(path != "/elsewhere" for path, _ in caller.fake.requests)


def test_a_slow_answer_is_not_waited_for(fake: FakePancake, clock: ManualClock, pause: Hurry) -> None:
    fake.say(PAGE, "1", "m1")
    caller = Caller(fake, clock, pause, timeout=SOON)
    fake.misbehave(Misdeed.SLOW, 10)
    assert caller.failure().reason == "Pancake was not reached: no answer in time."
    caller.client.close()


def test_a_worthless_token_is_not_tried_again(caller: Caller) -> None:
    caller.fake.revoke(PAGE)
    error = caller.failure()
    assert (error.fault, caller.errand.requests) == (Fault.TOKEN, 1)
    assert error.reason == "Pancake refused the request (error 102): Invalid ***." or "Invalid" in error.reason


def test_a_worthless_token_of_a_user_is_told_as_such(caller: Caller) -> None:
    with pytest.raises(PancakeError) as caught:
        caller.client.pages(Token("another-user-token"), caller.errand)
    assert caught.value.fault is Fault.TOKEN


def test_a_page_or_conversation_that_is_gone(caller: Caller) -> None:
    with pytest.raises(PancakeError) as caught:
        caller.messages("nobody")
    assert caught.value.fault is Fault.GONE
    caller.fake.delete_page(PAGE)
    assert caller.failure().fault is Fault.GONE


def test_nobody_listening_is_temporary(clock: ManualClock, pause: Hurry) -> None:
    with FakePancake(clock).running() as fake:
        fake.add_page()
        caller = Caller(fake, clock, pause)
    assert caller.failure().reason == "Pancake was not reached: connection refused."
    caller.client.close()


# --- its pace ---


def test_never_more_than_five_requests_a_second_a_page(caller: Caller) -> None:
    for _ in range(40):
        caller.messages()
    assert caller.fake.too_many == 0
    assert sum(caller.pause.waits) == pytest.approx(7 * 1.05, abs=0.2)


def test_pages_do_not_wait_for_each_other(caller: Caller) -> None:
    caller.fake.add_page("200")
    caller.fake.say("200", "9", "m9")
    other = PageAccess("200", Token(caller.fake.pages["200"].token))
    for _ in range(5):
        caller.messages()
        caller.client.messages(other, "200_9", None, caller.errand)
    assert caller.pause.waits == []


def test_a_storm_of_refusals_is_waited_out_longer_each_time(caller: Caller) -> None:
    caller.fake.misbehave(Misdeed.TOO_MANY, 2)
    begun = caller.clock.now()
    caller.messages()
    assert timedelta(seconds=6) <= caller.clock.now() - begun < timedelta(seconds=20)


def test_an_errand_that_ends_does_not_wait_for_its_turn(caller: Caller) -> None:
    caller.errand = Errand(caller.clock, caller.stop, 1.0, caller.pause)
    with pytest.raises(PancakeError, match="no time left"):
        for _ in range(6):
            caller.messages()
    assert caller.errand.requests == 5


def test_whoever_is_told_to_stop_asks_nothing_more(caller: Caller) -> None:
    caller.stop.set(StopReason.SHUTDOWN)
    with pytest.raises(StoppedError):
        caller.messages()
    assert caller.fake.requests == []


# --- nothing leaks ---


def test_tokens_are_in_no_error_no_log_and_no_repr(
    fake: FakePancake,
    clock: ManualClock,
    pause: Hurry,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.say(PAGE, "1", "m1")
    caller = Caller(fake, clock, pause, timeout=SOON)
    texts = [repr(caller.client), repr(caller.page), str(caller.page), repr(vars(caller.client))]
    for misdeed in Misdeed:
        fake.misbehave(misdeed, 3)
        try:
            caller.messages()
        except PancakeError as error:
            texts += [str(error), repr(error), "".join(traceback.format_exception(error))]
            texts += [repr(error.__cause__), repr(error.__context__)]
        fake.behave()
    caller.client.close()
    texts += [caplog.text, *capfd.readouterr()]
    whole = "\n".join(texts)
    assert "Pancake refused" in whole
    token = fake.pages[PAGE].token
    for secret in (token, token[10:], "page-token"):
        assert secret not in whole


# --- long lists ---


@pytest.mark.parametrize("count", [1, 54, 55, 59, 60, 61, 119, 120, 121, 200])
@pytest.mark.parametrize("cursor", list(Cursor))
def test_all_conversations_of_a_window_are_found_whatever_the_cursor_does(
    caller: Caller, clock: ManualClock, count: int, cursor: Cursor
) -> None:
    caller.fake.cursor = cursor
    for number in range(2, count + 1):
        clock.advance(timedelta(seconds=3))
        caller.fake.say(PAGE, str(number), f"m{number}")
    found = changed_within(
        caller.window(), lambda window, after: caller.client.conversations(caller.page, window, caller.errand, after)
    )
    assert sorted(each["id"] for each in found) == sorted(caller.fake.pages[PAGE].conversations)


@pytest.mark.parametrize("count", [55, 60, 61, 130])
def test_conversations_of_one_second_are_all_found_by_the_cursor(
    caller: Caller, clock: ManualClock, count: int
) -> None:
    for number in range(2, count + 1):
        caller.fake.say(PAGE, str(number), f"m{number}")
    found = changed_within(
        caller.window(), lambda window, after: caller.client.conversations(caller.page, window, caller.errand, after)
    )
    assert len({each["id"] for each in found}) == count


def test_a_cursor_that_jumps_to_the_front_hides_nothing(caller: Caller, clock: ManualClock) -> None:
    for number in range(2, 131):
        clock.advance(timedelta(seconds=3))
        caller.fake.say(PAGE, str(number), f"m{number}")
    window = caller.window()

    def ask(window: Window, after: str | None) -> Any:
        if after is not None:
            caller.fake.touch(PAGE, after)  # changed just before we go on behind it
        return caller.client.conversations(caller.page, window, caller.errand, after)

    found = {each["id"] for each in changed_within(window, ask)}
    assert found == set(caller.fake.pages[PAGE].conversations)


def test_time_is_given_in_whole_seconds_of_the_last_change(caller: Caller) -> None:
    caller.conversations()
    _, params = caller.fake.requests[-1]
    assert params["order_by"] == "updated_at"
    assert datetime.fromtimestamp(int(params["since"]), tz=caller.clock.now().tzinfo) < caller.clock.now()
