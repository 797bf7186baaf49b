"""Converts Service Bus messages to the form and metadata that Azure passes to a function."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from azure.servicebus import ServiceBusReceivedMessage

from local.host import protos

type Metadata = Mapping[str, protos.TypedData]


def one_message(message: ServiceBusReceivedMessage) -> tuple[protos.TypedData, Metadata]:
    """Value and metadata for a function of cardinality one; text where the body is UTF-8."""
    body = message_body(message)
    try:
        value = protos.TypedData(string=body.decode())
    except UnicodeDecodeError:
        value = protos.TypedData(bytes=body)
    metadata = {
        name: protos.TypedData(string=content)
        if isinstance(content, str)
        else protos.TypedData(json=_json(content))
        for name, content in _properties(message).items()
        if content is not None
    }
    return value, metadata


def many_messages(
    messages: Sequence[ServiceBusReceivedMessage],
) -> tuple[protos.TypedData, Metadata]:
    """Value and metadata for a function of cardinality many: one array a property."""
    bodies = [message_body(message) for message in messages]
    rows = [_properties(message) for message in messages]
    metadata = {f"{name}Array": _array(name, [row[name] for row in rows]) for name in rows[0]}
    return protos.TypedData(collection_bytes=protos.CollectionBytes(bytes=bodies)), metadata


def message_body(message: ServiceBusReceivedMessage) -> bytes:
    """The body's bytes; a body that is an AMQP value becomes JSON."""
    content: object = message.body
    if isinstance(content, bytes):
        return content
    try:
        return b"".join(message.body)
    except TypeError:
        return _json(content).encode()


def _properties(message: ServiceBusReceivedMessage) -> dict[str, object]:
    """Names of Microsoft Learn, "Azure Service Bus trigger", message metadata.

    The client counts earlier deliveries; the trigger counts this one too.
    """
    application = {
        _text(name): _text(value) for name, value in (message.application_properties or {}).items()
    }
    return {
        "MessageId": message.message_id,
        "SessionId": message.session_id,
        "DeliveryCount": (message.delivery_count or 0) + 1,
        "SequenceNumber": message.sequence_number,
        "EnqueuedSequenceNumber": message.enqueued_sequence_number,
        "EnqueuedTimeUtc": _moment(message.enqueued_time_utc),
        "ExpiresAtUtc": _moment(message.expires_at_utc),
        "LockedUntil": _moment(message.locked_until_utc),
        "LockToken": None if message.lock_token is None else str(message.lock_token),
        "CorrelationId": message.correlation_id,
        "ContentType": message.content_type,
        "Subject": message.subject,
        "Label": message.subject,
        "To": message.to,
        "ReplyTo": message.reply_to,
        "ReplyToSessionId": message.reply_to_session_id,
        "PartitionKey": message.partition_key,
        "ScheduledEnqueueTimeUtc": _moment(message.scheduled_enqueue_time_utc),
        "DeadLetterSource": message.dead_letter_source,
        "DeadLetterReason": message.dead_letter_reason,
        "DeadLetterErrorDescription": message.dead_letter_error_description,
        "ApplicationProperties": application,
        "UserProperties": application,
    }


def _array(name: str, values: list[object]) -> protos.TypedData:
    # The library parses a JSON array anew for every message; collections cost nothing. Only
    # UserPropertiesArray has to be JSON: the library counts the messages with it.
    if name == "UserProperties":
        return protos.TypedData(json=_json(values))
    return protos.TypedData(collection_string=protos.CollectionString(string=values))


def _moment(value: datetime | None) -> str | None:
    return None if value is None else f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"


def _text(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _json(value: object) -> str:
    return json.dumps(value, default=str)
