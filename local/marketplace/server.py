"""Running a simulator: bound to loopback, in this thread or in another one."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import uvicorn

from local.clock import FileClock
from local.marketplace.app import build
from local.marketplace.config import Settings
from local.marketplace.connections import Connections
from local.marketplace.simulator import Simulator

HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 30


class _Server(uvicorn.Server):
    """Tells when it is ready to answer."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()


@dataclass(frozen=True, slots=True)
class Bound:
    """A simulator with its socket, not serving yet."""

    simulator: Simulator
    socket: socket.socket

    @property
    def url(self) -> str:
        """Where it will answer."""
        return self.simulator.base_url

    def server(self, ready: Callable[[], None]) -> uvicorn.Server:
        """The server; it cuts off whoever is still waiting one second after its end."""
        connections = Connections()
        config = uvicorn.Config(
            build(self.simulator, connections),
            http=connections.protocol(),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
        )
        return _Server(config, ready)

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until a signal comes."""
        asyncio.run(self.server(ready).serve([self.socket]))


def bind(settings: Settings, clock: FileClock, port: int = 0) -> Bound:
    """Take a loopback port (0: any free one) and make the simulator that will answer there."""
    # Without the explicit protocol asyncio leaves Nagle's algorithm on: 40 ms for every answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    return Bound(Simulator(settings, clock, url), listener)


@contextlib.contextmanager
def running(settings: Settings, clock: FileClock, port: int = 0) -> Iterator[Bound]:
    """A simulator serving in a thread of its own for as long as the context lasts."""
    bound = bind(settings, clock, port)
    ready = threading.Event()
    server = bound.server(ready.set)
    thread = threading.Thread(target=server.run, args=([bound.socket],), name="marketplace")
    thread.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise TimeoutError("the marketplace simulator did not start")
        yield bound
    finally:
        server.should_exit = True
        thread.join()
        bound.socket.close()
