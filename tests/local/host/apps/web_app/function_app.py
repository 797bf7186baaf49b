"""HTTP functions that show what reaches them."""

import asyncio
import json
import logging
import os
import threading
from pathlib import Path

import azure.functions as func
import azure_functions_runtime as runtime

log = logging.getLogger("sample")
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
meeting = threading.Barrier(2, timeout=20)
arrivals: list[asyncio.Event] = []
uploads: list[int] = []
print("printed while loading")


@app.route(route="echo/{tenant}/{id:int?}", methods=["GET", "POST"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    shown = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "headers": dict(req.headers),
        "body": req.get_body().decode("latin-1"),
        "function": context.function_name,
        "trace": context.trace_context.trace_parent,
    }
    return func.HttpResponse(json.dumps(shown), status_code=201, mimetype="application/json")


@app.route(route="files/{*path}")
def files(req: func.HttpRequest) -> str:
    return f"path={req.route_params.get('path', '')}"


@app.route(route="mirror", methods=["POST"])
def mirror(req: func.HttpRequest) -> func.HttpResponse:
    uploads.append(len(req.get_body()))
    return func.HttpResponse(req.get_body(), mimetype="application/octet-stream")


@app.route(route="uploads", trigger_arg_name="_req")
def count_uploads(_req: func.HttpRequest) -> str:
    return str(len(uploads))


@app.route(route="latin", trigger_arg_name="_req")
def latin(_req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("é", charset="latin-1", mimetype="text/plain")


@app.route(route="cookies", trigger_arg_name="_req")
def cookies(_req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse("")
    answer.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly; SameSite=Lax; Max-Age=60")
    answer.headers.add("Set-Cookie", "b=2; Secure")
    return answer


@app.route(route="fail", trigger_arg_name="_req")
def fail(_req: func.HttpRequest) -> str:
    log.warning("about to fail")
    raise ValueError("failing on purpose")


@app.route(route="bad-header", trigger_arg_name="_req")
def bad_header(_req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse("x")
    answer.headers["x-note"] = "\N{SNOWMAN}"
    return answer


@app.route(route="no-content", trigger_arg_name="_req")
def no_content(_req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)


@app.generic_trigger(arg_name="_req", type="httpTrigger", route="silent")
def silent(_req: func.HttpRequest) -> None:
    log.info("no answer")


@app.route(route="meet", trigger_arg_name="_req")
def meet(_req: func.HttpRequest) -> str:
    meeting.wait()
    return "met"


@app.route(route="meet-async", trigger_arg_name="_req")
async def meet_async(_req: func.HttpRequest) -> str:
    mine = asyncio.Event()
    arrivals.append(mine)
    if len(arrivals) == 2:
        for event in arrivals:
            event.set()
    await asyncio.wait_for(mine.wait(), 20)
    return "met"


@app.route(route="sleep")
async def sleep(req: func.HttpRequest) -> str:
    log.info("sleeping")
    await asyncio.sleep(float(req.params["seconds"]))
    return "slept"


@app.route(route="block")
def block(req: func.HttpRequest) -> str:
    log.info("blocking")
    threading.Event().wait(float(req.params["seconds"]))
    return "blocked"


@app.route(route="settings", trigger_arg_name="_req")
def settings(_req: func.HttpRequest) -> func.HttpResponse:
    names = ("GREETING", "ALREADY_SET")
    pool = runtime.get_threadpool_executor()
    shown = {name: os.environ.get(name) for name in names}
    return func.HttpResponse(
        json.dumps({**shown, "threads": pool._max_workers, "folder": str(Path.cwd())}),
        mimetype="application/json",
    )


@app.route(route="log", trigger_arg_name="_req")
def write_log(_req: func.HttpRequest) -> str:
    print("printed by a function")
    log.debug("debug record")
    log.info("two\nlines")
    return "logged"


@app.route(route="switched-off", trigger_arg_name="_req")
def switched_off(_req: func.HttpRequest) -> str:
    return "on"


@app.blob_trigger(arg_name="_blob", path="x/{name}", connection="X")
def unsupported(_blob: func.InputStream) -> None:
    log.info("never runs here")
