"""What is due is found in time: neither asked for too often, nor forgotten while much else is going on."""

from datetime import timedelta

from run_bench import Bench, Benches, workflow

from roundsman.runs.outlook import BUSY_S, IDLE_S, QUIET_S, Outlook

SECOND = timedelta(seconds=1)


def outlook_of(bench: Bench) -> Outlook:
    """As after a look that found nothing."""
    outlook = Outlook(bench.store, bench.clock, bench.run_queue, bench.engine._crew)
    outlook.looked(4, 0)
    return outlook


def test_after_a_commit_it_is_quiet_for_a_moment_before_anybody_asks(sqlite_benches: Benches) -> None:
    bench = sqlite_benches(workflow())
    bench.submit(delay=5 * SECOND)
    outlook = outlook_of(bench)
    outlook.changed()
    assert [outlook.seconds() for _ in range(3)] == [QUIET_S, 5.0, 5.0]
    outlook.changed()
    assert [outlook.seconds() for _ in range(2)] == [QUIET_S, 5.0]


def test_what_has_become_due_is_looked_for_though_nobody_sleeps(sqlite_benches: Benches) -> None:
    bench = sqlite_benches(workflow())
    bench.submit(delay=5 * SECOND)
    outlook = outlook_of(bench)
    assert [outlook.seconds() for _ in range(2)] == [QUIET_S, 5.0]
    bench.pass_time(4 * SECOND)
    outlook.passed()
    assert not outlook.look
    bench.pass_time(SECOND)
    outlook.passed()
    assert outlook.look


def test_where_one_commit_follows_another_it_is_looked_now_and_then(sqlite_benches: Benches) -> None:
    bench = sqlite_benches(workflow())
    outlook = outlook_of(bench)
    bench.pass_time(timedelta(seconds=BUSY_S / 2))
    outlook.changed()
    outlook.passed()
    assert not outlook.look
    bench.pass_time(timedelta(seconds=BUSY_S / 2))
    outlook.changed()
    outlook.passed()
    assert outlook.look


def test_where_nothing_is_to_be_expected_it_is_slept_for_long(sqlite_benches: Benches) -> None:
    bench = sqlite_benches(workflow())
    outlook = outlook_of(bench)
    assert [outlook.seconds() for _ in range(2)] == [QUIET_S, IDLE_S]
    bench.pass_time(10 * SECOND)
    outlook.passed()
    assert not outlook.look
