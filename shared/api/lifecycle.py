"""Notices of Partner Center and lifecycle messages on the wire."""

import json
import logging
from datetime import UTC, datetime

from shared import telemetry
from shared.api.body import parse_json
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import SubscriptionId, is_guid
from shared.services.follow_subscription import Followed
from shared.services.receive_notice import Notice, ReceiveNotice

MAX_OPERATION_ID = 256
"""Mostly a GUID, but longer forms such as ``org:guid,guid`` have been seen."""


def webhook_response(receive: ReceiveNotice, request: Request) -> Response:
    """200 whatever the action is: an error would bring a flood of repetitions."""
    notice = parse_notice(request.body)
    known = receive(notice)
    telemetry.event(
        "notice_received",
        level=logging.INFO if known else logging.WARNING,
        subscription=notice.subscription,
        action=notice.action,
        known=known,
    )
    return Response(200, json.dumps({"queued": known}))


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


def parse_lifecycle_message(body: bytes) -> tuple[SubscriptionId, datetime]:
    """What the pipeline itself put into the queue."""
    document = json.loads(body)
    at = datetime.fromisoformat(document["at"]).astimezone(UTC)
    return SubscriptionId(document["subscription"]), at


def report_followed(followed: Followed) -> None:
    """Log what a look at a subscription found."""
    telemetry.event(
        "subscription_followed",
        subscription=followed.subscription,
        account=followed.account,
        before=followed.before,
        after=followed.after,
    )
