"""The last look before a message about a customer leaves: has somebody answered since the monitor's round?

Minutes may have passed: the channel was down, or others were told first. The round has just asked for the newest
messages, so they are asked for again only when that is a while ago. What it finds is an end, never a new alarm.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import ConversationSource
from roundsman.conversations.threads import read_threads
from roundsman.monitor.case import end_of
from roundsman.repositories.alerts import Alert, Resolution
from roundsman.repositories.engine import Store
from roundsman.scheduling.job import StopToken

JUST_ASKED = timedelta(seconds=30)


class LastLook:
    """A verifier of alerts about conversations."""

    def __init__(self, store: Store, clock: Clock, book: PolicyBook, source: ConversationSource) -> None:
        self._store = store
        self._clock = clock
        self._book = book
        self._source = source

    def __call__(self, alerts: Sequence[Alert]) -> Mapping[str, Resolution]:
        now = self._clock.now()
        named = {alert.subject: alert for alert in alerts}
        stale = [name for name, alert in named.items() if now - (alert.facts_at or alert.opened_at) > JUST_ASKED]
        if stale:
            with self._store.read() as connection:
                watched = self._source.reader(connection).watched(stale)
            self._source.reread(list(watched.values()), now, StopToken())
        with self._store.read() as connection:
            reader = self._source.reader(connection)
            watched = reader.watched(named.keys())
            threads = read_threads(connection, reader, watched)
        found = {
            alert.fingerprint: end_of(watched[name], threads[name], alert.since_at, self._book, now)
            for name, alert in named.items()
            if name in watched
        }
        return {fingerprint: answer for fingerprint, answer in found.items() if answer is not None}
