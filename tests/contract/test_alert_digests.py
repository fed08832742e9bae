"""Digests over both databases: one message for many, changed as they end, at most twice a minute."""

import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from alert_outbox import ME, Outbox
from alert_samples import KIND, unreplied

from roundsman.alerts.book import Condition
from roundsman.alerts.condition import Escalation
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.notification_claims import DIGEST_REST
from roundsman.repositories.notifications import NotificationRepository

SALES = Audience("Sales", digest_from=3)


@pytest.fixture
def outbox(store: Store, clock: ManualClock) -> Outbox:
    return Outbox(store, clock)


# --- telling ---


def test_many_of_a_team_are_one_message_with_the_longest_wait_first(outbox: Outbox) -> None:
    outbox.fire("a", "b", "c", "d", audience=SALES)
    digest = outbox.send()
    assert (outbox.subjects(digest.shows), digest.is_digest) == (["a", "b", "c", "d"], True)
    assert outbox.claim() is None
    assert outbox.told() == [(name, "firing", 1, "sent") for name in "abcd"]
    with outbox.store.read() as connection:
        (delivery,) = NotificationRepository().of_alerts(connection, digest.shows)[digest.shows[2]][:1]
    assert delivery.tells_of == 4


def test_a_few_are_told_one_by_one(outbox: Outbox) -> None:
    outbox.fire("a", "b", audience=SALES)
    assert [len(claim.shows) for claim in outbox.drain()] == [1, 1]


def test_what_one_transaction_opens_and_raises_counts_together(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("a", "b", level=0, audience=SALES)
    outbox.drain()
    with outbox.book().transaction("monitor") as desk:
        desk.escalate_all([Escalation(f"{KIND}:{name}", 1, SALES) for name in "ab"])
        late = unreplied("c", clock.now())
        desk.fire(Condition(KIND, "c", late.severity, late.since, {}, late.annotations, audience=SALES))
    assert [outbox.subjects(claim.shows) for claim in outbox.drain()] == [["a", "b", "c"]]


def test_what_is_over_before_a_digest_leaves_is_left_out_for_good(outbox: Outbox) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    outbox.resolve("b")
    assert outbox.subjects(outbox.send().shows) == ["a", "c"]
    assert ("cancelled", "slack") in [entry[:2] for entry in outbox.events("b")]
    outbox.resolve("a", "c")
    assert outbox.subjects(outbox.send().shows) == ["a", "c"], "nobody heard of b, so nobody hears of its end"


def test_a_digest_without_anything_left_is_cancelled(outbox: Outbox) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    outbox.resolve("a", "b")
    outbox.resolve("c")
    assert outbox.claim() is None
    assert outbox.told() == [(name, "firing", 1, "cancelled") for name in "abc"]
    assert [entry[0] for entry in outbox.events("a")] == ["opened", "resolved", "cancelled", "cancelled"]


def test_a_digest_of_warnings_leaves_out_what_has_come_true(outbox: Outbox) -> None:
    outbox.fire("a", "b", "c", level=0, audience=SALES)
    outbox.escalate("b", level=1, audience=SALES)
    assert [(claim.event.value, outbox.subjects(claim.shows)) for claim in outbox.drain()] == [
        ("firing", ["b"]), ("warning", ["a", "c"]),
    ]  # fmt: skip


# --- changing ---


def test_a_digest_is_changed_at_most_every_half_minute_and_at_last_says_that_all_are_over(
    outbox: Outbox, clock: ManualClock
) -> None:
    outbox.fire(*"abcdef", audience=SALES)
    digest = outbox.send()
    changes = []
    for name in "abcdef":
        clock.advance(timedelta(seconds=12))
        outbox.resolve(name)
        changes += [(clock.now(), claim) for claim in outbox.drain()]
    clock.advance(DIGEST_REST)
    changes += [(clock.now(), claim) for claim in outbox.drain()]
    assert outbox.claim() is None
    assert {(claim.edits, len(claim.shows)) for _, claim in changes} == {(digest.id, 6)}
    moments = [at for at, _ in changes]
    assert all(later - earlier >= DIGEST_REST for earlier, later in pairwise(moments))
    assert [outbox.subjects(claim.news_of) for _, claim in changes] == [["a"], ["b", "c", "d"], ["e", "f"]]
    for name in "abcdef":
        assert outbox.told().count((name, "resolved", 1, "sent")) == 1


def test_an_end_during_a_change_makes_another_one(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    outbox.send()
    outbox.resolve("a")
    flying = outbox.claimed()
    outbox.resolve("b")
    outbox.sent(flying)
    assert outbox.claim() is None
    clock.advance(DIGEST_REST)
    assert outbox.subjects(outbox.send().news_of) == ["b"]


def test_a_channel_that_cannot_edit_gets_one_reply_when_all_are_over(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    outbox.send("hook")
    for name in "ab":
        outbox.resolve(name)
        clock.advance(DIGEST_REST)
        assert outbox.claim("hook") is None
    outbox.resolve("c")
    reply = outbox.send("hook")
    assert outbox.subjects(reply.news_of) == ["a", "b", "c"]
    assert outbox.claim("hook") is None
    assert ("told", "hook") in [entry[:2] for entry in outbox.events("a")][-1:]


def test_a_reply_about_a_higher_level_ends_the_digest_of_warnings_too(outbox: Outbox) -> None:
    outbox.fire("a", "b", "c", level=0, audience=SALES)
    outbox.drain("hook")
    outbox.escalate("a", "b", "c", level=1, audience=SALES)
    outbox.drain("hook")
    outbox.resolve("a", "b", "c")
    assert [(end.level, end.event.value) for end in outbox.drain("hook")] == [(1, "resolved")]


def test_a_digest_that_was_perhaps_sent_by_a_dead_process_is_repeated_and_ended_in_full(
    outbox: Outbox, clock: ManualClock
) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    outbox.claimed()
    with outbox.store.write() as connection:
        outbox.claims.release(connection, ["here/boot/1/1"], [], clock.now())
    outbox.resolve("a")
    assert outbox.subjects(outbox.send().shows) == ["a", "b", "c"], "who got the first copy heard of a as well"
    outbox.resolve("b", "c")
    assert outbox.subjects(outbox.send().shows) == ["a", "b", "c"]


def test_ends_that_come_at_once_from_several_daemons_are_all_told(store: Store, clock: ManualClock) -> None:
    outbox, names = Outbox(store, clock), [f"c{number:02}" for number in range(24)]
    outbox.fire(*names, audience=SALES)
    outbox.send()
    together = threading.Barrier(5)

    def resolve(mine: list[str]) -> None:
        together.wait(10)
        for name in mine:
            outbox.resolve(name)

    def deliver() -> None:
        together.wait(10)
        for _ in range(30):
            outbox.drain()
            clock.advance(DIGEST_REST)

    threads = [threading.Thread(target=resolve, args=(names[part::4],)) for part in range(4)]
    threads.append(threading.Thread(target=deliver))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    clock.advance(DIGEST_REST)
    outbox.drain()
    assert [state for state in outbox.told() if state[1:] == ("resolved", 1, "sent")] == [
        (name, "resolved", 1, "sent") for name in names
    ]


# --- keeping ---


def test_old_alerts_go_with_their_digest_and_not_before_the_last_of_them(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    outbox.send()
    outbox.drain("hook")
    outbox.resolve("a", "b")
    clock.advance(timedelta(days=200))
    outbox.drain()
    outbox.drain("hook")
    limit = clock.now() - timedelta(days=180)
    with outbox.store.write() as connection:
        assert AlertRepository().prune(connection, limit, limit=100) == 0, "the message about c needs them"
    outbox.resolve("c")
    clock.advance(timedelta(days=200))
    with outbox.store.write() as connection:
        assert AlertRepository().prune(connection, clock.now() - timedelta(days=180), limit=100) == 0, "untold"
    outbox.drain()
    outbox.drain("hook")
    with outbox.store.write() as connection:
        assert AlertRepository().prune(connection, clock.now() - timedelta(days=180), limit=100) == 3
        assert NotificationRepository().backlog(connection) == {}
    assert outbox.told() == outbox.told("hook") == []


@pytest.mark.parametrize("tell", [True, False])
def test_a_thousand_in_one_digest_end_in_one_transaction(outbox: Outbox, tell: bool) -> None:
    names = [f"c{number:04}" for number in range(1_000)]
    outbox.fire(*names, audience=SALES)
    if tell:
        assert len(outbox.send().shows) == 1_000
    outbox.resolve(*names)
    assert [len(claim.news_of) for claim in outbox.drain()] == ([1_000] if tell else [])


@pytest.mark.parametrize("comes_back", ["failed", "its sender died"])
def test_a_change_that_comes_back_joins_the_one_that_waits(outbox: Outbox, comes_back: str) -> None:
    outbox.fire("1", "2", "3", audience=SALES)
    outbox.send()
    outbox.resolve("1")
    flying = outbox.claimed()
    outbox.resolve("2")
    with outbox.store.write() as connection:
        if comes_back == "failed":
            assert outbox.claims.retry(connection, flying, outbox.clock.now(), "HTTP 503")
        else:
            assert outbox.claims.release(connection, [ME], [], outbox.clock.now()) == 1
    (change,) = outbox.drain()
    assert sorted(outbox.subjects(change.news_of)) == ["1", "2"]
    with outbox.store.write() as connection:
        assert not outbox.claims.sent(connection, flying, {"words": "late"}, outbox.clock.now()), "the claim is lost"
