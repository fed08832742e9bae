"""Silences from the outside: made by a person, in force at once, also for what is about to leave.

What is on its way to a channel at that moment may still arrive.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto

from sqlalchemy import Connection

from roundsman.alerts.news import News
from roundsman.alerts.rules.matcher import cover
from roundsman.alerts.stages.silence import Mute
from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.alerts import CHUNK, AlertRepository
from roundsman.repositories.departing import DepartingRepository
from roundsman.repositories.held import HeldMessage, HeldRepository
from roundsman.repositories.notifications import HeldBy, Hold
from roundsman.repositories.silences import NewSilence, Silence, SilenceRepository


class Ended(Enum):
    """What came of ending a silence before its time."""

    ENDED = auto()
    OVER = auto()
    """It has ended before."""
    UNKNOWN = auto()
    """There is no such silence."""


class Silencer:
    """Makes and ends silences. Works in the caller's transaction."""

    def __init__(self) -> None:
        self._silences = SilenceRepository()
        self._held = HeldRepository()
        self._departing = DepartingRepository()

    def add(self, connection: Connection, draft: NewSilence, now: datetime) -> tuple[Silence, int]:
        """Make one. Also returns how many messages, which were about to leave, it keeps back."""
        number = self._silences.add(connection, draft, now)
        made = self._silences.find(connection, number)
        assert made is not None
        if not made.is_active(now):
            return made, 0
        return made, self._keep_back(connection, Mute.of(made), now)

    def end(self, connection: Connection, silence_id: int, by: str, now: datetime) -> Ended:
        """What it kept back and still goes on is told within a few seconds."""
        found = self._silences.find(connection, silence_id)
        if found is None:
            return Ended.UNKNOWN
        if not self._silences.end(connection, silence_id, by, now):
            return Ended.OVER
        self._held.look_again(connection, HeldBy.SILENCE, silence_id, now)
        return Ended.ENDED

    def _keep_back(self, connection: Connection, mute: Mute, now: datetime) -> int:
        hold = Hold(HeldBy.SILENCE, mute.ends_at, mute.words, mute.id)
        open_ones = [alert.id for alert in AlertRepository().all_open(connection)]
        kept = 0
        for start in range(0, len(open_ones), CHUNK):
            pending = self._departing.pending_of(connection, open_ones[start : start + CHUNK])
            meant = [each for each in pending if cover(mute.matchers, _news(each).facts)]
            for each in meant:
                self._departing.take_out(connection, each, _news(each).rank, hold, now)
            AlertLog().add(connection, _entries(meant, hold, now))
            kept += len(meant)
        return kept


def _news(message: HeldMessage) -> News:
    return News.of(message.alert, message.level, message.audience)


def _entries(messages: Sequence[HeldMessage], hold: Hold, now: datetime) -> list[LogEntry]:
    detail = {"by": hold.by.value, "reason": hold.words, "until": hold.until.isoformat()}
    return [LogEntry(each.alert.id, now, LogEvent.HELD, each.level, each.channel, detail) for each in messages]
