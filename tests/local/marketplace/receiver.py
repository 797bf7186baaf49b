"""A tiny webhook receiver whose answers a test decides."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Receiver:
    """Notes what arrives; answers the statuses in turn, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    arriving: Callable[[dict[str, Any]], None] | None = None

    @property
    def actions(self) -> list[str]:
        """The actions in the order of arrival."""
        return [payload["action"] for payload in self.payloads]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free loopback port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take one notification."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.payloads.append(json.loads(body))
            if receiver.arriving is not None:
                receiver.arriving(receiver.payloads[-1])
            receiver.tokens.append(self.headers["Authorization"].removeprefix("Bearer "))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
