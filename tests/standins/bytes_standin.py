"""A server on loopback that answers with the very bytes a test gives it, plain or over TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handler = Callable[[socket.socket, str, int], None]
"""What a server does with a connection, the head of a request on it, and the number of requests that it had before."""


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


class Server:
    """Takes connections one after another until it is stopped; the next comes when the last was closed by one side."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        self._handler, self._tls = handler, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.heads: list[str] = []
        self.connections = 0
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                self._serve(self._tls.wrap_socket(plain, server_side=True) if self._tls else plain)
            except OSError:
                plain.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            while head := self._head(connection):
                self.heads.append(head)
                self._handler(connection, head, len(self.heads) - 1)

    @staticmethod
    def _head(connection: socket.socket) -> str:
        read = b""
        while b"\r\n\r\n" not in read:
            if not (more := connection.recv(4096)):
                return ""
            read += more
        return read.decode()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextmanager
def serving(handler: Handler, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(handler, tls=tls)
    try:
        yield server
    finally:
        server.stop()


def always(raw: bytes, *, end: bool = False) -> Handler:
    """Answers every request with the bytes `raw`, and then hangs up where `end` is set."""

    def handler(connection: socket.socket, _head: str, _before: int) -> None:
        connection.sendall(raw)
        if end:
            connection.shutdown(socket.SHUT_RDWR)

    return handler
