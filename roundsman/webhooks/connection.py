"""A connection of a webhook: to an address that was looked at, with one deadline for everything.

The host name is resolved once, and the connection goes to the very address that was found to be public. A name that
means something else a moment later (DNS rebinding) gains nothing. TLS still verifies the name. Proxies of the
environment are not used: behind one nobody knows where a request goes.
"""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

from roundsman.deadline import deadline
from roundsman.webhooks.address import special_kind

Resolve = Callable[[str, int], Sequence[Any]]
"""As `socket.getaddrinfo` answers for a stream."""


class AddressRefusedError(OSError):
    """Every address of the host is one that a webhook must not lead to."""

    def __init__(self, address: str, kind: str) -> None:
        super().__init__(f"its host leads to {address}, {kind} address")


def resolve(host: str, port: int) -> Sequence[Any]:
    """Raises OSError. Nothing limits how long a name server may take; the usual configuration is 10 s."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class CheckedConnection(HTTPConnection):
    """One connection, used for one request after the other. `timeout` is for each step of one."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        allow_private: bool,
        timeout: timedelta,
        find: Resolve = resolve,
    ) -> None:
        self.default_port = 443 if tls else 80
        super().__init__(host, port, timeout=timeout.total_seconds())
        self._tls = tls
        self._allow_private = allow_private
        self._step_s = timeout.total_seconds()
        self._find = find
        self._ends_at = 0.0

    def connect(self) -> None:
        """Raises AddressRefusedError and other OSErrors."""
        failure: OSError | None = None
        for family, address in self._allowed():
            try:
                self.sock = self._connected(family, address)
            except OSError as error:
                failure = error
                continue
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                # The handshake begins when the socket is in its place, so that `within` can end it
                self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
                self.sock.do_handshake()
            return
        raise failure or OSError("the host has no address")

    @contextlib.contextmanager
    def within(self, limit: timedelta) -> Iterator[None]:
        """Whatever is done in here ends in TimeoutError after so long, even if something comes all the time."""
        self._ends_at = time.monotonic() + limit.total_seconds()
        with deadline(limit, lambda: self.sock):
            yield

    def is_stale(self) -> bool:
        """Whether the other side has closed it, or says something that nobody asked for."""
        return self.sock is not None and bool(select.select([self.sock], [], [], 0)[0])

    def _allowed(self) -> list[tuple[int, Any]]:
        found = [(family, address) for family, _, _, _, address in self._find(self.host, self.port)]
        if self._allow_private:
            return found
        kinds = [special_kind(address[0]) for _, address in found]
        public = [place for place, kind in zip(found, kinds, strict=True) if kind is None]
        if found and not public:
            raise AddressRefusedError(found[0][1][0], kinds[0] or "")
        return public

    def _connected(self, family: int, address: Any) -> socket.socket:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(min(self._step_s, left))
            made.connect(address)
            made.settimeout(self._step_s)
        except BaseException:
            made.close()
            raise
        return made
