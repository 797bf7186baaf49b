"""What a function gets when it is run by hand through /admin/functions/{name}."""

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from local.host import protos
from local.host.bindings import HttpTrigger, QueueTrigger, TimerTrigger, Trigger
from local.host.cron import parse_schedule
from local.host.http import Request, to_typed_data
from local.host.timers import timer_info


def input_by_hand(
    trigger: Trigger, given: str, now: datetime
) -> tuple[protos.TypedData, Mapping[str, protos.TypedData]]:
    """Value and metadata of the trigger: ``given`` is the message's or the request's body."""
    match trigger:
        case TimerTrigger(schedule=schedule):
            return timer_info(parse_schedule(schedule), now, None), {}
        case HttpTrigger(route=route, methods=methods):
            method = "POST" if not methods or "POST" in methods else min(methods)
            headers = {"content-type": "application/json"}
            return to_typed_data(Request(method, f"/{route}", "", headers, given.encode()), {}), {}
        case QueueTrigger(many=True):
            bodies = protos.CollectionBytes(bytes=[given.encode()])
            properties = protos.TypedData(json="[{}]")
            return protos.TypedData(collection_bytes=bodies), {"UserPropertiesArray": properties}
        case QueueTrigger():
            return protos.TypedData(string=given), {"UserProperties": protos.TypedData(json="{}")}
        case _:
            assert_never(trigger)
