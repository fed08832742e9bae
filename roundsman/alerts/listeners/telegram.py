"""Buttons of Telegram, by long polling: one request at a time that the service answers when somebody has pressed.

A press is confirmed to Telegram by asking for what comes after it, so that is done only once its answer is committed
and whoever pressed was told. A process that dies in between is told of the press again, and the desk knows it by then.

One program at a time may ask for the updates of a bot: another one is answered 409. Of several daemons on one store the
holder of a lease asks; against programs elsewhere there is only to wait longer each time.
"""

import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from roundsman.alerts.answers import AnswerDesk, Press
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, digest
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.channels.telegram_api import TelegramApi
from roundsman.alerts.listeners.thread import ListeningThread
from roundsman.alerts.listeners.trouble import FIRST_PAUSE, Trouble
from roundsman.alerts.message import cut
from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.repositories.engine import Store
from roundsman.repositories.pollers import PollerRepository

POLL = timedelta(seconds=25)
"""How long Telegram may keep a request that it has nothing to say to."""
MOST_UPDATES = 20
LONGEST_ANSWER = 2 * 1024 * 1024
"""Bytes: each update brings the whole message along, in which every letter may have become six bytes."""
LONGEST_TOAST = 200
"""Characters (Bot API, answerCallbackQuery)."""
LOOK_AGAIN = timedelta(seconds=20)
"""While another daemon asks."""
STOP_PATIENCE_S = 5.0

log = logging.getLogger(__name__)


class TelegramListener:
    """Asks for the presses of one bot, in one thread."""

    name = "telegram"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        *,
        bot_token: str,
        seal: Seal,
        api_url: str | None = None,
        poll: timedelta = POLL,
        timeout: timedelta = HTTP_TIMEOUT,
        first_pause: timedelta = FIRST_PAUSE,
    ) -> None:
        self.identity = digest("telegram answers", bot_token, api_url)
        self._store = store
        self._clock = clock
        self._owner = owner
        self._seal = seal
        self._poll = poll
        self._lease = 2 * (poll + timeout) + timedelta(seconds=30)
        self._source = f"telegram {digest(bot_token)}"
        self._api = TelegramApi(bot_token, clock, api_url=api_url, timeout=timeout)
        self._pollers = PollerRepository()
        self._thread = ListeningThread("Telegram", clock, self._lease)
        self._seeing = threading.Lock()
        """Held while presses are seen to, not while they are waited for."""
        self._trouble = Trouble("Telegram", first_pause)

    def __repr__(self) -> str:
        return "TelegramListener()"

    def start(self, desk: AnswerDesk) -> None:
        self._thread.start(lambda stopping: self._work(desk, stopping))

    def stop(self) -> None:
        """A request that waits at Telegram is left alone: what it may still bring is not confirmed, and comes again."""
        if not self._thread.stop():
            return
        if self._seeing.acquire(timeout=STOP_PATIENCE_S):
            self._seeing.release()
        try:
            with self._store.write() as connection:
                self._pollers.leave(connection, self._source, self._owner)
        except StoreError:
            return  # the lease ends by itself

    def ill(self) -> str | None:
        return self._thread.ill()

    def run_once(self, desk: AnswerDesk, stopping: threading.Event | None = None) -> timedelta:
        """Ask once, and see to what came. Returns how long to wait before the next time.

        For the thread and for tests. Raises StoreError and DeliveryError.
        """
        now = self._clock.now()
        with self._store.write() as connection:
            turn = self._pollers.take(connection, self._source, self._owner, now, self._lease)
        if turn is None:
            return LOOK_AGAIN
        asked: dict[str, Any] = {
            "timeout": int(self._poll.total_seconds()),
            "limit": MOST_UPDATES,
            "allowed_updates": ["callback_query"],
        }
        if turn.position is not None:
            asked["offset"] = turn.position + 1
        found = self._api.call("getUpdates", asked, longer=self._poll, longest=LONGEST_ANSWER)
        with self._seeing:
            if stopping is None or not stopping.is_set():
                self._see_to(desk, found if isinstance(found, list) else [])
        return timedelta(0)

    def _see_to(self, desk: AnswerDesk, updates: list[Any]) -> None:
        last: int | None = None
        try:
            for update in updates:
                self._thread.expect_within(timedelta(0))
                number = update.get("update_id") if isinstance(update, dict) else None
                if isinstance(number, int) and -(2**63) <= number < 2**63:
                    self._answer(desk, update.get("callback_query"))
                    last = number
        finally:
            if last is not None:  # also before one that the store did not take
                with self._store.write() as connection:
                    self._pollers.move(connection, self._source, last, self._clock.now())

    def _answer(self, desk: AnswerDesk, query: Any) -> None:
        press = _press(query)
        if press is None:  # of an update that we cannot read nothing can be done, now or later
            return
        try:
            said = desk.press(press, self._seal)
        except StoreError:
            raise
        except Exception:  # a fault of ours, which must not keep all later presses waiting
            log.exception("A press on Telegram could not be seen to")
            return
        try:
            self._api.call("answerCallbackQuery", {"callback_query_id": press.id, "text": cut(said, LONGEST_TOAST)})
        except DeliveryError as error:  # too old by now, say; the message shows what came of it
            log.info("Whoever pressed a button was not told what came of it: %s", error.reason)

    def _work(self, desk: AnswerDesk, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self._thread.expect_within(timedelta(0))
            try:
                pause = self.run_once(desk, stopping)
                self._trouble.over()
            except DeliveryError as error:
                pause = self._trouble.pause_after(error)
            except StoreError as error:
                pause = self._trouble.pause(f"the store: {error}")
            except Exception:
                log.exception("Listening to Telegram failed")
                pause = self._trouble.pause("a fault of ours")
            self._thread.expect_within(pause)
            stopping.wait(pause.total_seconds())


def _press(query: Any) -> Press | None:
    """What was pressed by whom; None if it is not in the form that the Bot API has."""
    if not isinstance(query, Mapping):
        return None
    sender, number, data = query.get("from"), query.get("id"), query.get("data")
    user = sender.get("id") if isinstance(sender, Mapping) else None
    if not isinstance(sender, Mapping) or not isinstance(user, int) or isinstance(user, bool):
        return None
    if not isinstance(number, str) or not 0 < len(number) <= 64:
        return None
    names = [str(sender.get(part) or "") for part in ("first_name", "last_name")]
    return Press("telegram", number, str(user), " ".join(filter(None, names)), data if isinstance(data, str) else "")
