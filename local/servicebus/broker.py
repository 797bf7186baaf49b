"""The broker: queues behind a TCP port, in an event loop or in a thread of its own."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future

from local.servicebus.attaching import Nodes
from local.servicebus.connection import Connection
from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.queue import Clock, Queue, open_queue
from local.servicebus.entity.stored import Counters

MAX_MESSAGE_SIZE = 256 * 1024
"""Bytes of a message or batch on the Standard tier (Microsoft, "Service Bus quotas")."""
_TICK = 0.05
_START_TIMEOUT = 10.0
_STOP_TIMEOUT = 1.0
"""Seconds for peers to read what is still on its way to them."""

_LOG = logging.getLogger(__name__)


class Broker:
    """Serves the declared queues on loopback; everything is in memory and gone with it.

    ``clock`` gives unix seconds and rules locks, times to live, schedules and windows; it may jump
    forward. Use from one event loop. Raises ``ValueError`` for two queues of one name.
    """

    def __init__(
        self,
        queues: Iterable[QueueConfig],
        *,
        clock: Clock = time.time,
        max_message_size: int = MAX_MESSAGE_SIZE,
    ) -> None:
        self._queues: dict[str, Queue] = {}
        for config in queues:
            if config.name.lower() in self._queues:
                raise ValueError(f"the queue '{config.name}' is declared twice")
            self._queues[config.name.lower()] = open_queue(config, clock)
        self._max_message_size = max_message_size
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen; port 0 picks a free one, then found in ``port``. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        nodes = Nodes(self._queues, self._max_message_size, loop.call_later)
        self._server = await loop.create_server(lambda: self._connection(nodes), host, port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ticker = loop.create_task(self._tick())

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._ticker is not None:
            self._ticker.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        if self._server is not None:
            try:
                async with asyncio.timeout(_STOP_TIMEOUT):
                    await self._server.wait_closed()
            except TimeoutError:
                self._server.abort_clients()

    @property
    def connection_string(self) -> str:
        """What the SDKs take; the key means nothing here but must be there."""
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=RootManageSharedAccessKey;"
            "SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"
        )

    def counters(self, queue: str) -> Counters:
        """Messages of a queue by state; raises ``KeyError`` for a queue not declared."""
        return self._queues[queue.lower()].counters()

    def _connection(self, nodes: Nodes) -> Connection:
        connection = Connection(nodes, self._connections.discard)
        self._connections.add(connection)
        return connection

    async def _tick(self) -> None:
        """Nobody may call a queue for a while; locks expire and schedules fall due all the same."""
        while True:
            await asyncio.sleep(_TICK)
            for queue in self._queues.values():
                try:
                    queue.advance()
                    if queue.dead_letters is not None:
                        queue.dead_letters.advance()
                except Exception:  # noqa: BLE001 - the other queues must go on
                    _LOG.exception("A queue failed to advance")


class RunningBroker:
    """A broker in another thread; safe to use from any thread but its own."""

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self._broker = broker
        self._loop = loop

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._broker.port

    @property
    def connection_string(self) -> str:
        """What the SDKs take."""
        return self._broker.connection_string

    def counters(self, queue: str) -> Counters:
        """Messages of a queue by state, as of now; raises ``KeyError``."""
        return self._call(lambda: self._broker.counters(queue))

    def _call[T](self, function: Callable[[], T]) -> T:
        answer: Future[T] = Future()

        def act() -> None:
            try:
                answer.set_result(function())
            except Exception as exc:  # noqa: BLE001 - it is raised in the caller's thread
                answer.set_exception(exc)

        self._loop.call_soon_threadsafe(act)
        return answer.result()


@contextlib.contextmanager
def running_broker(
    queues: Iterable[QueueConfig],
    *,
    clock: Clock = time.time,
    max_message_size: int = MAX_MESSAGE_SIZE,
    port: int = 0,
) -> Iterator[RunningBroker]:
    """A broker for the time of a ``with`` block; raises ``OSError`` when the port is taken."""
    broker = Broker(queues, clock=clock, max_message_size=max_message_size)
    started: Future[asyncio.AbstractEventLoop] = Future()
    stopping = asyncio.Event()

    async def serve() -> None:
        try:
            await broker.start(port)
        except OSError as exc:
            started.set_exception(exc)
            return
        started.set_result(asyncio.get_running_loop())
        await stopping.wait()
        await broker.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="local-servicebus")
    thread.start()
    try:
        loop = started.result(_START_TIMEOUT)
        try:
            yield RunningBroker(broker, loop)
        finally:
            loop.call_soon_threadsafe(stopping.set)
    finally:
        thread.join()
