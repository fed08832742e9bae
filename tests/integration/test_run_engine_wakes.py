"""Wake-ups reach the engine, whatever it is doing when they come."""

import queue
from typing import Any

import pytest
from run_bench import Benches, workflow

from roundsman.runs.engine import Engine


class RingingItems(queue.SimpleQueue[Any]):
    """Somebody wakes the engine just when it has taken the first item and looks for the next."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looks = 0

    def get_nowait(self) -> Any:
        self._looks += 1
        if self._looks == 2:
            self._engine.wake()
        return super().get_nowait()


def test_a_wake_while_the_inbox_is_emptied_does_not_silence_the_next_one(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = benches(workflow()).engine
    items = RingingItems(engine)
    monkeypatch.setattr(engine._inbox, "_items", items)
    engine.wake()
    engine.run_once()
    assert items.empty()
    engine.wake()
    assert not items.empty()
