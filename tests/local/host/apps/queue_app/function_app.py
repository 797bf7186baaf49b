"""Service Bus functions that remember what they got."""

import asyncio
import json
import logging
import typing

import azure.functions as func

log = logging.getLogger("sample")
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
seen: list[dict[str, object]] = []
running = 0
most_running = 0


@app.service_bus_queue_trigger(arg_name="msg", connection="Bus", queue_name="%ONE_QUEUE%")
async def on_one(msg: func.ServiceBusMessage) -> None:
    global most_running, running
    running += 1
    most_running = max(most_running, running)
    body = msg.get_body().decode("latin-1")
    seen.append(
        {
            "function": "one",
            "body": body,
            "id": msg.message_id,
            "deliveries": msg.delivery_count,
            "properties": msg.application_properties,
            "content_type": msg.content_type,
            "enqueued": None if msg.enqueued_time_utc is None else str(msg.enqueued_time_utc),
        }
    )
    try:
        if body == "boom":
            raise RuntimeError("failing on purpose")
        if body.startswith("slow"):
            await asyncio.sleep(float(body.split()[1]))
        seen.append({"function": "one-end", "body": body})
    finally:
        running -= 1


@app.service_bus_queue_trigger(
    arg_name="msgs", connection="Bus", queue_name="many", cardinality="many"
)
def on_many(
    msgs: typing.List[func.ServiceBusMessage],  # noqa: UP006 - the library refuses list[...]
) -> None:
    seen.append(
        {
            "function": "many",
            "bodies": [msg.get_body().decode() for msg in msgs],
            "deliveries": [msg.delivery_count for msg in msgs],
            "properties": [msg.application_properties for msg in msgs],
            "ids": [msg.message_id for msg in msgs],
        }
    )


@app.service_bus_queue_trigger(
    arg_name="msg", connection="Bus", queue_name="session", is_sessions_enabled=True
)
async def on_session(msg: func.ServiceBusMessage) -> None:
    body = msg.get_body().decode()
    seen.append({"function": "session", "session": msg.session_id, "body": body})
    if body.startswith("slow"):
        await asyncio.sleep(float(body.split()[1]))
    seen.append({"function": "session-end", "session": msg.session_id, "body": body})


@app.generic_trigger(
    arg_name="msg",
    type="serviceBusTrigger",
    connection="Bus",
    queueName="manual",
    autoCompleteMessages=False,
)
def on_manual(msg: str) -> None:
    seen.append({"function": "manual", "body": msg})


@app.route(route="send", methods=["POST"])
@app.service_bus_queue_output(arg_name="out", connection="Bus", queue_name="%ONE_QUEUE%")
def send(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.route(route="send-nowhere", trigger_arg_name="_req", methods=["POST"])
@app.service_bus_queue_output(arg_name="out", connection="Bus", queue_name="missing")
def send_nowhere(_req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set("lost")
    return func.HttpResponse(status_code=202)


@app.route(route="seen", trigger_arg_name="_req")
def list_seen(_req: func.HttpRequest) -> func.HttpResponse:
    log.debug("asked")
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route(route="most-running", trigger_arg_name="_req")
def show_most_running(_req: func.HttpRequest) -> str:
    return str(most_running)
