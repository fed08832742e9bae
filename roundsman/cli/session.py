"""What one command needs, opened when it is first asked for.

`roundsman jobs next` needs no store, `roundsman alerts test slack` no schedule: each command pays only for what
it touches, and a store that is away does not stop those that never look at it.
"""

import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from config import Settings
from roundsman.clock import Clock, SystemClock
from roundsman.fsm.workflow import Workflow
from roundsman.scheduling.job import Job

if TYPE_CHECKING:
    # imported when they are used: `--help` needs none of it
    from roundsman.app.composition import App
    from roundsman.repositories.engine import Store


class Session:
    """Settings, clock, the product's job and workflow classes, and the app built from them."""

    def __init__(
        self,
        jobs: Sequence[type[Job]],
        clock: Clock | None = None,
        *,
        workflows: Sequence[type[Workflow]] = (),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.jobs = tuple(jobs)
        self.workflows = tuple(workflows)
        self.clock: Clock = clock or SystemClock()
        self.pause = pause
        """Lets so many seconds pass between two looks at the store."""

    @cached_property
    def settings(self) -> Settings:
        """Raises ConfigurationError with every fault."""
        from roundsman.app.settings import read_settings, working_folder

        return read_settings(os.environ, working_folder())

    @cached_property
    def app(self) -> "App":
        """The composed parts (see `roundsman.app.App`), with the store's schema ensured. Not started."""
        from roundsman.app.composition import App

        return App(self.settings, self.jobs, self.workflows, self.clock)

    @property
    def store(self) -> "Store":
        """The store, with its schema ensured. Raises StoreError."""
        return self.app.store

    def close(self) -> None:
        """Let go of what was opened."""
        if "app" in self.__dict__:
            self.app.close()
