"""What people do to runs: retry, replay and signal them (cancel, pause and resume: test_run_engine_waits)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from run_bench import PATIENCE_S, Bench, Benches, workflow

from roundsman.errors import BadInputError
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Guard, Machine, Transition
from roundsman.fsm.workflow import Fail, Next, StepResult, WaitFor, review
from roundsman.message import Draft
from roundsman.repositories.runs import RunStatus
from roundsman.runs.interventions import Retried, RunBusyError
from roundsman.runs.revival import revive
from roundsman.runs.run_queue import StoreRunQueue

HOUR = timedelta(hours=1)


class _Shop:
    """Three steps, each with a call; the last one fails while `broken`."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.broken = True

    def fetch(self, ctx: RunContext) -> StepResult:
        return self._do(ctx, "fetched")

    def build(self, ctx: RunContext) -> StepResult:
        return self._do(ctx, "built")

    def ship(self, ctx: RunContext) -> StepResult:
        answer = self._do(ctx, "shipped")
        if self.broken:
            raise Fail("nobody is at home")
        return answer

    def _do(self, ctx: RunContext, name: str) -> StepResult:
        return Next("next", {name: [ctx.input.get("what"), ctx.call(name, partial(self._make, name))]})

    def _make(self, name: str) -> int:
        self.made.append(name)
        return len(self.made)

    def bench(self, benches: Benches) -> Bench:
        return benches(workflow({"first": self.fetch, "second": self.build, "third": self.ship}))


def _failed(benches: Benches) -> tuple[_Shop, Bench, int]:
    shop = _Shop()
    bench = shop.bench(benches)
    number = bench.submit({"what": "chair"}, group="lab", priority=7, correlation_id="abc")
    bench.drive()
    assert bench.run(number).status is RunStatus.FAILED
    shop.broken = False
    shop.made.clear()
    return shop, bench, number


def test_a_failed_run_is_retried_from_where_it_failed_as_a_new_one(benches: Benches) -> None:
    shop, bench, number = _failed(benches)
    before = bench.run(number)
    retried = bench.people.retry(number)
    assert (retried.state, retried.kept) == ("third", 4)
    bench.drive()
    run = bench.run(retried.run_id)
    assert (run.status, run.retry_of, run.retry_from) == (RunStatus.COMPLETED, number, 4)
    assert (run.group_key, run.priority, run.correlation_id, run.input) == ("lab", 7, "abc", {"what": "chair"})
    assert run.data == {"fetched": ["chair", 1], "built": ["chair", 2], "shipped": ["chair", 1]}
    assert shop.made == ["shipped"]
    assert [unit.sequence for unit in bench.units(retried.run_id)] == list(range(6))
    assert bench.run(number) == before


@pytest.mark.parametrize(
    ("step", "made", "kept"),
    [
        ("fetch", ["fetched", "built", "shipped"], 0),
        ("first", ["fetched", "built", "shipped"], 0),
        ("build", ["built", "shipped"], 2),
        ("ship", ["shipped"], 4),
        ("third", ["shipped"], 4),
    ],
)
def test_a_run_is_retried_from_any_step_with_another_input(
    benches: Benches, step: str, made: list[str], kept: int
) -> None:
    shop, bench, number = _failed(benches)
    retried = bench.people.retry(number, step=step, edited={"what": "table"})
    assert retried.kept == kept
    bench.drive()
    run = bench.run(retried.run_id)
    assert (run.status, shop.made, run.input) == (RunStatus.COMPLETED, made, {"what": "table"})
    assert [run.data[each][0] for each in ("fetched", "built", "shipped")] == ["chair"] * (3 - len(made)) + [
        "table"
    ] * len(made)


def test_a_completed_run_is_retried_from_the_beginning(benches: Benches) -> None:
    shop, bench, number = _failed(benches)
    completed = bench.people.retry(number)
    bench.drive()
    shop.made.clear()
    again = bench.people.retry(completed.run_id)
    assert again == Retried(again.run_id, "first", 0)
    bench.drive()
    assert (bench.run(again.run_id).status, shop.made) == (RunStatus.COMPLETED, ["fetched", "built", "shipped"])


@pytest.mark.parametrize(
    ("retry", "error", "words"),
    [
        ({"step": "paint"}, BadInputError, "--from: run 1 has no recorded step 'paint'; recorded are fetch, build"),
        ({"edited": [1]}, BadInputError, "input: is no JSON object"),
        ({"edited": {"a": float("inf")}}, BadInputError, "input: cannot be stored as JSON"),
    ],
)
def test_a_retry_that_makes_no_sense_stores_nothing(
    benches: Benches, retry: dict[str, Any], error: type[Exception], words: str
) -> None:
    _, bench, number = _failed(benches)
    with pytest.raises(error) as raised:
        bench.people.retry(number, **retry)
    assert str(raised.value).startswith(words)
    with bench.store.read() as connection:
        assert len(bench.runs.listed(connection)) == 1


def test_an_unfinished_run_is_not_retried(sqlite_benches: Benches) -> None:
    bench = sqlite_benches(workflow())
    number = bench.submit()
    with pytest.raises(RunBusyError, match="only a finished run is retried"):
        bench.people.retry(number)
    with pytest.raises(BadInputError, match="There is no run 77"):
        bench.people.retry(77)


# --- dead letters ---


def test_dead_letters_are_replayed_with_all_attempts_before_them_and_no_call_made_again(benches: Benches) -> None:
    shop, bench, number = _failed(benches)
    (letter,) = bench.queue.dead()
    assert revive(bench.store, bench.queue, [number]) == [number]
    run = bench.run(number)
    assert (run.status, run.attempt, run.error, run.finished_at, run.expires_at) == (
        RunStatus.QUEUED, 0, None, None, None,
    )  # fmt: skip
    assert (run.message_id, bench.queue.dead()) == (letter.id, [])
    bench.drive()
    assert (bench.run(number).status, shop.made) == (RunStatus.COMPLETED, [])
    assert bench.queue.depth() == {}


def test_a_run_that_was_retried_or_is_gone_is_not_replayed(benches: Benches) -> None:
    shop, bench, number = _failed(benches)
    bench.people.retry(number)
    bench.drive()
    shop.broken = True
    gone = bench.submit()
    bench.drive()
    with bench.store.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM runs WHERE id = {gone}")
    assert len(bench.queue.dead()) == 2
    assert revive(bench.store, bench.queue) == []
    assert (bench.run(number).status, len(bench.queue.dead())) == (RunStatus.FAILED, 2)


def test_a_letter_that_names_no_run_revives_none(benches: Benches) -> None:
    _, bench, number = _failed(benches)
    assert number == 1
    odd = bench.queue.enqueue([Draft("sample", {"run": True})])[0].id  # true is one, elsewhere
    bench.drive()
    bench.people.retry(number)
    assert revive(bench.store, bench.queue) == []
    assert odd in {letter.id for letter in bench.queue.dead()}


def test_a_letter_that_is_not_there_is_named(sqlite_benches: Benches) -> None:
    bench = sqlite_benches(workflow())
    with pytest.raises(BadInputError, match="There is no dead letter of run 4711"):
        revive(bench.store, bench.queue, [4711])


def test_a_replay_that_dies_in_the_middle_is_finished_by_the_reconciler(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, bench, number = _failed(benches)

    def dies(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.queue, "replay", dies)
    with pytest.raises(KeyboardInterrupt):
        revive(bench.store, bench.queue)
    assert bench.run(number).status is RunStatus.QUEUED
    bench.pass_time(HOUR)
    assert bench.reconciler.run_once().sent_again == 1
    bench.drive()
    assert (bench.run(number).status, shop.made) == (RunStatus.COMPLETED, [])


# --- signals ---


def test_of_two_signals_at_one_moment_one_counts(benches: Benches) -> None:
    def first(ctx: RunContext) -> StepResult:
        return review()

    desks = [benches(workflow({"first": first})) for _ in range(2)]
    together = threading.Barrier(2, timeout=PATIENCE_S)
    for _ in range(10):
        number = desks[0].submit()
        desks[0].drive()
        heard: list[str] = []

        def signal(bench: Bench, event: str, number: int = number, heard: list[str] = heard) -> None:
            together.wait()
            try:
                bench.people.signal(number, event)
            except RunBusyError:
                heard.append("busy")
            else:
                heard.append(event)

        threads = [
            threading.Thread(target=signal, args=each) for each in zip(desks, ("approve", "reject"), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert sorted(heard) in (["approve", "busy"], ["busy", "reject"])
        assert [unit.name for unit in desks[0].units(number)] == ["first", *(each for each in heard if each != "busy")]
        desks[0].drive()
        assert desks[0].run(number).finished


def _guarded(check: Callable[[Any], bool]) -> Machine:
    return Machine(
        "first",
        [Transition("first", "approve", "done", Guard("signed", check)), Transition("first", "next", "done")],
        {"done": Final.COMPLETED},
    )


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda data: data["approve"] == "Mai", "is refused by its guards (signed)"),
        (lambda data: 1 / 0, "a guard of 'approve' failed with ZeroDivisionError."),
    ],
)
def test_a_signal_that_a_guard_refuses_changes_nothing(
    benches: Benches, check: Callable[[Any], bool], words: str
) -> None:
    def first(ctx: RunContext) -> StepResult:
        return WaitFor(("approve",))

    made = benches(workflow({"first": first}, machine=_guarded(check)))
    number = made.submit()
    made.drive()
    before = made.run(number)
    with pytest.raises(RunBusyError) as raised:
        made.people.signal(number, "approve", "Nam")
    assert words in str(raised.value)
    assert made.run(number) == before


def test_a_payload_that_is_no_json_is_refused(sqlite_benches: Benches) -> None:
    def first(ctx: RunContext) -> StepResult:
        return review()

    bench = sqlite_benches(workflow({"first": first}))
    number = bench.submit()
    bench.drive()
    with pytest.raises(BadInputError, match="payload: cannot be stored as JSON"):
        bench.people.signal(number, "approve", {1, 2})
    assert bench.run(number).status is RunStatus.WAITING


def test_a_pause_and_a_cancellation_fetch_a_message_that_waits_for_its_time(benches: Benches) -> None:
    bench = benches(workflow())
    assert isinstance(bench.run_queue, StoreRunQueue)
    paused, cancelled = bench.submit(delay=HOUR), bench.submit(delay=HOUR)
    assert bench.depth().delayed == 2
    bench.people.pause(paused)
    bench.people.cancel(cancelled)
    bench.drive()
    assert bench.queue.depth() == {}
    bench.people.resume(paused)
    assert bench.depth().delayed == 1
    bench.pass_time(HOUR)
    bench.drive()
    assert bench.run(paused).status is RunStatus.COMPLETED
