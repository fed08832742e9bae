"""Looking on while runs go their way: bars on a terminal, a line for each change elsewhere."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Protocol

from roundsman.cli.output import Bars, one_line, remark, say
from roundsman.cli.run_rows import LONGEST_REASON, drivers, numbers, standing, took
from roundsman.cli.session import Session
from roundsman.errors import BadInputError, RoundsmanError, StoreError
from roundsman.repositories.run_views import RunViews, Sight
from roundsman.repositories.runs import RunStatus

LOOK_EVERY_S = 0.2
LOOKS_PER_DAEMON = 25
"""So many looks at the runs for one at the daemons."""
STORE_PATIENCE = timedelta(minutes=1)
"""How long the store may be away, as at a restart of PostgreSQL, before the command gives up."""


class WaitTimeoutError(RoundsmanError):
    """The runs had not ended in time."""

    exit_code = 124  # as that of timeout(1)


class Show(Protocol):
    """Where changes are told."""

    def __call__(self, sight: Sight) -> None: ...


class Watch:
    """Looks at runs until all have ended."""

    def __init__(self, session: Session, show: Show, pause: Callable[[], None], *, tell_of_daemons: bool) -> None:
        """`pause` is called between two looks; whatever it raises ends the watch."""
        self._session = session
        self._show = show
        self._pause = pause
        self._tells = tell_of_daemons
        self._nobody: str | None = None
        self._away_since: float | None = None

    def until_ended(self, run_ids: Sequence[int], timeout: timedelta | None = None) -> Mapping[int, Sight]:
        """The runs as they ended. Raises BadInputError for one that is not there, WaitTimeoutError, StoreError."""
        clock = self._session.clock
        begun, looks = clock.monotonic(), 0
        seen: dict[int, Sight] = {}
        while True:
            self._look(run_ids, seen)
            going = [run_id for run_id in run_ids if run_id not in seen or not seen[run_id].finished]
            if not going:
                return seen
            if timeout is not None and clock.monotonic() - begun >= timeout.total_seconds():
                verb = "has" if len(going) == 1 else "have"
                raise WaitTimeoutError(
                    f"{numbers(going).capitalize()} {verb} not ended within {timeout.total_seconds():g} s."
                )
            if self._tells and (self._nobody is not None or looks % LOOKS_PER_DAEMON == 0):
                self._tell_of_daemons(going)
            looks += 1
            self._pause()

    def _look(self, run_ids: Sequence[int], seen: dict[int, Sight]) -> None:
        going = [run_id for run_id in run_ids if run_id not in seen or not seen[run_id].finished]
        try:
            with self._session.store.read() as connection:
                found = RunViews().sights(connection, going)
        except StoreError as error:
            self._bear(error)
            return
        self._away_since = None
        for run_id in going:
            sight = found.get(run_id)
            if sight is None:
                if run_id in seen:
                    raise RoundsmanError(f"Run {run_id} was removed from the store; nobody knows how it ended.")
                raise BadInputError(f"There is no run {run_id}; `runs list` shows those that are kept.")
            if sight != seen.get(run_id):
                self._show(sight)
            seen[run_id] = sight

    def _bear(self, error: StoreError) -> None:
        now = self._session.clock.monotonic()
        if self._away_since is None:
            self._away_since = now
            remark(f"{error} Waiting for it.")
        elif now - self._away_since > STORE_PATIENCE.total_seconds():
            raise error

    def _tell_of_daemons(self, going: Sequence[int]) -> None:
        try:
            nobody = drivers(self._session).nobody(self._session.clock.now())
        except StoreError:
            return  # told by the look at the runs
        if nobody is not None and self._nobody is None:
            remark(f"{nobody} Until then {numbers(going)} will not go on.")
        elif nobody is None and self._nobody is not None:
            remark("A daemon is up again.")
        self._nobody = nobody


def shown(session: Session, run_ids: Sequence[int], *, bars: bool) -> AbstractContextManager[Show]:
    """The way to show changes, to be used as a context: bars if wanted and stdout is a terminal, else lines."""
    if bars and sys.stdout.isatty():
        return _OnBars(session, run_ids)
    return nullcontext(lambda sight: _say(session, sight))


def unseen() -> AbstractContextManager[Show]:
    """Changes are of no interest."""
    return nullcontext(lambda sight: None)


def ending(sight: Sight) -> str:
    """`Run 4 completed after 3.2 s.`"""
    how = "was cancelled" if sight.status is RunStatus.CANCELLED else str(sight.status)
    words = f"Run {sight.id} {how} after {took(sight)}"
    return f"{words}: {one_line(sight.error, LONGEST_REASON)}" if sight.error else f"{words}."


def _say(session: Session, sight: Sight) -> None:
    say(ending(sight) if sight.finished else f"Run {sight.id}: {standing(sight, session.clock.now())}")


class _OnBars:
    def __init__(self, session: Session, run_ids: Sequence[int]) -> None:
        self._session = session
        self._bars = Bars(dict.fromkeys(run_ids))

    def __enter__(self) -> Show:
        self._bars.__enter__()
        return self._draw

    def __exit__(self, *_: object) -> None:
        self._bars.__exit__()

    def _draw(self, sight: Sight) -> None:
        words = ending(sight) if sight.finished else standing(sight, self._session.clock.now())
        self._bars.show(sight.id, sight.progress, words)
