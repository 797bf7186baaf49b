"""The chronicle of subscriptions: every change is audited, and forwarded to the publisher."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.domain.audit import AuditEntry
from shared.domain.ids import AccountCode
from shared.domain.lifecycle.follow import Change
from shared.domain.lifecycle.subscription import Subscription
from shared.ports import AuditTrail, Message, Messages

QUEUE = "lifecycle"


@dataclass(frozen=True, slots=True)
class Chronicle:
    """Notes changes before they are stored: whoever then finds them stored has them noted, and
    whoever repeats them after a crash notes the same again, which is one entry and one event.
    """

    audit: AuditTrail
    messages: Messages
    forwarding: bool = False

    def changed(
        self,
        account: AccountCode,
        subscription: Subscription,
        changes: Iterable[Change],
        actor: str,
    ) -> None:
        """Note what changed of a subscription."""
        changes = tuple(changes)
        entries = [
            AuditEntry(
                account,
                change.at,
                actor,
                f"subscription.{change.what}",
                {
                    "subscription": subscription.id,
                    "before": change.before,
                    "after": change.after,
                },
            )
            for change in changes
        ]
        self.audit.append(entries)
        if self.forwarding and changes:
            self.messages.publish(
                QUEUE,
                [_forward(account, subscription, change) for change in changes],
            )

    def did(
        self,
        subject: str,
        at: datetime,
        actor: str,
        action: str,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Note what somebody did or asked for."""
        self.audit.append([AuditEntry(subject, at, actor, action, dict(detail or {}))])


def _forward(account: AccountCode, subscription: Subscription, change: Change) -> Message:
    """A message of the subscription's session. A try that fails makes another message, so that an
    endpoint that is down holds up nothing else."""
    event = {
        "type": f"subscription.{change.what}",
        "time": change.at.isoformat(),
        "account": account,
        "subscription": subscription.id,
        "offer": subscription.offer,
        "plan": subscription.plan,
        "quantity": subscription.quantity,
        "status": subscription.status.value,
        "before": change.before,
        "after": change.after,
        "answers": dict(subscription.answers),
    }
    text = json.dumps(event, sort_keys=True, ensure_ascii=False)
    identity = hashlib.sha256(text.encode()).hexdigest()[:32]
    body = json.dumps({"forward": {"id": identity, **event}, "attempt": 0}, ensure_ascii=False)
    return Message(body, session=str(subscription.id), id=identity)
