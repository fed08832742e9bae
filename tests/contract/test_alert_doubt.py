"""What a claim knows of a message that may have been sent already, by a process that died."""

from datetime import timedelta
from typing import Any

import pytest
from alert_outbox import ME, Outbox
from sqlalchemy import select

from roundsman.clock import ManualClock
from roundsman.repositories.claim import Claim, Doubt
from roundsman.repositories.engine import Store
from roundsman.repositories.known_receipts import MOST
from roundsman.repositories.tables import notifications


@pytest.fixture
def outbox(store: Store, clock: ManualClock) -> Outbox:
    return Outbox(store, clock)


def later(outbox: Outbox) -> None:
    outbox.clock.advance(timedelta(minutes=1))


def dies(outbox: Outbox) -> None:
    """Whoever sends something at the moment."""
    with outbox.store.write() as connection:
        outbox.claims.release(connection, [ME], [], outbox.clock.now())


def sent_as(outbox: Outbox, number: int, channel: str = "slack") -> Claim:
    claim = outbox.claimed(channel)
    with outbox.store.write() as connection:
        assert outbox.claims.sent(connection, claim, receipt(number), outbox.clock.now())
    return claim


def receipt(number: int) -> dict[str, Any]:
    return {"words": "", "keys": {"message": str(number)}}


def known(doubt: Doubt | None) -> list[tuple[int, bool]]:
    assert doubt is not None
    return [(int(each.receipt["keys"]["message"]), each.is_earlier) for each in doubt.known]


def doubt_about(outbox: Outbox) -> Doubt | None:
    """Of the next message, whose sender died."""
    outbox.claimed()
    dies(outbox)
    return outbox.claimed().doubt


def test_about_what_was_never_tried_there_is_no_doubt(outbox: Outbox) -> None:
    outbox.fire("1")
    assert outbox.claimed().doubt is None


def test_what_stood_there_before_is_told_from_what_was_sent_since(outbox: Outbox) -> None:
    outbox.fire("1")
    sent_as(outbox, 11)
    later(outbox)
    outbox.fire("2", "3")
    later(outbox)
    sent_as(outbox, 22)
    doubt = doubt_about(outbox)
    assert known(doubt) == [(22, False), (11, True)]
    assert doubt is not None
    assert (doubt.tries, doubt.is_of_told) == (1, False)
    assert doubt.since == outbox.clock.now() - timedelta(minutes=1)


def test_other_channels_may_lead_into_the_same_chat(outbox: Outbox) -> None:
    outbox.fire("1")
    sent_as(outbox, 11, "hook")
    later(outbox)
    outbox.fire("2")
    assert (11, False) in known(doubt_about(outbox))


def test_a_message_in_the_place_of_an_older_one_is_no_older_than_it_is(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.claimed()
    dies(outbox)
    outbox.resolve("1")
    later(outbox)
    outbox.fire("2")
    later(outbox)
    lost = outbox.claimed()
    end = sent_as(outbox, 33)
    dies(outbox)
    again = outbox.claimed()
    assert (end.edits, again.id) == (1, lost.id)
    assert known(again.doubt) == [(33, False), (33, False)], "the end, and what stands in the place of the first one"


def test_only_the_newest_are_looked_up(outbox: Outbox) -> None:
    for number in range(MOST + 1):
        outbox.fire(str(number))
        sent_as(outbox, number)
    outbox.fire("the last one")
    assert [number for number, _ in known(doubt_about(outbox))] == list(range(MOST, 0, -1))


def test_what_was_sent_since_the_clock_was_put_right_is_no_older(outbox: Outbox) -> None:
    outbox.clock.jump(timedelta(hours=1))
    outbox.fire("1")
    lost = outbox.claimed()
    outbox.clock.jump(timedelta(hours=-1))
    outbox.fire("2")
    sent_as(outbox, 22)
    dies(outbox)
    again = outbox.claimed()
    assert (again.id, known(again.doubt)) == (lost.id, [(22, False)])


def test_what_was_told_on_a_faster_channel_hides_nothing_of_this_one(outbox: Outbox) -> None:
    outbox.fire("0")
    sent_as(outbox, 0)
    for number in range(1, MOST + 2):
        outbox.fire(str(number))
        sent_as(outbox, number, "hook")
    found = known(doubt_about(outbox))
    assert found[-1] == (0, False)
    assert [number for number, _ in found[:-1]] == list(range(MOST + 1, 1, -1))


def test_the_end_of_what_was_perhaps_told_knows_what_it_ends(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.claimed()
    dies(outbox)
    made_at = outbox.clock.now()
    later(outbox)
    outbox.resolve("1")
    end = outbox.claimed()
    assert end.doubt == Doubt(made_at, 1, (), is_of_told=True)
    assert end.told_twice


@pytest.mark.parametrize("all_copies_known", [True, False])
def test_of_what_was_found_nothing_more_is_in_doubt(outbox: Outbox, all_copies_known: bool) -> None:
    outbox.fire("1")
    outbox.claimed()
    dies(outbox)
    outbox.resolve("1")
    end, now = outbox.claimed(), outbox.clock.now()
    with outbox.store.write() as connection:
        outbox.claims.sent(connection, end, receipt(5), now, all_copies_known=all_copies_known)
    with outbox.store.read() as connection:
        doubts = connection.execute(
            select(notifications.c.maybe_sent).where(notifications.c.channel == "slack").order_by(notifications.c.id)
        ).scalars()
        assert list(doubts) == [not all_copies_known, False]
