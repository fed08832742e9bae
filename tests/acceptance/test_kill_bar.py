"""The whole daemon is killed with ten of fifty runs in flight, and started again at once. How long that takes is a
figure of the benchmarks, whose function this is; here it counts that nothing is lost, nor repeated without need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.runs import crash

RUNS, RUN_S, IN_FLIGHT = 50, 0.4, 10
GENEROUS_S = 30.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'roundsman.db'}"
    else:
        url = request.getfixturevalue("postgres_url").set(drivername="postgresql")
        yield url.render_as_string(hide_password=False)


@pytest.mark.slow
def test_after_kill_9_all_runs_are_done_and_only_those_in_flight_repeated(url: str) -> None:
    figures = crash(url, None, RUNS, RUN_S, IN_FLIGHT)
    print(figures)  # noqa: T201  shown when it fails
    assert figures["lost"] == 0
    assert 1 <= figures["twice"] <= IN_FLIGHT
    assert RUNS * RUN_S / IN_FLIGHT / 2 < figures["all_done_s"] < GENEROUS_S
