"""Buttons of Slack, by socket mode: a connection that we open, over which Slack tells of every press.

slack_sdk's own client holds the connection, pings, and moves to another one when Slack asks for that. Whether there is
one at all is looked after here, with pauses that grow.

Slack wants a press to be confirmed within three seconds. It is confirmed once its answer is committed, or after two
seconds anyway; one that the store did not take is not confirmed, and Slack shows that beside the button.
"""

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from roundsman.alerts.answers import AnswerDesk, Press
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault, digest
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.channels.slack_api import SILENT, SlackApi, escape
from roundsman.alerts.listeners.thread import ListeningThread
from roundsman.alerts.listeners.trouble import FIRST_PAUSE, Trouble
from roundsman.clock import Clock
from roundsman.errors import StoreError

LOOK_EVERY = timedelta(seconds=1)
CONFIRM_WITHIN = timedelta(seconds=2)
PING = timedelta(seconds=5)
"""A connection without a sign of life for four of these is given up."""
STOP_PATIENCE_S = 5.0
LONGEST_SILENCE = timedelta(minutes=2)
"""Of the thread that looks after the connection, on top of a pause of its own."""
_HANDS = 4
"""Presses that are seen to at once."""

log = logging.getLogger(__name__)


class SlackListener:
    """Hears of the presses of one app."""

    name = "slack"

    def __init__(
        self,
        clock: Clock,
        *,
        app_token: str,
        bot_token: str,
        seal: Seal,
        api_url: str | None = None,
        ping: timedelta = PING,
        timeout: timedelta = HTTP_TIMEOUT,
        first_pause: timedelta = FIRST_PAUSE,
        confirm_within: timedelta = CONFIRM_WITHIN,
    ) -> None:
        self.identity = digest("slack answers", app_token, bot_token, api_url)
        self._seal = seal
        self._ping = ping
        self._opener = SlackApi(app_token, clock, api_url=api_url, timeout=timeout)
        self._bot = SlackApi(bot_token, clock, api_url=api_url, timeout=timeout)
        self._thread = ListeningThread("Slack", clock, LONGEST_SILENCE)
        self._trouble = Trouble("Slack", first_pause)
        self._confirm_within = confirm_within

    def __repr__(self) -> str:
        return "SlackListener()"

    def start(self, desk: AnswerDesk) -> None:
        self._thread.start(lambda stopping: self._work(desk, stopping))

    def stop(self) -> None:
        """Let go of the connection; what Slack has told of until then is seen to."""
        self._thread.stop(STOP_PATIENCE_S)

    def ill(self) -> str | None:
        return self._thread.ill()

    # --- the connection ---

    def _work(self, desk: AnswerDesk, stopping: threading.Event) -> None:
        client = _Client(self._open, self._ping)
        client.socket_mode_request_listeners.append(lambda connection, request: self._hear(desk, connection, request))
        try:
            while not stopping.is_set():
                self._thread.expect_within(timedelta(0))
                pause = self._look_after(client)
                self._thread.expect_within(pause)
                stopping.wait(pause.total_seconds())
        finally:
            client.close()

    def _look_after(self, client: SocketModeClient) -> timedelta:
        """See that there is a connection. Returns for how long that can be left alone."""
        if client.is_connected():
            return LOOK_EVERY
        try:
            client.connect_to_new_endpoint()
        except DeliveryError as error:
            return self._trouble.pause_after(error)
        except Exception as fault:  # noqa: BLE001 - the text of a foreign exception may hold the URL with its ticket
            return self._trouble.pause(f"{type(fault).__name__}")
        if not client.is_connected():
            return self._trouble.pause("the connection was not accepted")
        self._trouble.over()
        return LOOK_EVERY

    def _open(self) -> str:
        """Where to connect to this time. Raises DeliveryError."""
        url = self._opener.call("apps.connections.open", {}).get("url")
        if not isinstance(url, str) or not url.startswith(("wss://", "ws://")):
            raise DeliveryError(Fault.TEMPORARY, "Slack named no address to connect to")
        return url

    # --- presses ---

    def _hear(self, desk: AnswerDesk, connection: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """On a thread of the client."""
        confirm = _Once(lambda: _confirm(connection, request))
        press = _press(request.payload) if request.type == "interactive" else None
        if press is None:  # nothing of ours; unconfirmed it would come again
            confirm()
            return
        timer = threading.Timer(self._confirm_within.total_seconds(), confirm)
        timer.daemon = True
        timer.start()
        try:
            said = desk.press(press, self._seal)
        except StoreError as error:
            log.error("A press on Slack could not be seen to: %s", error)
            return
        except Exception:  # a fault of ours, which must not end the client's thread
            log.exception("A press on Slack could not be seen to")
            return
        finally:
            timer.cancel()
        confirm()
        self._say(request.payload, press.user_id, said)

    def _say(self, payload: Mapping[str, Any], user_id: str, said: str) -> None:
        """Tell whoever pressed, and nobody else. What fails is in the message anyway, as soon as that is edited."""
        channel = _text(payload, "channel", "id")
        try:
            self._bot.call("chat.postEphemeral", {"channel": channel, "user": user_id, "text": escape(said)})
        except DeliveryError as error:
            log.info("Whoever pressed a button was not told what came of it: %s", error.reason)


class _Client(SocketModeClient):
    """The SDK's client, which asks us where to connect to, and leaves it to us when."""

    def __init__(self, address: Callable[[], str], ping: timedelta) -> None:
        self._address = address
        super().__init__(
            "xapp-held-elsewhere",
            logger=SILENT,
            auto_reconnect_enabled=False,
            ping_interval=ping.total_seconds(),
            concurrency=_HANDS,
        )

    def issue_new_wss_url(self) -> str:
        return self._address()

    def close(self) -> None:
        """The SDK waits until its read is over, up to three seconds, and sends nothing meanwhile: so it is ended."""
        connected = self.current_session.sock if self.current_session is not None else None
        if connected is not None:
            # By another name of the same socket: an SSLSocket's own `shutdown` would leave its encryption
            with suppress(OSError), socket.fromfd(connected.fileno(), connected.family, connected.type) as same:
                same.shutdown(socket.SHUT_RD)
        super().close()


class _Once:
    """Calls something at the first call alone, whoever makes it."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._lock = threading.Lock()
        self._done = False

    def __call__(self) -> None:
        with self._lock:
            if self._done:
                return
            self._done = True
        self._action()


def _confirm(connection: BaseSocketModeClient, request: SocketModeRequest) -> None:
    with suppress(SlackClientError):  # the connection is gone: Slack tells of it again, or has given it up
        connection.send_socket_mode_response(SocketModeResponse(request.envelope_id))


def _press(payload: Any) -> Press | None:
    """What was pressed by whom; None if it is no button of a message."""
    if not isinstance(payload, Mapping) or payload.get("type") != "block_actions":
        return None
    actions = payload.get("actions")
    action = actions[0] if isinstance(actions, list) and actions else None
    user, name = _text(payload, "user", "id"), _text(payload, "user", "username")
    if not isinstance(action, Mapping) or not user:
        return None
    parts = (_text(payload, "channel", "id"), _text(payload, "container", "message_ts"), user, action.get("action_ts"))
    return Press("slack", ":".join(map(str, parts))[:200], user, name, str(action.get("value") or ""))


def _text(payload: Mapping[str, Any], *path: str) -> str:
    found: Any = payload
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""
