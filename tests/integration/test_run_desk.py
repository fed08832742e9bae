"""Runs are submitted: all of an order or nothing, once for each dedup key, with their message in the same commit."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from run_bench import PATIENCE_S, Bench, Benches, go_on, workflow

from roundsman.errors import BadInputError
from roundsman.fsm.workflow import Workflow
from roundsman.message import Priority
from roundsman.repositories.runs import RunStatus
from roundsman.runs.desk import DEDUP_WINDOW, LARGEST_INPUT, Order, Submitted

HOUR = timedelta(hours=1)


def _checking() -> Workflow:
    def check(_: object, data: dict[str, Any]) -> None:
        if "name" not in data:
            raise BadInputError("name: is missing.")

    return workflow(check=check)


def _nothing_is_stored(bench: Bench) -> bool:
    with bench.store.read() as connection:
        return bench.runs.listed(connection) == [] and bench.queue.depth() == {}


def test_what_is_submitted_is_stored_with_its_message(benches: Benches) -> None:
    bench = benches(workflow())
    answer = bench.desk.submit(Order("sample", {"a": [1, None, "\u1ea1"]}, Priority.HIGH, HOUR, "lab", "key", "abc-1"))
    assert answer == Submitted(answer.run_id)
    run = bench.run(answer.run_id)
    assert (run.status, run.state, run.input, run.data) == (RunStatus.QUEUED, "first", {"a": [1, None, "\u1ea1"]}, {})
    assert (run.priority, run.group_key, run.dedup_key, run.correlation_id) == (10, "lab", "key", "abc-1")
    assert (run.created_at, run.not_before) == (bench.clock.now(), bench.clock.now() + HOUR)
    assert run.keep_s == 24 * 3600
    assert (bench.depth().delayed, bench.queue.unknown([run.message_id or "?"])) == (1, set())


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order("nobody", {"name": 1}), "workflow: "),
        (Order("sample", {}), "name: is missing."),
        (Order("sample", [1]), "input: is no JSON object"),  # type: ignore[arg-type]
        (Order("sample", {"name": {1}}), "input: cannot be stored as JSON"),
        (Order("sample", {"name": float("nan")}), "input: cannot be stored as JSON"),
        (Order("sample", {"name": "x" * LARGEST_INPUT}), "input: is 1048588 bytes long"),
        (Order("sample", {"name": 1}, group="a\0b"), "group: "),
        (Order("sample", {"name": 1}, dedup="\udcff"), "dedup: "),
        (Order("sample", {"name": 1}, correlation_id=" "), "correlation_id: "),
        (Order("sample", {"name": 1}, delay=-HOUR), "delay: is -1 day, 23:00:00; give one from 0 to 3660 days"),
        (Order("sample", {"name": 1}, delay=timedelta.max), "delay: is 999999999 days"),
    ],
)
def test_bad_input_stores_nothing_of_the_whole_order(benches: Benches, order: Order, words: str) -> None:
    bench = benches(_checking())
    with pytest.raises(BadInputError) as raised:
        bench.desk.submit_all([Order("sample", {"name": 1}), order])
    assert str(raised.value).startswith(words)
    assert _nothing_is_stored(bench)


def test_many_are_submitted_in_one_commit_and_answered_in_order(benches: Benches) -> None:
    bench = benches(workflow())
    answers = bench.desk.submit_all([Order("sample", {"number": number}) for number in range(1500)])
    assert [bench.run(answer.run_id).input["number"] for answer in answers[::100]] == list(range(0, 1500, 100))
    assert len({answer.run_id for answer in answers}) == 1500
    assert bench.depth().ready == 1500
    assert bench.desk.submit_all([]) == []


def test_a_dedup_key_means_one_run_while_it_lasts_and_for_a_while(benches: Benches) -> None:
    bench = benches(workflow(), workflow(name="other"))
    first = bench.desk.submit(Order("sample", {}, dedup="key", delay=HOUR))
    again, other, without = bench.desk.submit_all(
        [Order("sample", {}, dedup="key"), Order("other", {}, dedup="key"), Order("sample", {})]
    )
    assert again == Submitted(first.run_id, duplicate=True)
    assert not other.duplicate
    assert not without.duplicate
    bench.pass_time(2 * DEDUP_WINDOW)
    assert bench.desk.submit(Order("sample", {}, dedup="key")).duplicate  # it is unfinished
    bench.pass_time(HOUR)
    bench.drive()
    assert bench.run(first.run_id).finished
    assert not bench.desk.submit(Order("sample", {}, dedup="key")).duplicate


def test_equal_keys_of_one_order_are_one_run(benches: Benches) -> None:
    bench = benches(workflow())
    answers = bench.desk.submit_all([Order("sample", {"number": number}, dedup="key") for number in range(3)])
    assert [answer.duplicate for answer in answers] == [False, True, True]
    assert len({answer.run_id for answer in answers}) == 1
    assert bench.depth().ready == 1


def test_two_that_submit_with_one_key_at_one_moment_get_one_run(benches: Benches) -> None:
    desks = [benches(workflow()).desk for _ in range(4)]
    together = threading.Barrier(len(desks), timeout=PATIENCE_S)
    answers: list[Submitted] = []

    def submit(number: int) -> None:
        for turn in range(10):
            together.wait()
            answers.append(desks[number].submit(Order("sample", {}, dedup=f"key-{turn}")))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(len(desks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(answers) == 40
    assert sum(not answer.duplicate for answer in answers) == 10


def test_a_number_is_never_given_to_a_second_run(benches: Benches) -> None:
    bench = benches(workflow({"first": go_on}, kept_for=timedelta(0)))
    numbers = [bench.submit() for _ in range(3)]
    bench.drive()
    with bench.store.write() as connection:
        assert bench.runs.prune(connection, bench.clock.now(), limit=10) == 3
    assert bench.submit() > max(numbers)
