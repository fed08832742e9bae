"""Refused presses in the log: each is worth a line, but whoever presses all night must not bury the others.

One line for a person and a reason, then a count a minute later, with the next refusal of anybody.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta

from roundsman.alerts.reply import Refused
from roundsman.clock import Clock

PAUSE = timedelta(minutes=1)
MOST_PEOPLE = 1_000
"""Who are remembered at once: more than that press in one minute only if somebody makes them up."""

log = logging.getLogger(__name__)


@dataclass
class _Told:
    """What was said of one person for one reason."""

    who: str
    at_s: float
    since: int = 0
    """Presses that were not told."""


class Refusals:
    """Writes them. May be used from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[tuple[str, Refused], _Told] = {}
        self._lock = threading.Lock()

    def note(self, user: str, who: str, refused: Refused) -> None:
        """Say that this one was refused, unless that was said a moment ago. `user` is the service's own id: names are
        what people call themselves, at every press another one perhaps."""
        now_s = self._clock.monotonic()
        with self._lock:
            old = [key for key, told in self._told.items() if now_s - told.at_s >= PAUSE.total_seconds()]
            counted = [told for key in old if (told := self._told.pop(key)).since]
            if (user, refused) not in self._told and len(self._told) >= MOST_PEOPLE:
                user, who = "others", "Somebody, as many others,"
            known = self._told.get((user, refused))
            if known is None:
                self._told[user, refused] = _Told(who, now_s)
            else:
                known.since += 1
        for told in counted:
            log.warning("%s pressed %d more times within that minute, in vain", told.who, told.since)
        if known is not None:
            return
        if refused is Refused.STRANGER:
            log.warning("%s pressed a button and may not answer: no id of the staff, nor in ALERT_ANSWERERS", who)
        else:
            log.warning("%s pressed a button that is none of ours; nothing was changed", who)
