"""One TCP connection: protocol headers, SASL, sessions by channel, and a tidy end."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import assert_never

from local.servicebus.attaching import Nodes
from local.servicebus.codec import ARRAY_SYMBOL, Array, Described, Symbol, UByte, ULong, Value
from local.servicebus.fields import ProtocolError
from local.servicebus.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    MAX_FRAME_SIZE,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameReader,
    Header,
    build_frame,
    performative_frame,
)
from local.servicebus.outcomes import AmqpError
from local.servicebus.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Performative,
    Transfer,
    parse_performative,
)
from local.servicebus.session import HANDLE_MAX, WINDOW, Session

CHANNEL_MAX = 4999
_MECHANISMS = ("MSSBCBS", "ANONYMOUS", "PLAIN", "EXTERNAL")
_SASL_MECHANISMS = 0x40
_SASL_INIT = 0x41
_SASL_OUTCOME = 0x44
_SMALLEST_MAX_FRAME = 512

_LOG = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Any credentials are good: the broker is for one machine.

    A peer that breaks the protocol, or makes the broker fail, loses its own connection only.
    """

    def __init__(self, nodes: Nodes, on_end: "Callable[[Connection], None]") -> None:
        self._nodes = nodes
        self._on_end = on_end
        self._reader = FrameReader()
        self._sessions: dict[int, Session] = {}
        self._transport: asyncio.Transport | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._outbox: list[bytes] = []
        self._peer_frame_size = MAX_FRAME_SIZE
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("the broker serves stream sockets")
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Called by asyncio; what the peer held is given back."""
        self._end()
        self._on_end(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        try:
            for unit in self._reader.feed(data):
                if self._ended:
                    return
                self._on_unit(unit)
        except ProtocolError as error:
            self.close(AmqpError(error.condition, str(error)))
        except Exception:  # noqa: BLE001 - one peer must not take the broker down
            _LOG.exception("A frame made the broker fail; its connection is closed")
            self.close(AmqpError("amqp:internal-error", "The broker failed at a frame."))

    def close(self, error: AmqpError | None = None) -> None:
        """Say why, give everything back and hang up."""
        if self._ended:
            return
        self._send_performative(0, Close(error), b"")
        self._end()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _on_unit(self, unit: Header | Frame) -> None:
        match unit:
            case Header(raw):
                self._on_header(raw)
            case Frame(value=None):
                pass  # A heartbeat.
            case Frame(kind=0x01, value=value):
                self._on_sasl(value)
            case Frame(channel=channel, value=value, payload=payload):
                self._on_performative(channel, parse_performative(value), payload)

    def _on_header(self, raw: bytes) -> None:
        if raw == SASL_HEADER:
            self._write(raw)
            offered = Array(ARRAY_SYMBOL, tuple(Symbol(name) for name in _MECHANISMS))
            self._send_sasl(_SASL_MECHANISMS, offered)
        elif raw == AMQP_HEADER:
            self._write(raw)
        else:
            self._write(AMQP_HEADER)
            self._end()

    def _on_sasl(self, value: Value) -> None:
        if not isinstance(value, Described) or value.descriptor != _SASL_INIT:
            raise ProtocolError("only sasl-init is expected of a client")
        self._send_sasl(_SASL_OUTCOME, UByte(0))

    def _on_performative(self, channel: int, performative: Performative, payload: bytes) -> None:
        match performative:
            case Transfer():
                self._session(channel).on_transfer(performative, payload)
            case Disposition():
                self._session(channel).on_disposition(performative)
            case Flow():
                self._session(channel).on_flow(performative)
            case Open():
                self._on_open(performative)
            case Begin():
                self._on_begin(channel, performative)
            case Attach():
                self._session(channel).on_attach(performative)
            case Detach():
                self._session(channel).on_detach(performative)
            case End():
                self._session(channel).close()
                del self._sessions[channel]
                self._send_performative(channel, End(), b"")
            case Close():
                self.close()
            case _:
                assert_never(performative)

    def _on_open(self, peer: Open) -> None:
        if peer.max_frame_size < _SMALLEST_MAX_FRAME:
            raise ProtocolError("max-frame-size is below 512", "amqp:invalid-field")
        self._peer_frame_size = peer.max_frame_size
        answer = Open("local-servicebus", peer.hostname, MAX_FRAME_SIZE, CHANNEL_MAX, None)
        self._send_performative(0, answer, b"")
        if peer.idle_timeout:
            self._beat(peer.idle_timeout / 2000)

    def _on_begin(self, channel: int, begin: Begin) -> None:
        if channel in self._sessions or channel > CHANNEL_MAX:
            raise ProtocolError("the channel is in use or above channel-max", "amqp:not-allowed")
        self._sessions[channel] = Session(
            begin,
            send=partial(self._send_performative, channel),
            frame_size=self._peer_frame_size,
            attach=self._nodes.attach,
        )
        answer = Begin(channel, 0, WINDOW, WINDOW, HANDLE_MAX)
        self._send_performative(channel, answer, b"")

    def _session(self, channel: int) -> Session:
        session = self._sessions.get(channel)
        if session is None:
            raise ProtocolError(f"no session has begun on channel {channel}", "amqp:not-allowed")
        return session

    def _beat(self, interval: float) -> None:
        """Empty frames keep a peer with an idle timeout from hanging up; ``interval`` seconds."""
        self._write(EMPTY_FRAME)
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(interval, self._beat, interval)

    def _send_performative(self, channel: int, performative: Performative, payload: bytes) -> None:
        self._write(performative_frame(channel, performative, payload))

    def _send_sasl(self, code: int, field: Value) -> None:
        self._write(build_frame(SASL_FRAME, 0, Described(ULong(code), [field])))

    def _write(self, data: bytes) -> None:
        """Frames of one turn of the loop leave in one write."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.append(data)

    def _flush(self) -> None:
        if self._outbox and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outbox))
        self._outbox.clear()
