"""A scripted HTTP server on loopback: it answers as told and keeps what it was asked."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from typing import cast
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived; ``port`` is the caller's end of the connection."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str
    port: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body).items()}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``claimed_length`` may promise more than is sent."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    claimed_length: int | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection breaks before an answer."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer until the stub is closed."""


type Script = Callable[[Asked], Reply | Drop | Silence]


class Stub(ThreadingHTTPServer):
    """The server; ``script`` decides the answers, ``asked`` holds the requests in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: Script = lambda _: Reply()
        self.asked: list[Asked] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, *replies: Reply | Drop | Silence) -> None:
        """Give these answers one after the other; the last one for good."""
        left = list(replies)
        self.script = lambda _: left.pop(0) if len(left) > 1 else left[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        stub = cast(Stub, self.server)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body, self.client_address[1])
        stub.asked.append(asked)
        match stub.script(asked):
            case Reply() as reply:
                self._reply(reply)
            case Silence():
                stub.closing.wait(30)
                self.close_connection = True
            case Drop():
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(SHUT_RDWR)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _reply(self, reply: Reply) -> None:
        data = reply.body.encode()
        length = len(data) if reply.claimed_length is None else reply.claimed_length
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(data)
        if length != len(data):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the test's output quiet."""


@contextlib.contextmanager
def running_stub() -> Iterator[Stub]:
    """A stub that serves until the block ends."""
    stub = Stub()
    thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        stub.shutdown()
        thread.join()
        stub.server_close()


class FixedTokens:
    """Tokens t0, t1, … where each is used until it is refused."""

    def __init__(self) -> None:
        self.number = 0

    def bearer(self) -> str:
        return f"t{self.number}"

    def forget(self, token: str) -> None:
        if token == self.bearer():
            self.number += 1
