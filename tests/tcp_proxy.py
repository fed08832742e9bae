"""A network between a program and a server that can be cut: what goes through it passes, is held up, is reset, or finds
nobody there."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto

_CHUNK = 64 * 1024
_LINGER_NOT = struct.pack("ii", 1, 0)
"""Close with a reset."""


class Mode(Enum):
    """What becomes of the traffic."""

    PASS = auto()
    BLACK_HOLE = auto()
    """Nothing arrives, and nobody hears of it. What was sent arrives when the network is back."""
    RESET = auto()
    """Connections break at once, new ones too."""
    REFUSE = auto()
    """Connections break at once, and new ones are refused."""


class TcpProxy:
    """Listens on `port` of loopback; see `proxying`."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._changed = threading.Condition()
        self._mode = Mode.PASS
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._closed = False
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def set(self, mode: Mode) -> None:
        """From now on; connections that are open included."""
        with self._changed:
            before, self._mode = self._mode, mode
            self._changed.notify_all()
        if mode in (Mode.RESET, Mode.REFUSE):
            self._break_all()
        if mode is Mode.REFUSE:
            self._close_listener()
        elif before is Mode.REFUSE:
            self._listener = self._listen(self.port)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._close_listener()
        self._break_all()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=100)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _close_listener(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # lets `accept` return
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        if not self._may_pass():
            _reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            _reset(client)
            return
        pair = client, server
        with self._changed:
            self._pairs.add(pair)
        for source, target in (pair, pair[::-1]):
            threading.Thread(target=self._pump, args=(source, target, pair), daemon=True).start()

    def _may_pass(self) -> bool:
        """Waits for the end of a black hole."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._mode is not Mode.BLACK_HOLE)
            return not self._closed and self._mode is Mode.PASS

    def _pump(self, source: socket.socket, target: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with suppress(OSError):
            while (data := source.recv(_CHUNK)) and self._may_pass():
                target.sendall(data)
        with self._changed:
            self._pairs.discard(pair)
        for end in pair:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _break_all(self) -> None:
        with self._changed:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for end in pair:
                _reset(end)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        end.shutdown(socket.SHUT_RDWR)  # lets `recv` return
    end.close()


@contextmanager
def proxying(server_port: int) -> Iterator[TcpProxy]:
    """A way to this port of loopback."""
    proxy = TcpProxy(server_port)
    try:
        yield proxy
    finally:
        proxy.close()
