"""Connections to one listener, kept for the requests that follow.

Threads share a pool and never a connection. A child process begins with an empty pool: two
processes that write to one socket would read each other's verdicts.
"""

from __future__ import annotations

import http.client
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import Misconfigured, Unavailable

#: An answer of lacre is far shorter. A longer one isn't from lacre.
LONGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    retry_after: int
    body: bytes


@dataclass(frozen=True)
class Address:
    """Where a listener is: `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`."""

    scheme: str
    host: str
    port: int | None
    #: What stands before every path, where a proxy puts lacre below one.
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `Misconfigured` for anything else, and for an address with credentials in it."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:").removeprefix("//")
            if not path.startswith("/"):
                raise Misconfigured("the path of a Unix socket is absolute, as in unix:/run/a.sock")
            return cls("unix", path, None)
        if not all("!" <= character <= "~" for character in text):
            raise Misconfigured("an address of lacre has no spaces, and nothing but ASCII")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise Misconfigured("an address of lacre isn't a URL") from None
        plain = not (parts.query or parts.fragment or parts.username or parts.password)
        if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
            raise Misconfigured("an address of lacre is http://HOST:PORT, https://HOST:PORT or unix:PATH")
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Pool:
    """Connections to one address. `timeout` is for each step: connecting, sending, receiving."""

    def __init__(self, address: str, timeout: float, kept: int) -> None:
        self._address = Address.parse(address)
        self._timeout = timeout
        self._kept = kept
        host = self._address.host
        self._host = "localhost"
        if self._address.scheme != "unix":
            self._host = f"[{host}]" if ":" in host else host
            if self._address.port is not None:
                self._host += f":{self._address.port}"
        self._tls: ssl.SSLContext | None = None
        if self._address.scheme == "https":
            self._tls = ssl.create_default_context()
        # Appending and popping are atomic, so there is no lock that a fork could copy while it
        # is held.
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._owner = os.getpid()

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        repeatable: bool = False,
    ) -> Answer:
        """Sends one request and returns its answer, whatever its status.

        Raises `Unavailable` where there is none. A kept connection that turns out to be closed is
        replaced; a request that was written to it is sent again only where that is `repeatable`.
        """
        connection, is_kept = self._take()
        try:
            try:
                answer = self._ask(connection, method, path, headers, body)
            except (ConnectionError, http.client.RemoteDisconnected):
                if not (is_kept and repeatable):
                    raise
                connection.close()
                connection = self._connect()
                answer = self._ask(connection, method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            # A library's text could repeat what was sent.
            raise Unavailable(f"lacre gave no answer ({type(error).__name__})") from None
        except BaseException:
            # Interrupted half-way: whoever uses the connection next would read this answer.
            connection.close()
            raise
        self._give_back(connection)
        return answer

    def close(self) -> None:
        """Closes what is kept."""
        while self._idle:
            self._idle.pop().close()

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Answer:
        if connection.sock is None:
            connection.connect()
        # In one piece: two would be two packets, and wake the other side twice.
        lines = [f"{method} {self._address.prefix}{path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None or method == "POST":
            lines.append(f"Content-Length: {len(body or b'')}")
        head = "\r\n".join((*lines, "\r\n"))
        sock: socket.socket = connection.sock
        sock.sendall(head.encode("ascii") + (body or b""))
        with http.client.HTTPResponse(sock, method=method) as response:
            response.begin()
            content = response.read(LONGEST_ANSWER + 1)
            if len(content) > LONGEST_ANSWER or not response.isclosed():
                raise http.client.HTTPException("the answer has another length than it says")
            if response.will_close:
                connection.close()
            wait = _seconds(response.getheader("Retry-After"))
            return Answer(response.status, wait, content)

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        if self._owner != os.getpid():
            # Our copies of the parent's descriptors are closed with these objects.
            self._idle = deque()
            self._owner = os.getpid()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect(), False
            if not _is_stale(connection.sock):
                return connection, True
            connection.close()

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        if connection.sock is None or len(self._idle) >= self._kept:
            connection.close()
        else:
            self._idle.append(connection)

    def _connect(self) -> http.client.HTTPConnection:
        where = self._address
        if where.scheme == "unix":
            return _UnixConnection(where.host, self._timeout)
        if self._tls is not None:
            return http.client.HTTPSConnection(
                where.host, where.port, timeout=self._timeout, context=self._tls
            )
        return http.client.HTTPConnection(where.host, where.port, timeout=self._timeout)


def _is_stale(sock: socket.socket | None) -> bool:
    """An idle connection that can be read from has been closed, or says what nobody asked for."""
    if sock is None:
        return True
    watched = select.poll()
    watched.register(sock, select.POLLIN)
    return bool(watched.poll(0))


def _seconds(header: str | None) -> int:
    # What asks for more than a day isn't lacre's, and `int` refuses a text of some thousand digits.
    good = header and len(header) <= 5 and header.isascii() and header.isdigit()
    return min(int(header), 86_400) if header and good else 1
