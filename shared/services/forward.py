"""Forwards lifecycle events to the publisher's own endpoint, again until it takes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.errors import Rejected, UpstreamFailure
from shared.domain.finding import Finding, FindingKind
from shared.ports import Clock, Findings, Forwarder, Message, Messages

QUEUE = "lifecycle"

PAUSES = (
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 4, 8, 8)),
)
"""Between tries; after the last one people are told. About a day in all."""


@dataclass(frozen=True, slots=True)
class Forward:
    """One try; the next one is a message that the queue keeps back until then."""

    forwarder: Forwarder
    messages: Messages
    findings: Findings
    clock: Clock

    def __call__(self, event: Mapping[str, object], attempt: int) -> bool:
        """Whether the endpoint took the event. Raises what the queue raises."""
        identity = str(event["id"])
        body = json.dumps(event, sort_keys=True, ensure_ascii=False)
        try:
            self.forwarder.send(identity, body)
        except UpstreamFailure as failure:
            self._again(event, attempt, failure)
            return False
        self.findings.drop(FindingKind.NOT_FORWARDED, identity)
        return True

    def _again(self, event: Mapping[str, object], attempt: int, failure: UpstreamFailure) -> None:
        identity = str(event["id"])
        if attempt < len(PAUSES):
            body = json.dumps({"forward": event, "attempt": attempt + 1}, ensure_ascii=False)
            session = str(event.get("subscription", ""))
            message = Message(body, session, f"{identity}|{attempt + 1}", PAUSES[attempt])
            self.messages.publish(QUEUE, [message])
            return
        status = f" (HTTP {failure.status})" if isinstance(failure, Rejected) else ""
        detail = f"{event.get('type')} of {event.get('account')}: {failure.code}{status}"
        self.findings.note([Finding(FindingKind.NOT_FORWARDED, identity, detail, self.clock.now())])
