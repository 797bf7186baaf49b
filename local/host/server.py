"""The HTTP side: an ASGI application between uvicorn and the functions."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

import uvicorn

from local.host.http import Request, Response, join_headers
from local.host.routes import Found, NoRoute, RouteTable, WrongMethod, decode_path

# Microsoft Learn, "Azure Functions HTTP triggers and bindings": 100 MB a request.
MAX_BODY = 104_857_600
# Kestrel's limit for all headers of a request, and some room for the request line.
_MAX_HEAD = 40_960

type Scope = Mapping[str, Any]
type Message = dict[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Invoke = Callable[[str, Request, Mapping[str, str]], Awaitable[Response]]
type Administer = Callable[[Request], Awaitable[Response]]


class _BodyTooLargeError(Exception):
    """The request's body is over the limit."""


class _ClientGoneError(Exception):
    """The client went away before its request was complete."""


class Application:
    """Answers ``/admin/…`` itself and leaves the rest to the functions."""

    def __init__(self, routes: RouteTable, invoke: Invoke, administer: Administer) -> None:
        self._routes = routes
        self._invoke = invoke
        self._administer = administer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI calls it."""
        try:
            response = await self._answer(scope, receive)
        except _BodyTooLargeError:
            # What is left of the body is not read, so the connection cannot be used again.
            response = Response(413, ((b"connection", b"close"),))
        except _ClientGoneError:
            return
        headers = list(response.headers)
        if response.status not in (204, 304):
            headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        raw_path: str = scope["raw_path"].decode("latin-1")
        path = decode_path(raw_path)
        if path.lower().startswith("/admin/"):
            return await self._administer(await _read_request(scope, raw_path, receive))
        match self._routes.find(scope["method"], path):
            case Found(function, values):
                request = await _read_request(scope, raw_path, receive)
                return await self._invoke(function, request, values)
            case WrongMethod(allowed):
                return Response(405, ((b"allow", ", ".join(allowed).encode()),))
            case NoRoute():
                return Response(404)


async def _read_request(scope: Scope, raw_path: str, receive: Receive) -> Request:
    headers = join_headers(scope["headers"])
    announced = headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MAX_BODY:
        raise _BodyTooLargeError
    return Request(
        method=scope["method"],
        path=raw_path,
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=await _read_body(receive),
    )


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise _BodyTooLargeError
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _QuietServer(uvicorn.Server):
    """Leaves signals to the host, which stops more than this server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """No signal is captured."""
        yield


class HttpServer:
    """Listens on loopback from ``start`` to ``stop``."""

    def __init__(self, application: Application, port: int) -> None:
        """Binds the port at once (0: any free one); raises ``OSError`` if it is taken."""
        self._socket = _listening_socket(port)
        self._server = _QuietServer(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
                h11_max_incomplete_event_size=_MAX_HEAD,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is bound."""
        number: int = self._socket.getsockname()[1]
        return number

    async def start(self) -> None:
        """Accept connections."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)

    async def stop(self, limit: float) -> None:
        """Take no more requests, wait ``limit`` seconds for those that run, then drop them."""
        if self._task is None:
            self._socket.close()
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(limit))
        self._server.should_exit = True
        await self._task


def _listening_socket(port: int) -> socket.socket:
    # Only with the protocol named does asyncio send small answers without delay (TCP_NODELAY).
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.close()
        raise
    return listening
