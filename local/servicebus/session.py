"""An AMQP session: windows, delivery ids, links by handle, and the settling of deliveries."""

import uuid
from collections import deque
from collections.abc import Callable
from typing import assert_never

from local.servicebus.endpoints import ConsumerLink, ReplyLink
from local.servicebus.entity.stored import (
    Abandon,
    Complete,
    DeadLetter,
    Defer,
    Release,
    Settlement,
)
from local.servicebus.faults import Fault, LockLost
from local.servicebus.fields import ProtocolError
from local.servicebus.frames import MAX_FRAME_SIZE
from local.servicebus.link import Link, OutgoingLink, error_of
from local.servicebus.outcomes import Accepted, Modified, Outcome, Received, Rejected, Released
from local.servicebus.performatives import (
    Attach,
    Begin,
    Detach,
    Disposition,
    Flow,
    Performative,
    Transfer,
)

WINDOW = 0x7FFF_FFFF
HANDLE_MAX = 255
_TRANSFER_OVERHEAD = 128
"""More bytes than a transfer frame needs besides its payload."""

type Sender = Callable[[Performative, bytes], None]


class Session:
    """One session of one connection; ``send`` writes a frame on its channel."""

    def __init__(
        self,
        begin: Begin,
        *,
        send: Sender,
        frame_size: int,
        attach: "Callable[[Session, Attach], Link]",
    ) -> None:
        self._send = send
        self._attach = attach
        self._payload_size = min(frame_size, MAX_FRAME_SIZE) - _TRANSFER_OVERHEAD
        self._links: dict[int, Link] = {}
        self._unsettled: dict[int, tuple[ConsumerLink, uuid.UUID]] = {}
        self._held_back: deque[tuple[Transfer, bytes]] = deque()
        self._next_incoming_id = begin.next_outgoing_id
        self._peer_window = begin.incoming_window
        self._next_outgoing_id = 0
        self._next_delivery_id = 0

    @property
    def congested(self) -> bool:
        """Frames wait for the peer's window."""
        return bool(self._held_back)

    def send(self, performative: Performative) -> None:
        """Send a frame that needs no window."""
        self._send(performative, b"")

    def send_flow(self, handle: int, delivery_count: int, credit: int, *, drain: bool) -> None:
        """Tell the peer a link's state, and the session's with it."""
        self.send(self._flow(handle, delivery_count, credit, drain=drain))

    def send_message(self, handle: int, payload: bytes, *, tag: bytes | None) -> int:
        """Send a message in as many frames as it needs; returns its delivery id."""
        number = self._next_delivery_id
        self._next_delivery_id += 1
        sent_tag = tag if tag is not None else number.to_bytes(4, "big")
        size = self._payload_size
        for start in range(0, max(len(payload), 1), size):
            more = start + size < len(payload)
            transfer = Transfer(handle, number, sent_tag, 0, settled=tag is None, more=more)
            self._held_back.append((transfer, payload[start : start + size]))
        self._release()
        return number

    def await_settlement(self, delivery_id: int, link: ConsumerLink, token: uuid.UUID) -> None:
        """Remember what the peer is going to settle."""
        self._unsettled[delivery_id] = (link, token)

    def forget(self, link: ConsumerLink) -> None:
        """Drop the deliveries of a link that is gone."""
        gone = [number for number, (owner, _) in self._unsettled.items() if owner is link]
        for number in gone:
            del self._unsettled[number]

    def reply_link(self, node: str) -> ReplyLink | None:
        """The link on which the peer awaits the answers of a node."""
        for link in self._links.values():
            if isinstance(link, ReplyLink) and link.node == node and not link.closed:
                return link
        return None

    def on_attach(self, attach: Attach) -> None:
        """Attach a link; raises ``ProtocolError`` when its handle is taken or too high."""
        present = self._links.get(attach.handle)
        if present is not None and not present.closed:
            raise ProtocolError("the handle is in use", "amqp:session:handle-in-use")
        if attach.handle > HANDLE_MAX:
            raise ProtocolError("the handle is above handle-max", "amqp:not-allowed")
        self._links[attach.handle] = self._attach(self, attach)

    def on_flow(self, flow: Flow) -> None:
        """Take the peer's window, then its state of a link."""
        base = flow.next_incoming_id or 0
        self._peer_window = base + flow.incoming_window - self._next_outgoing_id
        was_congested = self.congested
        self._release()
        if flow.handle is not None:
            self._link(flow.handle).on_flow(flow)
        elif flow.echo:
            self.send(self._flow(None, None, None, drain=False))
        if was_congested and not self.congested:
            for link in list(self._links.values()):
                if isinstance(link, OutgoingLink):
                    link.on_credit()

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Hand (a part of) a message to its link."""
        self._next_incoming_id = (self._next_incoming_id + 1) & 0xFFFF_FFFF
        self._link(transfer.handle).on_transfer(transfer, payload)

    def on_disposition(self, disposition: Disposition) -> None:
        """Settle deliveries; what the peer says of its own ones is of no interest."""
        outcome = disposition.outcome
        pending = outcome is None or isinstance(outcome, Received)
        if not disposition.is_receiver or (pending and not disposition.settled):
            return
        decided = Released() if outcome is None or isinstance(outcome, Received) else outcome
        first, last = disposition.first, disposition.last
        if last - first < len(self._unsettled):
            numbers = [number for number in range(first, last + 1) if number in self._unsettled]
        else:
            numbers = [number for number in self._unsettled if first <= number <= last]
        for number in numbers:
            self._answer(disposition, number, number, self._settle(number, decided))
        if not numbers:
            unknown = LockLost("The delivery is not known, or was settled before.")
            self._answer(disposition, first, last, Rejected(error_of(unknown)))

    def on_detach(self, detach: Detach) -> None:
        """The peer lets go of a link."""
        link = self._link(detach.handle)
        link.detach()
        del self._links[detach.handle]

    def close(self) -> None:
        """Give up every link."""
        for link in self._links.values():
            if not link.closed:
                link.close()
        self._links.clear()

    def _link(self, handle: int) -> Link:
        link = self._links.get(handle)
        if link is None:
            raise ProtocolError(
                f"no link is attached as {handle}", "amqp:session:unattached-handle"
            )
        return link

    def _flow(
        self, handle: int | None, delivery_count: int | None, credit: int | None, *, drain: bool
    ) -> Flow:
        return Flow(
            self._next_incoming_id,
            WINDOW,
            self._next_outgoing_id,
            WINDOW,
            handle,
            delivery_count,
            credit,
            drain,
        )

    def _release(self) -> None:
        while self._held_back and self._peer_window > 0:
            transfer, payload = self._held_back.popleft()
            self._peer_window -= 1
            self._next_outgoing_id += 1
            self._send(transfer, payload)

    def _settle(self, number: int, outcome: Outcome) -> Outcome:
        """Settle one delivery; returns the outcome to tell the peer.

        The echo of a rejection bears no error: azure-servicebus reads one as a settlement that
        failed.
        """
        link, token = self._unsettled.pop(number)
        try:
            link.queue.settle(token, _settlement(outcome), link.session_id)
        except Fault as fault:
            return Rejected(error_of(fault))
        return Rejected() if isinstance(outcome, Rejected) else outcome

    def _answer(self, disposition: Disposition, first: int, last: int, outcome: Outcome) -> None:
        if not disposition.settled:
            self.send(
                Disposition(
                    is_receiver=False, first=first, last=last, settled=True, outcome=outcome
                )
            )


def _settlement(outcome: Outcome) -> Settlement:
    match outcome:
        case Accepted():
            return Complete()
        case Rejected(error):
            info = error.info if error is not None else {}
            reason, description = (
                text if isinstance(text, str) else None
                for text in (info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription"))
            )
            return DeadLetter(reason, description)
        case Released() | Received():
            return Release()
        case Modified(undeliverable_here=True):
            return Defer()
        case Modified():
            return Abandon()
        case _:
            assert_never(outcome)
