"""Submissions in the process of a serving engine: stored and begun with one commit of its, and as good as any other."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from run_bench import PATIENCE_S, Bench, Benches, Gate, go_on, workflow
from sqlalchemy import Connection

from roundsman.errors import StoreError
from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Next, StepResult
from roundsman.message import Rate
from roundsman.queues.memory import MemoryQueue
from roundsman.repositories.engine import Store
from roundsman.repositories.runs import RunRepository, RunStatus
from roundsman.runs.desk import Order, Submitted

HOUR = timedelta(hours=1)


def serve(bench: Bench) -> Bench:
    """It looks once, finds nothing, and takes submissions."""
    bench.engine.start()
    assert bench.engine.wait_drained(PATIENCE_S)
    return bench


@contextmanager
def commits_of(bench: Bench) -> Iterator[list[tuple[str, list[str]]]]:
    """The commits after which there are runs: their threads, and where the runs stand then."""
    commits: list[tuple[str, list[str]]] = []
    dialect = bench.store.engine.dialect
    commit = dialect.do_commit

    def noted(connection: Any) -> None:
        rows = connection.dbapi_connection.execute("SELECT status FROM runs ORDER BY id").fetchall()
        if rows:
            commits.append((threading.current_thread().name, [status for (status,) in rows]))
        commit(connection)

    dialect.do_commit = noted  # type: ignore[method-assign, assignment]
    yield commits
    dialect.do_commit = commit  # type: ignore[method-assign]


def completed(bench: Bench, numbers: list[int]) -> bool:
    return all(bench.run(number).status is RunStatus.COMPLETED for number in numbers)


def test_a_run_is_stored_and_begun_with_one_commit(benches: Benches) -> None:
    gate = Gate()
    bench = serve(benches(workflow({"first": gate.step})))
    with commits_of(bench) as commits:
        number = bench.submit({"a": (1, 2)})
        gate.wait_for_entry()
        assert commits[0] == ("runs", ["running"])
    run = bench.run(number)
    assert (run.status, run.token, run.input, run.owner) == (RunStatus.RUNNING, 1, {"a": [1, 2]}, bench.owner)
    assert (run.created_at, run.started_at, run.keep_s) == (bench.clock.now(), bench.clock.now(), 24 * 3600)
    assert run.lease_until == bench.clock.now() + timedelta(seconds=30)
    assert (bench.depth().leased, bench.queue.unknown([run.message_id or "?"])) == (1, set())
    gate.open()
    bench.until(lambda: bench.run(number).status is RunStatus.COMPLETED)
    assert bench.queue.depth() == {}
    assert [(unit.sequence, unit.attempt) for unit in bench.units(number)] == [(0, 1), (1, 1), (2, 1)]


def test_its_steps_see_the_input_as_it_was_submitted(benches: Benches) -> None:
    seen: list[Any] = []
    gate = Gate()

    def first(ctx: RunContext) -> StepResult:
        gate.pass_through()
        seen.append(ctx.input)
        return Next("next")

    bench = serve(benches(workflow({"first": first})))
    given = {"list": [1], "tuple": (1,), "é": None}
    number = bench.submit(given)
    given["list"].append(2)  # type: ignore[union-attr]
    gate.open()
    bench.until(lambda: bench.run(number).finished)
    assert seen == [bench.run(number).input] == [{"list": [1], "tuple": [1], "é": None}]


def test_several_who_submit_at_once_each_get_their_own_runs_and_share_commits(benches: Benches) -> None:
    bench = serve(benches(workflow(), size=2))
    orders = [[Order("sample", {"of": one, "number": number}) for number in range(5)] for one in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(bench.desk.submit_all, orders))
    numbers = [answer.run_id for some in answers for answer in some]
    assert len(set(numbers)) == 200
    for one, some in enumerate(answers):
        assert [bench.run(answer.run_id).input for answer in some] == [
            {"of": one, "number": number} for number in range(5)
        ]
    bench.until(lambda: completed(bench, numbers))
    assert bench.queue.depth() == {}
    assert bench.engine.counts["claimed"] == 200


def test_the_most_urgent_ones_get_the_room(benches: Benches) -> None:
    gate, begun = Gate(), list[str]()

    def first(ctx: RunContext) -> StepResult:
        begun.append(ctx.input["name"])
        gate.pass_through()
        return Next("next")

    bench = serve(benches(workflow({"first": first}), size=1))
    named = [("low", 1), ("normal", 5), ("high", 10), ("high too", 10), ("critical", 20)]
    bench.desk.submit_all([Order("sample", {"name": name}, priority) for name, priority in named])
    gate.wait_for_entry()
    assert begun == ["critical"]
    assert (bench.depth().leased, bench.depth().ready) == (1, 4)
    bench.submit({"name": "last"}, priority=15)  # though nobody has looked, four wait before it
    gate.open()
    bench.until(lambda: bench.engine.counts.get("completed") == 6)
    assert begun == ["critical", "last", "high", "high too", "normal", "low"]


@pytest.mark.parametrize(
    "facts",
    [{"delay": HOUR}, {"group": "lab"}, {"dedup": "key"}, {"workflow": "alone"}, {"workflow": "seldom"}],
    ids=["delay", "group", "dedup", "concurrency", "rate"],
)
def test_what_something_holds_back_goes_through_the_queue(benches: Benches, facts: dict[str, Any]) -> None:
    alone, seldom = workflow(name="alone", concurrency=1), workflow(name="seldom", rate=Rate(5, HOUR))
    bench = serve(benches(workflow(), alone, seldom))
    with commits_of(bench) as commits:
        number = bench.submit(**facts)
    assert commits[0] == (threading.current_thread().name, ["queued"])
    if "delay" not in facts:
        bench.until(lambda: bench.run(number).status is RunStatus.COMPLETED)
    else:
        assert bench.run(number).status is RunStatus.QUEUED


def test_a_group_a_limit_and_a_dedup_key_hold_beside_runs_that_are_begun_at_once(benches: Benches) -> None:
    gate = Gate()
    bench = serve(benches(workflow({"first": gate.step}), workflow({"first": gate.step}, name="alone", concurrency=1)))
    plain = bench.submit()
    gate.wait_for_entry()
    of_group = [bench.submit(group="lab") for _ in range(2)]
    limited = [bench.submit(workflow="alone") for _ in range(2)]
    keyed = bench.desk.submit(Order("sample", {}, dedup="key"))
    assert bench.desk.submit(Order("sample", {}, dedup="key")) == Submitted(keyed.run_id, duplicate=True)
    bench.until(lambda: bench.depth().leased == 3 and bench.depth("alone").leased == 1)
    assert bench.depth().held == 1
    gate.open()
    bench.until(lambda: completed(bench, [plain, keyed.run_id, *of_group, *limited]))


def test_a_step_may_submit(benches: Benches) -> None:
    bench: Bench

    def first(ctx: RunContext) -> StepResult:
        more = ctx.input["more"]
        return Next("next", {"child": bench.submit({"more": more - 1}) if more else 0})

    bench = serve(benches(workflow({"first": first}), size=2))
    number = bench.submit({"more": 3})
    bench.until(lambda: bench.engine.counts.get("completed") == 4)
    for _ in range(3):
        number = bench.run(number).data["child"]
    assert bench.run(number).data == {"child": 0}


# --- faults ---


class _Failing(RunRepository):
    """Stores nothing as long as it is told so."""

    error: Exception | None = None

    def numbers(self, connection: Connection, count: int) -> Any:
        if _Failing.error is not None:
            raise _Failing.error
        return super().numbers(connection, count)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[_Failing]:
    monkeypatch.setattr("roundsman.runs.admission.RunRepository", _Failing)
    monkeypatch.setattr(_Failing, "error", None)
    return _Failing


def stored(bench: Bench) -> int:
    with bench.store.read() as connection:
        return len(bench.runs.listed(connection))


def test_a_store_that_takes_nothing_is_told_to_whoever_submits(benches: Benches, failing: type[_Failing]) -> None:
    bench = serve(benches(workflow()))
    failing.error = StoreError("The disk that holds it is full.")
    with pytest.raises(StoreError, match="The disk that holds it is full"):
        bench.submit()
    assert (stored(bench), bench.queue.depth()) == (0, {})
    failing.error = None
    number = bench.submit()  # by the desk itself, or by the engine if it has found out already
    bench.until(lambda: completed(bench, [number]))


def test_an_order_that_cannot_be_stored_hurts_nobody_else(benches: Benches) -> None:
    gate = Gate()
    bench = serve(benches(workflow({"first": gate.step})))
    number = bench.submit()
    gate.wait_for_entry()
    with pytest.raises(OverflowError):
        bench.submit(priority=2**62)
    gate.open()
    bench.until(lambda: completed(bench, [number]))
    assert bench.engine.ill() is None
    assert stored(bench) == 1


def test_while_the_engine_halts_runs_enter_the_queue(benches: Benches) -> None:
    gate = Gate()
    bench = serve(benches(workflow({"first": gate.step})))
    bench.submit()
    gate.wait_for_entry()
    bench.engine.halt()
    number = bench.submit()
    assert bench.run(number).status is RunStatus.QUEUED
    gate.open()
    bench.engine.stop()
    later = bench.submit()
    assert [bench.run(each).status for each in (number, later)] == [RunStatus.QUEUED] * 2
    assert bench.depth().leased == 0


def test_a_thread_that_dies_leaves_nobody_waiting(benches: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = serve(benches(workflow()))
    monkeypatch.setattr("roundsman.runs.engine.Aftermath.of", _broken)
    answers = [bench.submit() for _ in range(3)]  # one that is committed is not stored again by the desk
    assert len(set(answers)) == stored(bench) == 3
    assert bench.engine.ill() == "the thread that drives runs has died of LookupError"
    assert bench.run(answers[2]).status is RunStatus.QUEUED


def _broken(*_: object) -> None:
    raise LookupError("a fault of our own")


def test_a_queue_elsewhere_gets_its_messages_as_ever(benches: Benches, clock: Any) -> None:
    bench = benches(workflow(), remote=lambda options: MemoryQueue(options, clock))
    bench.engine.start()
    numbers = [answer.run_id for answer in bench.desk.submit_all([Order("sample", {})] * 3)]
    bench.until(lambda: completed(bench, numbers))
    assert bench.engine.counts["claimed"] == 3


def test_two_engines_on_one_store_each_begin_their_own_and_nothing_twice(benches: Benches, store: Store) -> None:
    done: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        done.append(ctx.run_id)
        return go_on(ctx)

    one, other = (serve(benches(workflow({"first": first}), owner=owner)) for owner in ("a", "b"))
    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(lambda number: (one, other)[number % 2].submit(), range(100)))
    one.until(lambda: completed(one, numbers))
    assert sorted(done) == sorted(numbers)
