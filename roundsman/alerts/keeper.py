"""The keeper: sees to what is to be done about open alerts when time has passed.

It lets go what was held, tells again what still goes on, raises by their routes what nobody takes, and makes digests of
what waits for a channel that has more to tell than anybody reads. All that it knows is in the store, so a kill costs
nothing and several daemons share the work: each row is taken by one of them. The sender calls it whenever it looks at
the store.
"""

import logging
from datetime import timedelta

from roundsman.alerts.book import AlertBook, AlertDesk
from roundsman.alerts.condition import Escalation
from roundsman.alerts.rules.facts import facts_of_alert
from roundsman.alerts.rules.route import Route
from roundsman.alerts.stages.group import OVERFLOW
from roundsman.clock import Clock
from roundsman.logs import fields
from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.alerts import Alert, AlertStatus
from roundsman.repositories.audience import Audience
from roundsman.repositories.departing import DepartingRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.held import HeldRepository
from roundsman.repositories.rises import RiseRepository

AT_ONCE = 200
"""Messages and alerts of one transaction, so that nobody waits long for the store."""
MOST_FOLDED = 2_000
"""Messages that become digests in one transaction. What was held is let go by as many, as it is told together: by two
hundred, ten thousand alerts that are silenced, or told again, would be fifty messages."""
MOST_ROUNDS = 50
"""Transactions of one look: the rest is left to the next one, a few seconds later."""
PATIENCE = timedelta(minutes=30)
"""After something that was held back is told, until the journal says that nobody answers, where no route says it."""
OURSELVES = "alerts"
"""Stands where a job's name would."""

log = logging.getLogger(__name__)


class AlertKeeper:
    """Keeps the promises of the pipeline. May be called from several threads and processes."""

    def __init__(self, store: Store, clock: Clock, book: AlertBook) -> None:
        self._store = store
        self._clock = clock
        self._book = book
        self._held = HeldRepository()
        self._departing = DepartingRepository()
        self._rises = RiseRepository()

    def keep(self) -> int:
        """Do what is due. Returns how many messages and alerts were looked at. Raises StoreError."""
        looked_at = 0
        for _ in range(MOST_ROUNDS):
            if not self._is_something_due():
                break
            with self._book.transaction(OURSELVES) as desk:
                found = self._raise(desk) + desk.release(MOST_FOLDED)
            looked_at += found
            if not found:  # somebody else has it
                break
        self._fold()
        self._rehome()
        return looked_at

    def _is_something_due(self) -> bool:
        now = self._clock.now()
        with self._store.read() as connection:
            moments = (self._held.earliest(connection), self._rises.earliest(connection))
        return any(moment is not None and moment <= now for moment in moments)

    def _fold(self) -> None:
        with self._store.read() as connection:
            is_crowded = bool(self._departing.crowded(connection, OVERFLOW))
        if is_crowded:
            with self._book.transaction(OURSELVES) as desk:
                desk.fold(MOST_FOLDED)

    def _rehome(self) -> None:
        with self._store.read() as connection:
            is_any_homeless = self._book.is_any_homeless(connection)
        if is_any_homeless:
            with self._book.transaction(OURSELVES) as desk:
                found = desk.rehome(AT_ONCE)
            log.warning("What waited for channels that are not set up any more goes to others, or is given up where it "
                        "was to change what was sent there: messages %d", found)  # fmt: skip

    def _raise(self, desk: AlertDesk) -> int:
        now = self._clock.now()
        due = self._rises.due(desk.connection, now, AT_ONCE)
        rising: list[Escalation] = []
        for alert, level in due:
            if alert.is_taken(now):
                postponed = alert.taken_until if alert.status is AlertStatus.SNOOZED else None
                self._rises.plan(desk.connection, alert.id, postponed, level if postponed else None)
            elif level is None:
                self._end_chain(desk, alert)
            else:
                self._rises.plan(desk.connection, alert.id, None, None)  # the next one is planned as it rises
                told_before = self._held.audience_of(desk.connection, alert.id)
                rising.append(self._escalation(alert, level, told_before))
        desk.escalate_all(rising)
        return len(due)

    def _escalation(self, alert: Alert, level: int, told_before: Audience) -> Escalation:
        levels = self._route(alert, told_before).levels
        step = next((each for each in levels if each.number == level), None)
        if step is None:  # of rules that have changed since: those who know of it hear of it
            return Escalation(alert.fingerprint, level, told_before)
        return Escalation(alert.fingerprint, level, Audience(told_before.team, step.channels, step.mentions))

    def _route(self, alert: Alert, told_before: Audience) -> Route:
        return self._book.rules.route_for(facts_of_alert(alert) | {"team": told_before.team or ""})

    def _end_chain(self, desk: AlertDesk, alert: Alert) -> None:
        let_go = self._held.untold_until(desk.connection, alert.id, alert.level)
        if let_go is not None:  # nobody can have answered yet
            told_before = self._held.audience_of(desk.connection, alert.id)
            patience = self._route(alert, told_before).unanswered_after or PATIENCE
            self._rises.plan(desk.connection, alert.id, let_go + patience, None)
            return
        self._rises.plan(desk.connection, alert.id, None, None)
        now = self._clock.now()
        AlertLog().add(desk.connection, [LogEntry(alert.id, now, LogEvent.CHAIN_ENDED, alert.level)])
        log.critical(
            "Nobody has answered to alert %d (%s), which was told up to level %d; it still goes on. "
            "`roundsman alerts ack %d` says that you see to it.",
            alert.id, alert.fingerprint, alert.level, alert.id,
            extra=fields(ALERT=alert.fingerprint, ALERT_KIND=alert.kind),
        )  # fmt: skip
