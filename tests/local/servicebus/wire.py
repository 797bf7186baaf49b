"""A client that speaks AMQP frame by frame, to do what the SDK never does."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from local.servicebus.codec import Described, UInt, ULong, Value
from local.servicebus.frames import AMQP_HEADER, Frame, FrameReader, performative_frame
from local.servicebus.performatives import Attach, Begin, Close, Open, Performative, Terminus

SOURCE = 0x28
TARGET = 0x29
_TIMEOUT = 5.0


class Wire:
    """One connection; reading raises ``TimeoutError`` after some seconds."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def send(self, performative: Performative, payload: bytes = b"", channel: int = 1) -> None:
        """Send a frame."""
        self.send_raw(performative_frame(channel, performative, payload))

    def send_raw(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def begin(self, window: int = 1000, idle_timeout: int | None = None) -> None:
        """Open a connection and begin session 1."""
        self.send_raw(AMQP_HEADER)
        self.send(Open("test", None, 65_536, 100, idle_timeout), channel=0)
        self.send(Begin(None, 0, window, 1000, 100))

    def attach(self, handle: int, address: str, *, receiver: bool) -> None:
        """Attach a link of the default kind."""
        self.send(
            Attach(
                name=f"link-{handle}",
                handle=handle,
                is_receiver=receiver,
                sender_settle_mode=0,
                receiver_settle_mode=0,
                source=Terminus(SOURCE, (address,)),
                target=Terminus(TARGET, (address,)),
                initial_delivery_count=None if receiver else 0,
                max_message_size=None,
                properties={},
            )
        )

    def expect(self, code: int) -> tuple[list[Value], bytes]:
        """Fields and payload of the next performative with this code, skipping others."""
        while True:
            for index, frame in enumerate(self._frames):
                value = frame.value
                if isinstance(value, Described) and value.descriptor == ULong(code):
                    del self._frames[: index + 1]
                    assert isinstance(value.value, list)
                    return value.value, frame.payload
            self._frames = []
            if not self._receive():
                raise ConnectionError("the broker hung up")

    def heartbeats(self, count: int) -> bool:
        """Whether as many empty frames come."""
        while sum(frame.value is None for frame in self._frames) < count:
            if not self._receive():
                return False
        return True

    def silence(self, seconds: float) -> bool:
        """Whether nothing but what was read before comes for a while."""
        self._socket.settimeout(seconds)
        try:
            return not self._receive()
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(_TIMEOUT)

    def closed_by_broker(self) -> str | None:
        """The condition the broker closes the connection with, None without one."""
        condition: str | None = None
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            try:
                alive = self._receive()
            except ConnectionResetError:
                alive = False
            for frame in self._frames:
                match frame.value:
                    case Described(Close.CODE, [Described(_, [str(condition), *_])]):
                        pass
            if not alive:
                return condition
        raise TimeoutError("the broker did not hang up")

    def close(self) -> None:
        """Hang up without a word."""
        self._socket.close()

    def _receive(self) -> bool:
        data = self._socket.recv(65_536)
        self._frames += [x for x in self._reader.feed(data) if isinstance(x, Frame)]
        return bool(data)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """A connection for the time of a block."""
    connection = Wire(port)
    try:
        yield connection
    finally:
        connection.close()


def disposition_fields(
    first: int, last: int, outcome: int, *fields: Value
) -> tuple[Value, list[Value]]:
    """Descriptor and fields of a receiver's unsettled disposition."""
    state = Described(ULong(outcome), list(fields))
    return ULong(0x15), [True, UInt(first), UInt(last), False, state]
