"""A small connection pooler, as PgBouncer in its two modes, in front of a real server: for tests.

It speaks as much of the protocol as psycopg2 uses (https://www.postgresql.org/docs/current/protocol.html).
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Any

NO_ENCRYPTION = {80877103, 80877104}
SETTINGS = {
    "server_version": "16.0", "client_encoding": "UTF8", "server_encoding": "UTF8", "TimeZone": "UTC",
    "standard_conforming_strings": "on", "DateStyle": "ISO, MDY", "integer_datetimes": "on",
}  # fmt: skip


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", 4 + len(body)) + body


# Nobody asks for a password; some settings; a backend that is made up; ready.
GREETING = (
    _message(b"R", bytes(4))
    + b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in SETTINGS.items())
    + _message(b"K", struct.pack(">ii", 7, 7))
    + _message(b"Z", b"I")
)


class Wire:
    """Messages of one socket: a type byte, a length, the rest."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected

    def exactly(self, count: int) -> bytes:
        parts = b""
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionError
            parts += part
        return parts

    def startup(self) -> bytes:
        size = self.exactly(4)
        return size + self.exactly(struct.unpack(">i", size)[0] - 4)

    def message(self) -> tuple[bytes, bytes]:
        head = self.exactly(5)
        return head[:1], head + self.exactly(struct.unpack(">i", head[1:])[0] - 4)

    def until(self, *kinds: bytes) -> tuple[bytes, bytes]:
        """What arrives up to a message of one of these types, and that message."""
        everything = b""
        while True:
            kind, message = self.message()
            everything += message
            if kind in kinds:
                return everything, message


class Pooler:
    """Listens on 127.0.0.1:``port``. ``transactions``: backends go back after each transaction."""

    def __init__(self, output: dict[str, Any], transactions: bool, size: int = 5) -> None:
        self.path = f"{output['host']}/.s.PGSQL.{output['port']}"
        self.transactions, self.free = transactions, threading.Semaphore(size)
        self.idle: list[Wire] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client = Wire(self.listener.accept()[0])
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def backend(self, startup: bytes) -> Wire:
        self.free.acquire()
        with suppress(IndexError):
            return self.idle.pop()
        made = Wire(socket.socket(socket.AF_UNIX))
        made.socket.connect(self.path)
        made.socket.sendall(startup)
        made.until(b"Z")
        return made

    def give_back(self, backend: Wire) -> None:
        self.idle.append(backend)
        self.free.release()

    def serve(self, client: Wire) -> None:
        backend: Wire | None = None
        with suppress(ConnectionError, OSError):
            while struct.unpack(">i", (startup := client.startup())[4:8])[0] in NO_ENCRYPTION:
                client.socket.sendall(b"N")
            client.socket.sendall(GREETING)
            while (asked := client.message())[0] != b"X":
                backend = backend or self.backend(startup)
                backend.socket.sendall(asked[1])
                if asked[0] == b"d":
                    continue
                answer, last = backend.until(b"Z", b"G")
                if self.transactions and last.endswith(b"I") and last.startswith(b"Z"):
                    self.give_back(backend)
                    backend = None
                client.socket.sendall(answer)
        if backend is not None:
            backend.socket.close()
            self.free.release()
        client.socket.close()

    def close(self) -> None:
        self.listener.close()
        for backend in self.idle:
            backend.socket.close()
