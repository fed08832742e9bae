"""The daemon: the app's parts as services under one lifecycle."""

import logging
import os
from collections.abc import Sequence
from datetime import timedelta

from config import differences
from roundsman import logs
from roundsman.app.composition import App
from roundsman.app.services import Driving, Heartbeat, Scheduling
from roundsman.app.settings import read_settings, working_folder
from roundsman.clock import iso
from roundsman.errors import RoundsmanError
from roundsman.lifecycle import Lifecycle, Service, SignalInbox
from roundsman.monitor.record import JOB as MONITOR
from roundsman.repositories.alerts import AlertRepository
from roundsman.systemd import Notifier

log = logging.getLogger(__name__)


class Daemon:
    """One process from start to exit code."""

    def __init__(self, app: App, notifier: Notifier) -> None:
        self._app = app
        self._notifier = notifier
        self._scheduling = Scheduling(app.clock, app.ticks)
        app.conversations.serve()
        _ = app.policies  # a fault in their file is one of the settings: no start
        app.works()  # builds the jobs; one of them may drive runs
        self._engine = app.runs.engine if app.drives_runs else None
        self._driving = None if self._engine is None else _driving(app)
        driving: list[Service] = [] if self._driving is None else [self._driving]
        telling: list[Service] = [app.runs.outbox] if app.runs.outbox.sinks else []
        self._services: Sequence[Service] = (
            Heartbeat(
                app.store,
                app.clock,
                app.owner,
                self.status,
                None if self._engine is None else app.runs.driving_facts,
                self._judges_by,
                app.conversations.pages_set_up,
            ),
            app.sender,
            app.listening,
            *telling,
            *driving,
            self._scheduling,
        )

    def run(self) -> int:
        """Serve until a signal; returns the exit code. Raises RoundsmanError when it cannot start."""
        lifecycle = Lifecycle(
            self._app.clock,
            self._notifier,
            self._services,
            work=self,
            reload=self.reload,
            deadline=self._app.settings.shutdown_deadline,
        )
        with SignalInbox() as signals:
            self._assign(at_start=True)
            self._tell_of_open_alerts()
            return lifecycle.run(signals)

    def reload(self) -> None:
        """Read the settings again and take over what can change. Raises RoundsmanError; then nothing changed."""
        before, policies, texts = self._app.settings, self._app.policies, self._app.own_texts
        settings = read_settings(os.environ, working_folder())
        changes = differences(before, settings)
        self._app.reconfigure(settings)
        try:
            self._assign(at_start=False)
        except RoundsmanError:
            self._app.reconfigure(before, policies, lambda *_: texts)
            raise
        logs.setup(settings.log_level, settings.secrets())
        has_file = settings.policies_file is not None or before.policies_file is not None
        versions = self._app.policies.versions.items() - policies.versions.items() if has_file else set()
        other_texts = (
            texts is not None and self._app.own_texts is not None and self._app.own_texts.version != texts.version
        )
        if not (changes or versions or other_texts):
            log.info("Settings read again: no difference")
        for change in changes:
            log.info("Settings: %s", change)
        for name, version in sorted(versions):
            log.info("%s: version %s -> %s", name, policies.versions[name], version)
        if other_texts:
            log.info("ALERT_TEMPLATES: other texts are in force")

    def _assign(self, *, at_start: bool) -> None:
        registry = self._app.registry
        self._app.ticks.retire([facts.name for facts in registry.jobs if not facts.enabled])
        self._app.conversations.settle_pages()
        self._scheduling.assign(self._app.works(), at_start=at_start)

    def _tell_of_open_alerts(self) -> None:
        """After a restart the monitor is silent about what was told before; nobody should take that for all well."""
        with self._app.store.read() as connection:
            count = AlertRepository().count_open(connection)
        if count:
            log.info("%d alerts of before are still open; `roundsman alerts list` shows them", count)

    # --- what the lifecycle asks ---

    def halt(self) -> None:
        self._scheduling.halt()
        if self._engine is not None:
            self._engine.halt()

    def wait_idle(self, seconds: float) -> bool:
        begun = self._app.clock.monotonic()
        if not self._scheduling.wait_idle(seconds):
            return False
        left = max(seconds - (self._app.clock.monotonic() - begun), 0.0)
        return self._engine is None or self._engine.wait_idle(left)

    def cancel(self) -> None:
        self._scheduling.cancel()
        if self._engine is not None:
            self._engine.cancel()

    def give_up(self) -> list[str]:
        return [*self._scheduling.give_up(), *(name for name in self._held())]

    def look_around(self) -> None:
        self._scheduling.look_around()
        if self._driving is not None:
            self._driving.look_around()

    def clock_jumped(self, by: timedelta) -> None:
        log.warning("The clock jumped by %+.1f s, or the process stood still", by.total_seconds())
        self._scheduling.clock_jumped(by)

    def awaited(self) -> str:
        running = self._scheduling.executor.running()
        return ", ".join(
            [*(f"{job} ({elapsed.total_seconds():.0f} s)" for job, elapsed in running.items()), *self._held()]
        )

    def _judges_by(self) -> str | None:
        """The version of the policies by which conversations are judged here, if they are."""
        is_judging = any(facts.name == MONITOR for facts in self._app.registry.enabled)
        return self._app.conversations.policies.version if is_judging else None

    def _held(self) -> list[str]:
        """`3 runs of three_steps` for each workflow with runs under way."""
        held = self._engine.running() if self._engine is not None else {}
        return [f"{count} run{'' if count == 1 else 's'} of {workflow}" for workflow, count in held.items()]

    def status(self) -> str:
        """`3 jobs, running: report (12 s), next: conversation_monitor at 04:12:30Z`."""
        now = self._app.clock.now()
        enabled = self._app.registry.enabled
        text = f"{len(enabled)} job{'' if len(enabled) == 1 else 's'}, running: {self.awaited() or 'none'}"
        coming = [(due, facts.name) for facts in enabled if (due := facts.trigger.next_after(now)) is not None]
        if coming:
            due, name = min(coming)
            text += f", next: {name} at {iso(due.replace(microsecond=0))}"
        return text


def _driving(app: App) -> Driving:
    return Driving(app.runs.engine, app.runs.reconciler, app.runs.neighbours)
