"""Notices of Partner Center and lifecycle messages on the wire."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shared import telemetry
from shared.api.body import parse_json
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import SubscriptionId, is_guid
from shared.services.follow_subscription import Followed
from shared.services.forward import Forward
from shared.services.handle_operation import HandleOperation, Task
from shared.services.receive_notice import Notice, ReceiveNotice

MAX_OPERATION_ID = 256
"""Mostly a GUID, but longer forms such as ``org:guid,guid`` have been seen."""


def webhook_response(receive: ReceiveNotice, request: Request) -> Response:
    """200 whatever the action is: an error would bring a flood of repetitions."""
    notice = parse_notice(request.body)
    received = receive(notice)
    operation, decision = received.operation, received.decision
    telemetry.event(
        "notice_received",
        level=logging.INFO if operation else logging.WARNING,
        subscription=notice.subscription,
        operation=notice.operation,
        action=operation.action if operation else notice.action,
        known=operation is not None,
        accepted=decision.accepted if decision else None,
        reason=(decision.reason or None) if decision else None,
    )
    document = {
        "known": operation is not None,
        "accepted": decision.accepted if decision else None,
        "reason": (decision.reason or None) if decision else None,
    }
    return Response(200, json.dumps(document))


def parse_notice(body: bytes) -> Notice:
    """The ids of a webhook's body; everything else in it is ignored, since new fields appear
    without notice (pc-saas-fulfillment-webhook). Raises ``InvalidInput``."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise InvalidInput("the notice must be a JSON object")
    faults: list[FieldError] = []
    operation = document.get("id")
    if not isinstance(operation, str) or not 0 < len(operation) <= MAX_OPERATION_ID:
        operation = ""
        faults.append(FieldError("/id", "must be the id of an operation"))
    subscription = _guid(document, "subscriptionId", faults)
    action = document.get("action")
    if faults:
        raise InvalidInput("the notice names no operation", faults)
    shown = action[:64] if isinstance(action, str) else ""
    return Notice(operation, SubscriptionId(subscription), shown)


def _guid(document: dict[object, object], name: str, faults: list[FieldError]) -> str:
    value = document.get(name)
    text = value.strip().lower() if isinstance(value, str) else ""
    if not is_guid(text):
        faults.append(FieldError(f"/{name}", "must be a GUID"))
    return text


@dataclass(frozen=True, slots=True)
class Forwarding:
    """A message that asks for an event to be forwarded."""

    event: Mapping[str, object]
    attempt: int


def parse_lifecycle_message(body: bytes) -> Task | Forwarding:
    """What the pipeline itself put into the queue."""
    document = json.loads(body)
    if "forward" in document:
        return Forwarding(document["forward"], document["attempt"])
    return Task(
        SubscriptionId(document["subscription"]),
        document["operation"],
        datetime.fromisoformat(document["at"]).astimezone(UTC),
        document["action"],
        document.get("plan", ""),
        document.get("attempt", 0),
    )


def handle_message(
    body: bytes, handle: Callable[[], HandleOperation], forward: Callable[[], Forward]
) -> None:
    """Do what a message asks for, and log what came of it."""
    match parse_lifecycle_message(body):
        case Task() as task:
            report_followed(handle()(task))
        case Forwarding(event, attempt):
            taken = forward()(event, attempt)
            telemetry.event(
                "event_forwarded",
                level=logging.INFO if taken else logging.WARNING,
                id=event["id"],
                type=event.get("type"),
                attempt=attempt,
                taken=taken,
            )


def report_followed(followed: Followed) -> None:
    """Log what a look at a subscription found."""
    telemetry.event(
        "subscription_followed",
        subscription=followed.subscription,
        account=followed.account,
        before=followed.before,
        after=followed.after,
        changes=",".join(followed.changes) or None,
    )
