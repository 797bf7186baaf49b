"""A server that answers every request as a test says, and counts them."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.azurite.process import connection_string
from shared.config import Settings


@dataclass(slots=True)
class Stub:
    """What to answer; a status of 0 means to hang up. ``requests`` are methods and paths.

    ``statuses`` are those of the first answers. ``making`` is the status for making a table,
    without a body, unless it is like all others.
    """

    status: int = 200
    statuses: list[int] = field(default_factory=list)
    making: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    port: int = 0
    last_body: bytes = b""
    last_type: str = ""
    last_authorization: str = ""

    @property
    def settings(self) -> Settings:
        """How to reach it."""
        return Settings(tables_connection=connection_string(self.port))


@contextmanager
def answering(stub: Stub) -> Iterator[Stub]:
    """Serve ``stub`` on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stub.last_body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            stub.last_type = self.headers.get("Content-Type", "")
            stub.last_authorization = self.headers.get("Authorization", "")
            self._answer()

        def do_GET(self) -> None:
            stub.last_authorization = self.headers.get("Authorization", "")
            self._answer()

        def _answer(self) -> None:
            stub.requests.append(f"{self.command} {self.path}")
            if stub.statuses:
                self._say(stub.statuses.pop(0), stub.headers, stub.body)
                return
            if stub.status == 0:
                self.close_connection = True
                return
            if stub.making and self.path.endswith("/Tables"):
                self._say(stub.making, {}, b"")
            else:
                self._say(stub.status, stub.headers, stub.body)

        def _say(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
