"""An engine at work within a command, where no daemon drives runs: from its start to an orderly end."""

from collections.abc import Callable

from roundsman.errors import RoundsmanError, StoreError
from roundsman.runs.crew import GRACE
from roundsman.runs.engine import Engine
from roundsman.scheduling.job import StopToken

_LOOK_AT_STOP_S = 0.1


def serve_until_drained(engine: Engine, stop: StopToken) -> None:
    """Drive runs until nothing is due, or until `stop`.

    Raises StoreError, and RoundsmanError when the engine's thread has died.
    """
    engine.start()
    try:
        while not engine.wait_drained(_LOOK_AT_STOP_S) and not stop.is_set():
            if engine.fault is not None:
                raise StoreError(engine.fault)
            assert_alive(engine)
    finally:
        end(engine, lambda: engine.wait_idle(GRACE.total_seconds()))


def assert_alive(engine: Engine) -> None:
    """Raises RoundsmanError: what is to be driven will not be."""
    if not engine.is_serving:
        raise RoundsmanError(f"Runs cannot be driven: {engine.ill()}.")


def end(engine: Engine, finish: Callable[[], bool]) -> None:
    """Begin nothing more, let steps `finish` (True: they have), ask those to stop that have not, give back the rest."""
    engine.halt()
    if not finish():
        engine.cancel()
        engine.wait_idle(GRACE.total_seconds())
    engine.stop()
