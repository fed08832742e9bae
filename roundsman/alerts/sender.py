"""The sender: carries notifications from the store to their channels, as a service of the daemon.

One thread a channel, so that a slow service delays nobody else, and one delivery at a time on each, so that a kill
costs one repeat at most. A thread sleeps on a condition until the next due time that it knows of. The book wakes it
when this process enqueues something; what other processes enqueue is found by one small query every few seconds,
made by whichever thread wakes first, for all channels together.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from roundsman.alerts.channels.base import Channel
from roundsman.alerts.delivery import Courier, Delivered
from roundsman.alerts.line import Line
from roundsman.alerts.rate import Buckets
from roundsman.alerts.templates import Language, OwnTexts
from roundsman.alerts.verification import Verifier
from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.logs import fields
from roundsman.owner import Owner
from roundsman.repositories.engine import Store

LOOK_EVERY_S = 5.0
"""How late a notification of another process may be noticed."""
BLOCKED_S = 1.0
"""Before asking again for something that is due but not ours to take, as its first part is in flight elsewhere."""
STOP_PATIENCE = timedelta(seconds=5)
FOREGROUND = timedelta(seconds=30)
LONGEST_SILENCE_S = 120.0
"""A thread that has not come round for this long hangs: an attempt is given up after 40 s."""

log = logging.getLogger(__name__)


class Sender:
    """Service: delivers until stopped. `zone` is that of the readers. `wake` may be called from any thread.

    `verifiers`, by kind of alert, look once more before somebody is alarmed. `keep` is called before each look at the
    store, every few seconds at least, and does what else is due about alerts (see `AlertKeeper`).
    """

    name = "sender"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: Owner,
        channels: Sequence[Channel],
        *,
        language: Language,
        zone: ZoneInfo,
        verifiers: Mapping[str, Verifier] | None = None,
        keep: Callable[[], object] = lambda: None,
        own_texts: OwnTexts | None = None,
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._courier = Courier(store, clock, str(owner), language, zone, verifiers=verifiers, own_texts=own_texts)
        self._lines = {channel.name: Line(channel) for channel in channels}
        self._buckets = Buckets()
        self._changed = threading.Condition()
        self._started = False
        self._stopping = False
        self._looking = threading.Lock()
        self._stale = True
        self._looked_at = 0.0
        self._due: dict[str, datetime] = {}

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(line.channel for line in list(self._lines.values()))

    def register(self) -> None:
        """Make the channels known to the store; other settings switch one on again. Raises StoreError."""
        self._courier.register({channel.name: channel.identity for channel in self.channels})

    def start(self) -> None:
        """Take over what dead processes left, and begin. Raises StoreError."""
        self.register()
        self._started, self._stopping = True, False
        for line in self._lines.values():
            self._open(line)

    def stop(self, within: timedelta = STOP_PATIENCE) -> None:
        """Claim nothing more and wait so long for the deliveries in flight.

        A claim that stays behind is taken over by the next start; nothing is lost.
        """
        with self._changed:
            self._started, self._stopping = False, True
            self._changed.notify_all()
        deadline = self._clock.monotonic() + within.total_seconds()
        lines = [line for line in self._lines.values() if line.thread is not None]
        for line in lines:
            assert line.thread is not None
            line.thread.join(max(deadline - self._clock.monotonic(), 0.0))
            if line.thread.is_alive():
                log.warning("A delivery on %s did not end in time and will be repeated", line.channel.name)
            line.thread = None

    def ill(self) -> str | None:
        """Why it makes no progress: a channel's thread is dead or hangs. A channel that fails is no illness."""
        now = self._clock.monotonic()
        for line in list(self._lines.values()):
            if line.thread is None or not line.thread.is_alive():
                return f"the thread of channel {line.channel.name} does not live"
            if now - line.beat > LONGEST_SILENCE_S:
                return f"the thread of channel {line.channel.name} hangs for {now - line.beat:.0f} s"
        return None

    def deliver_due(self, within: timedelta = FOREGROUND) -> None:
        """Deliver what is due now and return: for commands, where no thread runs. Raises StoreError.

        What fails, or does not fit into the time, is left to the daemon.
        """
        self.register()
        self._stale = True
        deadline = self._clock.monotonic() + within.total_seconds()
        for line in self._lines.values():
            delivered = Delivered.SENT
            while delivered in (Delivered.SENT, Delivered.GIVEN_UP) and self._clock.monotonic() < deadline:
                delivered = self._run_once(line)
                while (rest := line.open_at - self._clock.monotonic()) > 0 and delivered is Delivered.SENT:
                    self._wait(line, rest)

    def wake(self) -> None:
        """Something was enqueued: look at the store now."""
        with self._changed:
            self._stale = True
            for line in self._lines.values():
                line.woken = True
            self._changed.notify_all()

    def replace(
        self, channels: Sequence[Channel], *, language: Language, zone: ZoneInfo, own_texts: OwnTexts | None = None
    ) -> None:
        """Continue with other channels or texts (settings were reloaded). Deliveries in flight end as they began.

        Raises StoreError; then nothing has changed.
        """
        self._courier.register({channel.name: channel.identity for channel in channels})
        self._courier.language, self._courier.zone, self._courier.own_texts = language, zone, own_texts
        lines = dict(self._lines)
        wanted = {channel.name: channel for channel in channels}
        for name in lines.keys() - wanted.keys():
            lines.pop(name).closing = True
        for name, channel in wanted.items():
            if name in lines:
                lines[name].channel = channel
            else:
                lines[name] = Line(channel)
                if self._started:
                    self._open(lines[name])
        self._lines = lines
        self.wake()

    def run_once(self, name: str) -> Delivered:
        """Deliver what is due next on a channel, if anything. For the channel's thread and for tests. StoreError."""
        return self._run_once(self._lines[name])

    def _run_once(self, line: Line) -> Delivered:
        if self._clock.monotonic() < line.open_at:
            return Delivered.NOT_YET
        due = self._next_due(line.channel.name)
        if due is None or due > self._clock.now():
            return Delivered.NOTHING
        channel = line.channel
        rest = self._buckets.take(channel.rates, self._clock.monotonic())
        if rest > 0:  # another line has taken what both share
            line.open_at = self._clock.monotonic() + rest
            return Delivered.NOT_YET
        delivered, asked, extra = self._courier.deliver_next(channel)
        if delivered is Delivered.NOTHING:
            self._buckets.give_back(channel.rates)
        self._buckets.owe(channel.rates, extra)
        now = self._clock.monotonic()
        line.account(delivered, asked, now, self._buckets.wait(channel.rates, now))
        if delivered in (Delivered.PASSED_ON, Delivered.GIVEN_UP, Delivered.CHANNEL_OFF):
            self.wake()  # other channels may have something to do now
        self._stale = self._stale or delivered is not Delivered.SENT
        return delivered

    def _next_due(self, name: str) -> datetime | None:
        with self._looking:
            if self._stale or self._clock.monotonic() - self._looked_at >= LOOK_EVERY_S:
                # Cleared before the query: what is enqueued during it must cause another one
                self._stale = False
                try:
                    self._keep()
                    self._due = self._courier.outlook()
                except BaseException:
                    self._stale = True
                    raise
                self._looked_at = self._clock.monotonic()
            return self._due.get(name)

    def _open(self, line: Line) -> None:
        line.beat = self._clock.monotonic()
        line.thread = threading.Thread(target=self._work, args=(line,), name=f"send-{line.channel.name}", daemon=True)
        line.thread.start()

    def _work(self, line: Line) -> None:
        failures = 0
        while not (self._stopping or line.closing):
            line.beat = self._clock.monotonic()
            try:
                delivered = self._run_once(line)
                failures = 0
                pause = self._pause(line, delivered)
            except StoreError as error:
                failures += 1
                if failures == 1:  # the same sentence every five seconds would bury the log
                    log.error("Sending on %s waits for the store: %s", line.channel.name, error)
                pause = LOOK_EVERY_S
            except Exception:  # a fault of ours: loud, but no reason to stop telling people
                failures += 1
                log.exception("Sending failed", extra=fields(CHANNEL=line.channel.name))
                pause = LOOK_EVERY_S
            self._wait(line, pause)

    def _pause(self, line: Line, delivered: Delivered) -> float:
        """Seconds until this channel can have something to do, unless woken."""
        closed_for = line.open_at - self._clock.monotonic()
        if closed_for > 0:
            return min(closed_for, LOOK_EVERY_S)
        if delivered is not Delivered.NOTHING:
            return 0.0
        until_look = LOOK_EVERY_S - (self._clock.monotonic() - self._looked_at)
        due = self._next_due(line.channel.name)
        until_due = (due - self._clock.now()).total_seconds() if due is not None else LOOK_EVERY_S
        return max(min(until_look, until_due if until_due > 0 else BLOCKED_S), 0.0)

    def _wait(self, line: Line, seconds: float) -> None:
        with self._changed:
            if seconds > 0 and not (line.woken or self._stopping or line.closing):
                self._changed.wait(seconds)
            line.woken = False
