"""A relay in front of an HTTP service: counts what passes and, on request, loses or delays it."""

import asyncio
import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_LIMIT: Final = 8 * 1024 * 1024
_START_SECONDS: Final = 30
_OPERATION = re.compile(rb"^(?:POST|PUT|MERGE|PATCH|DELETE) http", re.MULTILINE)


class Fate(StrEnum):
    """What becomes of a request. A late one reaches the service after its sender has given up."""

    PASS = "pass"
    LOST = "request lost"
    UNANSWERED = "answer lost"
    LATE = "arrives late"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with the status of its answer; ``operations`` are the entities of a batch."""

    method: str
    path: str
    status: int
    operations: int

    @property
    def is_transaction(self) -> bool:
        """Whether it is an entity group transaction."""
        return self.path.endswith("$batch")

    @property
    def is_read(self) -> bool:
        """Whether it only reads."""
        return self.method == "GET"


@dataclass(slots=True)
class Tape:
    """Everything that passed, and what was done to it."""

    exchanges: list[Exchange] = field(default_factory=list)
    fates: Counter[Fate] = field(default_factory=Counter)

    @property
    def transactions(self) -> int:
        """Entity group transactions, refused ones included."""
        return sum(exchange.is_transaction for exchange in self.exchanges)

    @property
    def reads(self) -> int:
        """Requests that only read."""
        return sum(exchange.is_read for exchange in self.exchanges)

    def cut(self) -> "Tape":
        """What passed since the last cut."""
        kept = Tape(self.exchanges, self.fates)
        self.exchanges, self.fates = [], Counter()
        return kept


type Decide = Callable[[str, str], Fate]
"""Chooses the fate of a request by its method and path."""


def let_pass(_method: str, _path: str) -> Fate:
    """No request is harmed."""
    return Fate.PASS


@dataclass(frozen=True, slots=True)
class _Message:
    """A request or an answer as it came: its first line and all of it."""

    line: bytes
    body: bytes
    whole: bytes


class Relay:
    """Listens on a port of its own and hands requests to ``port``, one after the other a
    connection."""

    def __init__(self, port: int, decide: Decide = let_pass, late_seconds: float = 0.3) -> None:
        self.port = 0
        self.tape = Tape()
        self._target = port
        self._decide = decide
        self._late_seconds = late_seconds
        self._late: set[asyncio.Task[None]] = set()

    async def serve(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Relay until ``stop`` is set."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=_LIMIT)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        await stop.wait()
        server.close()
        server.close_clients()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            upstream = await asyncio.open_connection("127.0.0.1", self._target, limit=_LIMIT)
            try:
                while await self._exchange(reader, writer, *upstream):
                    pass
            finally:
                upstream[1].close()
        writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        onward: asyncio.StreamWriter,
    ) -> bool:
        """Relay one request and its answer; whether the connection goes on."""
        request = await _message(reader)
        method, path = request.line.decode("latin-1").split(" ")[:2]
        fate = self._decide(method, path)
        self.tape.fates[fate] += 1
        if fate is Fate.LOST:
            return False
        if fate is Fate.LATE:
            self._send_late(request)
            return False
        onward.write(request.whole)
        answer = await _message(answers)
        status = int(answer.line.split(b" ")[1])
        operations = len(_OPERATION.findall(request.body))
        self.tape.exchanges.append(Exchange(method, path.split("?")[0], status, operations))
        if fate is Fate.UNANSWERED:
            return False
        writer.write(answer.whole)
        await writer.drain()
        return True

    def _send_late(self, request: _Message) -> None:
        task = asyncio.create_task(self._deliver(request))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _deliver(self, request: _Message) -> None:
        await asyncio.sleep(self._late_seconds)
        answers, onward = await asyncio.open_connection("127.0.0.1", self._target, limit=_LIMIT)
        onward.write(request.whole)
        await _message(answers)
        onward.close()


async def _message(reader: asyncio.StreamReader) -> _Message:
    head = await reader.readuntil(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    headers = rest.lower()
    length = re.search(rb"^content-length: *(\d+)", headers, re.MULTILINE)
    if length:
        body = await reader.readexactly(int(length[1]))
    elif re.search(rb"^transfer-encoding: *chunked", headers, re.MULTILINE):
        body = await _chunks(reader)
    else:
        body = b""
    return _Message(line, body, head + body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body as it is, sizes included."""
    pieces: list[bytes] = []
    while True:
        size = await reader.readuntil(b"\r\n")
        piece = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
        pieces += [size, piece]
        if piece == b"\r\n":
            return b"".join(pieces)


@contextlib.contextmanager
def relaying(port: int, decide: Decide = let_pass) -> Iterator[Relay]:
    """A relay to ``port`` that works in a thread of its own while the context lasts."""
    relay, ready, stops = Relay(port, decide), threading.Event(), list[Callable[[], object]]()

    async def work() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        await relay.serve(ready.set, stop)

    thread = threading.Thread(target=lambda: asyncio.run(work()), name="relay")
    thread.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise TimeoutError("the relay did not start")
        yield relay
    finally:
        for stop in stops:
            stop()
        thread.join()
