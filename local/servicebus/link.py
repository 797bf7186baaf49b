"""Links: attaching and detaching, credit, and the assembly of messages."""

from typing import Protocol

from local.servicebus.codec import Value
from local.servicebus.faults import Fault, MessageTooLarge
from local.servicebus.outcomes import Accepted, AmqpError, Outcome, Rejected
from local.servicebus.performatives import (
    Attach,
    Detach,
    Disposition,
    Flow,
    Performative,
    Terminus,
    Transfer,
)

CREDIT = 1000
"""Messages a sender may have on the way; renewed when half is used."""

_WRAP = 0xFFFF_FFFF


class SessionPort(Protocol):
    """What links need of the session they are attached to."""

    @property
    def congested(self) -> bool:
        """The peer's window is closed; nothing more should be sent."""

    def send(self, performative: Performative) -> None:
        """Send a frame that needs no window."""

    def send_flow(self, handle: int, delivery_count: int, credit: int, *, drain: bool) -> None:
        """Tell the peer a link's state."""

    def send_message(self, handle: int, payload: bytes, *, tag: bytes | None) -> int:
        """Send a message, settled when ``tag`` is None; returns its delivery id."""


def error_of(fault: Fault) -> AmqpError:
    """A fault as it is told to the peer."""
    return AmqpError(fault.condition, str(fault))


class Link:
    """What the peer attached with ``request``.

    A closed link stays in its session until the peer detaches it too, and ignores everything.
    """

    max_message_size: int | None = None

    def __init__(self, session: SessionPort, request: Attach) -> None:
        self.session = session
        self.handle = request.handle
        self.name = request.name
        self.closed = False
        self._request = request
        self._attached = False

    def confirm(
        self, source: Terminus | None = None, properties: dict[Value, Value] | None = None
    ) -> None:
        """Answer the attach; ``source`` replaces the one the peer proposed."""
        self._reply(source or self._request.source, self._request.target, properties or {})

    def detach(self, fault: Fault | None = None) -> None:
        """End the link; a link that never was confirmed is attached to nothing first."""
        if self.closed:
            return
        self.close()
        if not self._attached:
            self._reply(None, None, {})
        error = error_of(fault) if fault is not None else None
        self.session.send(Detach(self.handle, closed=True, error=error))

    def close(self) -> None:
        """Give up whatever the link holds; the frames are the caller's business."""
        self.closed = True

    def on_flow(self, flow: Flow) -> None:
        """The peer changed its state of the link."""

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """The peer sent (a part of) a message."""

    def _reply(
        self, source: Terminus | None, target: Terminus | None, properties: dict[Value, Value]
    ) -> None:
        request = self._request
        self._attached = True
        self.session.send(
            Attach(
                name=request.name,
                handle=request.handle,
                is_receiver=not request.is_receiver,
                sender_settle_mode=request.sender_settle_mode,
                receiver_settle_mode=request.receiver_settle_mode,
                source=source,
                target=target,
                initial_delivery_count=0 if request.is_receiver else None,
                max_message_size=self.max_message_size,
                properties=properties,
            )
        )


class IncomingLink(Link):
    """A link on which the peer sends messages of at most ``limit`` bytes.

    A longer one is rejected, and what exceeds the limit is never kept. The link stays attached:
    azure-servicebus tells the reason only when it comes with a disposition.
    """

    def __init__(self, session: SessionPort, request: Attach, limit: int) -> None:
        super().__init__(session, request)
        self.max_message_size = limit
        self._limit = limit
        self._delivery_count = request.initial_delivery_count or 0
        self._ungranted = 0
        self._first: Transfer | None = None
        self._buffer = bytearray()
        self._size = 0

    def grant(self) -> None:
        """Let the peer send ``CREDIT`` more messages."""
        self._ungranted = 0
        self.session.send_flow(self.handle, self._delivery_count, CREDIT, drain=False)

    def on_flow(self, flow: Flow) -> None:
        """Answer a peer that asks for the link's state."""
        if flow.echo and not self.closed:
            self.grant()

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Assemble a message and act on it once it is whole."""
        if self.closed:
            return
        first = self._first = self._first or transfer
        self._size += len(payload)
        if self._size <= self._limit:
            self._buffer += payload
        if transfer.more and not transfer.aborted:
            return
        data, size = bytes(self._buffer), self._size
        self._first, self._size = None, 0
        self._buffer.clear()
        self._delivery_count = (self._delivery_count + 1) & _WRAP
        self._ungranted += 1
        if not transfer.aborted:
            self._conclude(first, data, size)
        if self._ungranted >= CREDIT // 2:
            self.grant()

    def close(self) -> None:
        """Drop what has arrived of an unfinished message."""
        super().close()
        self._buffer.clear()

    def accept(self, data: bytes, message_format: int) -> None:
        """Act on a whole message; raises ``Fault`` to reject it."""
        raise NotImplementedError

    def _conclude(self, first: Transfer, data: bytes, size: int) -> None:
        outcome: Outcome = Accepted()
        try:
            if size > self._limit:
                raise MessageTooLarge(
                    f"The message of {size} bytes exceeds the {self._limit} bytes allowed."
                )
            self.accept(data, first.message_format or 0)
        except Fault as fault:
            outcome = Rejected(error_of(fault))
        number = first.delivery_id
        if not first.settled and number is not None:
            self.session.send(
                Disposition(
                    is_receiver=True, first=number, last=number, settled=True, outcome=outcome
                )
            )


class OutgoingLink(Link):
    """A link on which the broker sends, as far as the peer's credit goes."""

    def __init__(self, session: SessionPort, request: Attach) -> None:
        super().__init__(session, request)
        self.credit = 0
        self._delivery_count = 0

    def on_flow(self, flow: Flow) -> None:
        """Take the credit, use it, and give back the rest when the peer drains the link."""
        if self.closed or flow.link_credit is None:
            return
        self.credit = (flow.delivery_count or 0) + flow.link_credit - self._delivery_count
        self.on_credit()
        if flow.drain and self.credit > 0:
            self._delivery_count = (self._delivery_count + self.credit) & _WRAP
            self.credit = 0
        if flow.drain or flow.echo:
            self.session.send_flow(
                self.handle, self._delivery_count, max(self.credit, 0), drain=flow.drain
            )

    def on_credit(self) -> None:
        """There may be credit now."""
        raise NotImplementedError

    def send(self, payload: bytes, tag: bytes | None) -> int:
        """Send one message; returns its delivery id."""
        self.credit -= 1
        self._delivery_count = (self._delivery_count + 1) & _WRAP
        return self.session.send_message(self.handle, payload, tag=tag)
