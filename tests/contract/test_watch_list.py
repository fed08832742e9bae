"""What every store promises about who waits, what was known when, how fresh it is, and by which policies one judges."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from chats import NOW, ago
from sqlalchemy import Connection, event

from roundsman.repositories.engine import Store
from roundsman.repositories.observations import Observation, ObservationRepository
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.policy_versions import PolicyVersionRepository
from roundsman.repositories.stale_spans import StaleSpan, StaleSpanRepository
from roundsman.repositories.watch_list import WaitingState, WatchListRepository, WatchRow

ROWS = WatchListRepository()
SEEN = ObservationRepository()
SYNCS = PageSyncRepository()
SPANS = StaleSpanRepository()
VERSIONS = PolicyVersionRepository()

FULL = WatchRow(
    "100_1", "100", ago(9), ago(19), ago(20), ago(30), ago(-5), ago(19), 2, True, ago(-40), "Lan", ago(1.5)
)  # fmt: skip


def row(name: str, due: float | None = 0, page_id: str = "100", **facts: Any) -> WatchRow:
    """A customer who waits; due so many minutes ago."""
    due_at = None if due is None else ago(due)
    usual = WatchRow(f"{page_id}_{name}", page_id, ago(15), ago(15), due_at=due_at)
    return usual._replace(**facts)


def put(store: Store, *rows: WatchRow) -> None:
    with store.write() as connection:
        ROWS.put(connection, rows)


def names(rows: list[WatchRow]) -> list[str]:
    return [each.conversation_id for each in rows]


def everything(store: Store) -> list[WatchRow]:
    with store.read() as connection:
        return [each for some in ROWS.all(connection) for each in some]


# --- the watch list ---


def test_what_was_put_is_read_back(store: Store) -> None:
    bare = WatchRow("100_2", "100")
    put(store, bare, FULL)
    with store.read() as connection:
        assert ROWS.find(connection, ["100_1", "100_2", "unknown"]) == {"100_1": FULL, "100_2": bare}
    assert everything(store) == [FULL, bare]
    assert FULL.state == WaitingState(ago(9), ago(19), ago(20), ago(30), ago(-5))


def test_what_is_put_again_is_replaced_as_a_whole(store: Store) -> None:
    put(store, FULL)
    put(store, WatchRow("100_1", "200", level=1))
    assert everything(store) == [WatchRow("100_1", "200", level=1)]


def test_nothing_put_is_nothing_changed(store: Store) -> None:
    put(store)
    assert everything(store) == []


def test_what_is_removed_is_gone_and_what_is_unknown_is_no_fault(store: Store) -> None:
    put(store, row("1"), row("2"))
    with store.write() as connection:
        ROWS.remove(connection, ["100_1", "unknown"])
        ROWS.remove(connection, [])
    assert names(everything(store)) == ["100_2"]


def test_due_is_what_is_not_later_than_now_the_earliest_first(store: Store) -> None:
    put(store, row("later", -0.001), row("now", 0), row("early", 5), row("never", None), row("earliest", 6))
    with store.read() as connection:
        assert names(ROWS.due(connection, NOW)) == ["100_earliest", "100_early", "100_now"]
        assert names(ROWS.due(connection, NOW, limit=2)) == ["100_earliest", "100_early"]


def test_pages_can_be_left_out_of_what_is_due(store: Store) -> None:
    put(store, row("1", 3), row("1", 2, "200"), row("1", 1, "300"))
    with store.read() as connection:
        assert names(ROWS.due(connection, NOW, apart_from_pages={"200", "unknown"})) == ["100_1", "300_1"]


def test_of_chosen_pages_only_what_people_know_of_is_due(store: Store) -> None:
    told: dict[str, Any] = {"incident_since": ago(15), "level": 1}
    put(store, row("untold"), row("told", 1, **told), row("later", -1, **told), row("other", 2, "200", **told))
    with store.read() as connection:
        assert names(ROWS.due_and_told(connection, NOW, {"100"})) == ["100_told"]
        assert names(ROWS.due_and_told(connection, NOW, {"100", "200"})) == ["200_other", "100_told"]
        assert names(ROWS.due_and_told(connection, NOW, {"100", "200"}, limit=1)) == ["200_other"]


def test_rows_of_changed_pages_become_due(store: Store) -> None:
    put(store, row("1", None), row("2", -30), row("1", -30, "200"))
    with store.write() as connection:
        ROWS.look_at_pages(connection, ["100"], NOW)
        ROWS.look_at_pages(connection, [], NOW)
    assert [each.due_at for each in everything(store)] == [NOW, NOW, ago(-30)]


def test_when_the_rules_change_every_row_becomes_due(store: Store) -> None:
    put(store, row("1", None), row("2", -30), row("1", -30, "200"))
    with store.write() as connection:
        assert ROWS.look_again(connection, NOW) == 3
    assert {each.due_at for each in everything(store)} == {NOW}


def test_those_who_wait_and_those_who_wait_too_long_are_counted(store: Store) -> None:
    idle: dict[str, Any] = {"waiting_since": None, "human_waiting_since": None}
    put(
        store,
        row("waits"),
        row("bot", waiting_since=None),
        row("future", recheck_at=ago(-5), **idle),
        row("warned", incident_since=ago(15), warned=True),
        row("late", incident_since=ago(15), level=1),
        row("ending", incident_since=ago(15), level=3, **idle),
    )
    with store.read() as connection:
        assert ROWS.count(connection) == 4
        assert ROWS.count_late(connection) == 2


def test_more_rows_than_fit_one_statement(store: Store) -> None:
    put(store, *(row(f"{number:04}", number) for number in range(1201)))
    with store.write() as connection:
        assert len(ROWS.find(connection, [f"100_{number:04}" for number in range(1201)])) == 1201
        assert len(ROWS.due(connection, NOW)) == 1201
        ROWS.remove(connection, [f"100_{number:04}" for number in range(1200)])
    assert names(everything(store)) == ["100_1200"]


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda connection: ROWS.due(connection, NOW), id="all pages"),
        pytest.param(lambda connection: ROWS.due(connection, NOW, apart_from_pages={"200"}), id="without stale pages"),
    ],
)
def test_what_is_due_is_read_from_its_index_alone(store: Store, read: Callable[[Connection], Any]) -> None:
    """Whatever waits: no scan of the table, and no sorting."""
    put(store, *(row(f"{number:05}", 1 - number) for number in range(5000)))
    if store.dialect == "postgresql":
        with store.write() as connection:
            connection.exec_driver_sql("ANALYZE watch_list")
    plan = plan_of(store, read)
    assert "ix_watch_list_due_at" in plan
    assert not any(word in plan for word in ("SCAN", "Seq Scan", "Sort", "B-TREE")), plan


def plan_of(store: Store, read: Callable[[Connection], Any]) -> str:
    """How the database goes about the one query of a call."""
    caught: list[tuple[str, Any]] = []

    def catch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        caught.append((statement, parameters))

    with store.read() as connection:
        event.listen(connection, "before_cursor_execute", catch)
        read(connection)
        event.remove(connection, "before_cursor_execute", catch)
        ((statement, parameters),) = [each for each in caught if each[0].startswith("SELECT")]
        explain = "EXPLAIN QUERY PLAN" if store.dialect == "sqlite" else "EXPLAIN"
        return "\n".join(str(line[-1]) for line in connection.exec_driver_sql(f"{explain} {statement}", parameters))


# --- what was known ---


def seen(name: str, minutes_ago: float, **facts: Any) -> Observation:
    state = WaitingState(ago(15), ago(15))
    usual = Observation(f"100_{name}", "100", ago(minutes_ago), "INBOX", True, ("VIP",), ("u1", "u2"), *state, None)
    return usual._replace(**facts)


def test_observations_are_read_back_in_the_order_in_which_they_were_made(store: Store) -> None:
    first = seen("1", 5, answered_at=ago(40), human_answered_at=ago(50), recheck_at=ago(-3), snoozed_until=ago(-9))
    second = seen("1", 5, tags=(), assignees=(), is_synced=False, waiting_since=None)
    with store.write() as connection:
        SEEN.add(connection, [first, seen("2", 4)])
        SEEN.add(connection, [second])
        SEEN.add(connection, [])
    with store.read() as connection:
        assert SEEN.of(connection, "100_1") == [first, second]
        assert SEEN.of(connection, "unknown") == []
    assert first.state == WaitingState(ago(15), ago(15), ago(40), ago(50), ago(-3))


def test_a_stretch_of_time_holds_its_beginning_and_not_its_end(store: Store) -> None:
    with store.write() as connection:
        SEEN.add(connection, [seen(str(minute), minute) for minute in (9, 5, 4, 1)])
    with store.read() as connection:
        assert [each.seen_at for each in SEEN.between(connection, ago(5), ago(1))] == [ago(5), ago(4)]


def test_what_was_known_at_a_moment_is_the_latest_of_each(store: Store) -> None:
    with store.write() as connection:
        SEEN.add(connection, [seen("1", 9), seen("2", 8), seen("1", 5), seen("1", 3), seen("3", 2)])
    with store.read() as connection:
        found = SEEN.latest_before(connection, ago(3))
    assert [(each.conversation_id, each.seen_at) for each in found] == [("100_2", ago(8)), ("100_1", ago(5))]


def test_old_observations_go_but_for_those_of_who_still_waits(store: Store) -> None:
    put(store, row("waits"))
    with store.write() as connection:
        SEEN.add(connection, [seen("1", 9), seen("waits", 9), seen("2", 8), seen("1", 1)])
        assert SEEN.prune(connection, ago(5), limit=1) == 1
        assert SEEN.prune(connection, ago(5), limit=10) == 1
        assert SEEN.prune(connection, ago(5), limit=10) == 0
    with store.read() as connection:
        left = list(SEEN.between(connection, ago(100), ago(-100)))
    assert [(each.conversation_id, each.seen_at) for each in left] == [("100_waits", ago(9)), ("100_1", ago(1))]


# --- how fresh it is ---


def advance(store: Store, fresh_at: datetime | None, checkpoint: Any = None, page_id: str = "100") -> PageSync:
    with store.write() as connection:
        SYNCS.advance(connection, page_id, "pancake", fresh_at=fresh_at, checkpoint=checkpoint)
        found = SYNCS.find(connection, page_id)
    assert found is not None
    return found


def fail(store: Store, minutes_ago: float, error: str = "HTTP 503") -> int:
    with store.write() as connection:
        return SYNCS.failed(
            connection, "100", "pancake", error, retry_at=ago(minutes_ago - 1), now=ago(minutes_ago)
        )  # fmt: skip


def test_a_page_without_a_live_source_has_no_sync(store: Store) -> None:
    with store.read() as connection:
        assert SYNCS.find(connection, "100") is None
        assert SYNCS.all(connection) == {}


def test_a_watermark_goes_forward_and_never_back(store: Store) -> None:
    assert advance(store, None, {"until": 1}) == PageSync("100", "pancake", None, {"until": 1})
    assert advance(store, ago(9)).fresh_at == ago(9)
    assert advance(store, ago(10)).fresh_at == ago(9)
    assert advance(store, None, {"until": 2}) == PageSync("100", "pancake", ago(9), {"until": 2})
    assert advance(store, ago(8)) == PageSync("100", "pancake", ago(8))


def test_failures_are_counted_in_a_row_and_keep_what_was_reached(store: Store) -> None:
    advance(store, ago(20), {"until": 1})
    assert [fail(store, 9), fail(store, 8, "HTTP 429")] == [1, 2]
    with store.read() as connection:
        assert SYNCS.all(connection) == {
            "100": PageSync("100", "pancake", ago(20), {"until": 1}, 2, ago(9), ago(7), "HTTP 429")
        }
    assert advance(store, ago(1)) == PageSync("100", "pancake", ago(1))
    assert fail(store, 0) == 1


def test_a_first_sync_that_fails_has_reached_nothing(store: Store) -> None:
    assert fail(store, 9) == 1
    with store.read() as connection:
        found = SYNCS.find(connection, "100")
    assert found == PageSync("100", "pancake", None, None, 1, ago(9), ago(8), "HTTP 503")


def test_a_page_can_be_tried_again_at_once_and_be_forgotten(store: Store) -> None:
    fail(store, 1)
    advance(store, NOW, page_id="200")
    with store.write() as connection:
        SYNCS.retry_now(connection, ["100", "unknown"])
        found = SYNCS.find(connection, "100")
        assert found is not None
        assert (found.retry_at, found.failures) == (None, 1)
        SYNCS.forget(connection, ["100", "unknown"])
        assert SYNCS.all(connection).keys() == {"200"}


# --- when it was not ---


def test_stale_pages_are_marked_from_round_to_round(store: Store) -> None:
    with store.write() as connection:
        SPANS.mark(connection, {"100", "200"}, ago(9))
        SPANS.mark(connection, {"100", "200"}, ago(8))
        assert SPANS.open(connection) == {"100", "200"}
        SPANS.mark(connection, {"200", "300"}, ago(7))
        assert SPANS.open(connection) == {"200", "300"}
        SPANS.mark(connection, {"100"}, ago(6))
        assert SPANS.open(connection) == {"100"}
        everything = SPANS.since(connection, ago(100))
    assert sorted(everything) == [
        StaleSpan("100", ago(9), ago(7)),
        StaleSpan("100", ago(6), None),
        StaleSpan("200", ago(9), ago(6)),
        StaleSpan("300", ago(7), ago(6)),
    ]


def test_spans_that_were_over_are_left_out_and_pruned(store: Store) -> None:
    with store.write() as connection:
        for minute, stale in ((9, {"100"}), (8, {"200"}), (7, {"300"})):
            SPANS.mark(connection, stale, ago(minute))
        assert [each.page_id for each in SPANS.since(connection, ago(7.5))] == ["200", "300"]
        assert [each.page_id for each in SPANS.since(connection, ago(7))] == ["300"]
        assert SPANS.prune(connection, ago(7.5), limit=10) == 1
        assert SPANS.prune(connection, ago(0), limit=1) == 1
        assert SPANS.prune(connection, ago(0), limit=10) == 0
        assert SPANS.open(connection) == {"300"}


# --- by which policies ---


def test_the_policies_that_were_taken_over_last_are_in_force(store: Store) -> None:
    with store.write() as connection:
        assert VERSIONS.current(connection) is None
        assert VERSIONS.in_force_since(connection, "a") is None
        for version, minute in (("a", 9), ("b", 8), ("a", 7)):
            VERSIONS.take_over(connection, version, ago(minute))
        assert VERSIONS.current(connection) == "a"
        assert VERSIONS.in_force_since(connection, "a") == ago(7)
        assert VERSIONS.in_force_since(connection, "b") is None


def test_times_keep_their_microseconds(store: Store) -> None:
    at = NOW + timedelta(microseconds=123_457)
    put(store, row("1", due_at=at))
    assert everything(store)[0].due_at == at
