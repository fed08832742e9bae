"""What a process wrote on Telegram that died before it could say so: found, edited, and not written again."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from fake_chat import reset, status
from fake_telegram import CHAT, TOKEN, FakeTelegram, telegram, too_many
from telegram_chat import BOT

from roundsman.alerts.channels.base import DeliveryError, Receipt
from roundsman.alerts.channels.telegram import LONGEST_TEXT, TelegramChannel
from roundsman.alerts.channels.telegram_copies import MOST_FORBIDDEN, MOST_FORWARDS, MOST_NUMBERS, bears
from roundsman.alerts.message import Item, Known, Message
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import Severity
from roundsman.repositories.notifications import NotificationEvent

Fault = Callable[[BaseHTTPRequestHandler], None]
NO_ANSWER = status(503)


@pytest.fixture
def server() -> Iterator[FakeTelegram]:
    with telegram() as made:
        yield made


class Shop:
    """A chat with people and our bot in it."""

    def __init__(self, server: FakeTelegram, clock: ManualClock, target: str = CHAT) -> None:
        self.server, self.room, self.clock = server, server.room, clock
        self.channel = TelegramChannel("telegram", clock, bot_token=TOKEN, target=target, api_url=server.url)

    def news(self, waited: int = 23, **facts: Any) -> Message:
        """Of a customer who has waited so long by now."""
        common: dict[str, Any] = {"lines": (), "severity": Severity.MEDIUM, "event": NotificationEvent.FIRING}
        return Message(f"Lan has waited {waited} min", **common | {"id": "alert-1-1772510400-firing-1"} | facts)

    def tell(self, waited: int = 23, **facts: Any) -> int:
        """Our message; the number is what a dead process takes along."""
        return int(self.channel.send(self.news(waited, **facts)).keys["message"])

    def older(self) -> Known:
        """Another message of ours, from before."""
        return Known({"chat": CHAT, "message": str(self.tell(id="alert-9-1-firing-1"))}, is_earlier=True)

    def tell_once_more(self, *known: Known, tries: int = 1, waited: int = 31, **facts: Any) -> Receipt:
        message = self.news(waited, sent_since=self.clock.now(), tries_before=tries, known=known, **facts)
        return self.channel.send(message)

    def people_write(self, count: int) -> None:
        for number in range(count):
            self.room.write(f"Good morning {number}")

    def shows(self) -> dict[int, str]:
        """What our bot has in the chat, the first line of each."""
        return {number: post.text.split("<a")[0] for number, post in self.room.posts.items() if post.author == BOT}

    def asked(self, method: str) -> int:
        return sum(called == method for called, _ in self.server.calls)


@pytest.fixture
def shop(server: FakeTelegram, clock: ManualClock) -> Shop:
    return Shop(server, clock)


NOW = "<b>🟡 Lan has waited 31 min</b>"
BEFORE = "<b>🟡 Lan has waited 23 min</b>"


# --- it is found, and nothing is written again ---


def test_what_stands_there_is_edited_and_nothing_is_told_twice(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    receipt = shop.tell_once_more(older)
    assert receipt.keys == {"chat": CHAT, "message": str(first)}
    assert receipt.all_copies_known
    assert shop.shows() == {1: BEFORE, first: NOW}
    assert receipt.extra == shop.asked("forwardMessage") == shop.asked("deleteMessage") == 2


@pytest.mark.parametrize(("before", "since"), [(3, 3), (0, 50), (50, 0), (50, 3), (2, 50)])
def test_it_is_found_among_what_people_wrote(shop: Shop, before: int, since: int) -> None:
    older = shop.older()
    shop.people_write(before)
    first = shop.tell()
    shop.people_write(since)
    receipt = shop.tell_once_more(older)
    assert (receipt.keys["message"], receipt.all_copies_known) == (str(first), True)
    assert len(shop.room.posts) == before + since + 2, "no forward stays"


def test_our_other_messages_are_not_asked_for(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    later = [Known({"chat": CHAT, "message": str(shop.tell(id=f"alert-{n}-2-firing-1"))}, False) for n in range(30)]
    receipt = shop.tell_once_more(*reversed(later), older)
    assert (receipt.keys["message"], receipt.extra) == (str(first), 2)
    assert set(shop.shows().values()) == {BEFORE, NOW}
    assert list(shop.shows().values()).count(NOW) == 1


def test_the_same_news_on_another_topic_of_the_chat_is_another_message(
    server: FakeTelegram, clock: ManualClock
) -> None:
    all_of_it, topic = Shop(server, clock), Shop(server, clock, f"{CHAT}:7")
    older, in_topic, beside = all_of_it.older(), topic.tell(), all_of_it.tell()
    receipt = topic.tell_once_more(older)
    assert receipt.keys == {"chat": CHAT, "message": str(in_topic)}
    assert topic.shows()[beside] == BEFORE
    assert {body.get("message_thread_id") for method, body in server.calls if method == "forwardMessage"} == {7}


def test_it_is_found_by_a_daemon_that_has_died_of_looking_often(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    shop.room.last += 10 * MOST_NUMBERS
    assert shop.tell_once_more(older, tries=1).keys["message"] == str(first)


def test_it_is_found_before_what_was_told_since(shop: Shop) -> None:
    older = shop.older()
    shop.people_write(2)
    first = shop.tell()
    shop.people_write(2)
    since = Known({"chat": CHAT, "message": str(shop.tell(id="alert-5-2-firing-1"))}, is_earlier=False)
    shop.people_write(1)
    assert shop.tell_once_more(since, older).keys["message"] == str(first)


def test_a_forward_that_a_dead_process_left_is_no_copy(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    shop.room.call(
        "forwardMessage", {"chat_id": CHAT, "from_chat_id": CHAT, "message_id": first, "disable_notification": True}
    )
    receipt = shop.tell_once_more(older)
    assert (receipt.keys, receipt.all_copies_known) == ({"chat": CHAT, "message": str(first)}, True)


def test_where_people_deleted_the_last_message_another_one_shows_where_the_chat_ends(shop: Shop) -> None:
    older, deleted, first = shop.older(), shop.older(), shop.tell()
    del shop.room.posts[int(deleted.keys["message"])]
    assert shop.tell_once_more(deleted, older).keys["message"] == str(first)


# --- nothing is found ---


def test_what_never_arrived_is_sent_and_is_known_to_be_the_only_one(shop: Shop) -> None:
    older = shop.older()
    shop.people_write(2)
    receipt = shop.tell_once_more(older)
    assert receipt.all_copies_known
    assert list(shop.shows().values()) == [BEFORE, NOW]
    assert receipt.extra == 3


def test_what_tells_of_people_who_joined_hides_nothing(shop: Shop) -> None:
    older = shop.older()
    shop.room.write("Minh joined the group", is_service=True)
    assert shop.tell_once_more(older).all_copies_known


@pytest.mark.parametrize(("messages", "forwards"), [(MOST_FORWARDS, MOST_FORWARDS), (MOST_NUMBERS + 1, MOST_FORWARDS)])
def test_a_look_that_would_take_too_many_messages_ends(shop: Shop, messages: int, forwards: int) -> None:
    older = shop.older()
    shop.people_write(messages)
    shop.tell()
    shop.people_write(messages)
    receipt = shop.tell_once_more(older)
    assert not receipt.all_copies_known, "there may be another one"
    assert receipt.extra == shop.asked("forwardMessage") == shop.asked("deleteMessage") == forwards
    assert list(shop.shows().values()) == [BEFORE, BEFORE, NOW]


def test_a_look_over_numbers_that_do_not_exist_ends(shop: Shop) -> None:
    older = shop.older()
    shop.room.last += 2 * MOST_NUMBERS
    assert not shop.tell_once_more(older).all_copies_known
    assert shop.asked("forwardMessage") == MOST_NUMBERS


def test_where_content_is_protected_nobody_knows(shop: Shop) -> None:
    older, _ = shop.older(), shop.tell()
    shop.room.is_protected = True
    receipt = shop.tell_once_more(older)
    assert not receipt.all_copies_known
    assert shop.asked("forwardMessage") == 1


def test_a_service_that_hides_our_mark_is_not_believed(shop: Shop) -> None:
    shop.room.shows_links = False
    assert not shop.tell_once_more(shop.older()).all_copies_known


def test_a_message_of_ours_that_an_older_version_wrote_without_a_mark_may_be_a_copy(shop: Shop) -> None:
    older, unmarked = shop.older(), shop.tell(id="")
    receipt = shop.tell_once_more(older)
    assert receipt.keys["message"] != str(unmarked)
    assert not receipt.all_copies_known


# --- nothing of the chat is known, or people deleted it: the look comes after the repeat ---


def test_the_first_message_of_a_chat_is_found_from_its_repeat(shop: Shop) -> None:
    first = shop.tell()
    shop.people_write(2)
    receipt = shop.tell_once_more()
    assert receipt.keys == {"chat": CHAT, "message": "4", "earlier": str(first)}
    assert receipt.words == f"message 4 and {first} in chat {CHAT}"
    assert receipt.all_copies_known
    assert shop.shows() == {first: NOW, 4: NOW}


def test_the_first_message_of_a_chat_is_known_to_be_the_only_one(shop: Shop) -> None:
    shop.people_write(2)
    assert shop.tell_once_more().all_copies_known


def test_in_a_protected_chat_nobody_knows_of_the_first_message_either(shop: Shop) -> None:
    shop.room.is_protected = True
    shop.people_write(10)
    shop.tell()
    assert not shop.tell_once_more().all_copies_known
    assert shop.asked("forwardMessage") == MOST_FORBIDDEN


@pytest.mark.parametrize("fault", [too_many, NO_ANSWER, reset, status(200, "garbage"), status(401, "{}")])
def test_whatever_a_look_from_the_repeat_meets_the_repeat_is_not_lost(shop: Shop, fault: Fault) -> None:
    shop.tell()
    shop.server.refusals["forwardMessage"].append(fault)
    receipt = shop.tell_once_more()
    assert (receipt.keys["message"], receipt.all_copies_known) == ("2", False)


# --- trouble before anything was sent ---


def test_who_is_asked_to_wait_sends_nothing_and_looks_again(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    shop.server.refusals["forwardMessage"].append(too_many)
    with pytest.raises(DeliveryError) as caught:
        shop.tell_once_more(older)
    assert caught.value.retry_after == timedelta(seconds=7)
    assert len(shop.room.posts) == 2
    assert shop.tell_once_more(older, tries=2).keys["message"] == str(first)


@pytest.mark.parametrize("fault", [NO_ANSWER, reset, status(200, "garbage"), status(404, "{}")])
def test_a_look_that_fails_does_not_keep_the_message(shop: Shop, fault: Fault) -> None:
    older, _ = shop.older(), shop.tell()
    shop.server.refusals["forwardMessage"].append(fault)
    receipt = shop.tell_once_more(older)
    assert (receipt.keys["message"], receipt.all_copies_known) == ("3", False)


def test_a_copy_that_cannot_be_edited_now_is_not_sent_again(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    shop.server.refusals["editMessageText"].append(NO_ANSWER)
    with pytest.raises(DeliveryError):
        shop.tell_once_more(older)
    assert shop.tell_once_more(older, tries=2).keys["message"] == str(first)


def test_a_forward_that_is_not_taken_away_at_once_is_taken_away_then(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    shop.server.refusals["deleteMessage"].append(NO_ANSWER)
    assert shop.tell_once_more(older).keys["message"] == str(first)
    assert len(shop.room.posts) == 2


def test_where_forwards_cannot_be_taken_away_there_is_one(shop: Shop) -> None:
    older, _ = shop.older(), shop.tell()
    refused = status(400, json.dumps({"ok": False, "description": "Bad Request: message can't be deleted"}))
    shop.server.refusals["deleteMessage"].append(refused)
    assert not shop.tell_once_more(older).all_copies_known
    assert shop.asked("forwardMessage") == 1


# --- several copies ---


def test_two_earlier_copies_are_both_found(shop: Shop) -> None:
    older, first = shop.older(), shop.tell()
    shop.people_write(1)
    second = shop.tell(25)
    receipt = shop.tell_once_more(older, tries=2)
    assert receipt.keys == {"chat": CHAT, "message": str(second), "earlier": str(first)}
    assert receipt.all_copies_known
    assert shop.shows() == {1: BEFORE, first: NOW, second: NOW}


def copies(shop: Shop, *numbers: int) -> Receipt:
    first, *others = map(str, numbers)
    return Receipt("", {"chat": CHAT, "message": first, "earlier": ",".join(others)})


def over(shop: Shop) -> Message:
    return shop.news(event=NotificationEvent.RESOLVED, id="alert-1-1772510400-resolved-1")


def test_the_end_is_shown_by_all_copies(shop: Shop) -> None:
    receipt = copies(shop, *reversed([shop.tell(), shop.tell(), shop.tell()]))
    assert shop.channel.edit(receipt, over(shop)) == receipt
    assert shop.channel.edit(receipt, over(shop)) == receipt, "and a second time, after a crash"
    assert set(shop.shows().values()) == {"<b>✅ Lan has waited 23 min</b>"}
    assert len(shop.shows()) == 3


@pytest.mark.parametrize(("deleted", "left"), [(0, "2,1"), (1, "3,1"), (2, "3,2")])
def test_a_copy_that_is_gone_keeps_the_others_from_nothing(shop: Shop, deleted: int, left: str) -> None:
    numbers = list(reversed([shop.tell(), shop.tell(), shop.tell()]))
    del shop.room.posts[numbers[deleted]]
    receipt = shop.channel.edit(copies(shop, *numbers), over(shop))
    assert f"{receipt.keys['message']},{receipt.keys['earlier']}" == left
    assert set(shop.shows().values()) == {"<b>✅ Lan has waited 23 min</b>"}
    assert len(shop.shows()) == 2


def test_where_all_copies_are_gone_the_end_is_one_message(shop: Shop) -> None:
    receipt = copies(shop, shop.tell(), shop.tell())
    shop.room.posts.clear()
    assert shop.channel.edit(receipt, over(shop)).keys == {"chat": CHAT, "message": "3"}


def test_an_edit_that_the_service_does_not_take_now_is_made_again(shop: Shop) -> None:
    receipt = copies(shop, shop.tell(), shop.tell())
    shop.server.refusals["editMessageText"].append(NO_ANSWER)
    with pytest.raises(DeliveryError):
        shop.channel.edit(receipt, over(shop))
    assert shop.channel.edit(receipt, over(shop)) == receipt
    assert set(shop.shows().values()) == {"<b>✅ Lan has waited 23 min</b>"}


def test_the_longest_message_has_room_for_its_mark(shop: Shop) -> None:
    items = tuple(Item("Khách <1>, 45 min", "https://pancake.vn/?c=1&x=1") for _ in range(400))
    number = shop.tell(items=items, lines=("x" * 500,) * 3)
    assert "t.me/#" in shop.room.posts[number].text
    assert len(shop.room.posts[number].text) <= LONGEST_TEXT


def test_a_test_message_has_no_mark(shop: Shop) -> None:
    number = shop.tell(id="")
    assert "t.me" not in shop.room.posts[number].text


@pytest.mark.parametrize(
    "result", [None, [], {}, {"entities": None}, {"entities": [None, {"url": 5}, {"type": "bold"}]}]
)
def test_an_odd_answer_bears_no_mark(result: Any) -> None:
    assert not bears(result, "abc")
