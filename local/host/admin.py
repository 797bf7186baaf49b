"""The host's own addresses under /admin: status, list of functions, running one by hand."""

import json
import time
from collections.abc import Callable, Mapping
from typing import assert_never

from local.host.bindings import HttpTrigger, QueueTrigger, TimerTrigger
from local.host.http import Request, Response
from local.host.runner import LoadedFunction

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FUNCTIONS = "/admin/functions"

# Starts a run in the background with the text given as its input.
type StartByHand = Callable[[LoadedFunction, str], None]


class Admin:
    """Answers like the Functions host, but only under loopback names, and runs only on JSON.

    The two conditions keep web pages from running functions through a browser on this machine.
    """

    def __init__(
        self, functions: Mapping[str, LoadedFunction], start_by_hand: StartByHand, prefix: str
    ) -> None:
        self._functions = functions
        self._by_lower_name = {name.lower(): entry for name, entry in functions.items()}
        self._start_by_hand = start_by_hand
        self._prefix = prefix
        self._began = time.monotonic()

    async def __call__(self, request: Request) -> Response:
        """Answer one request below /admin/."""
        host = request.headers.get("host", "")
        if host.rpartition(":")[0] not in _LOOPBACK and host not in _LOOPBACK:
            return _problem(403, f"{host} is no name of this machine's loopback address")
        path = request.path.rstrip("/")
        match request.method, path.lower():
            case "GET", "/admin/host/status":
                return _json(200, self._status())
            case "GET" | "POST", "/admin/host/ping":
                return Response(200)
            case "GET", "/admin/functions":
                return _json(
                    200, [self._describe(entry, host) for entry in self._functions.values()]
                )
            case (("GET" | "POST"), lower) if lower.startswith(f"{_FUNCTIONS}/"):
                return self._one_function(request, lower.removeprefix(f"{_FUNCTIONS}/"))
            case _:
                return Response(404)

    def _status(self) -> object:
        return {
            "id": "local",
            "state": "Running",
            "version": "4.0.0",
            "processUptime": round((time.monotonic() - self._began) * 1000),
            "functions": list(self._functions),
        }

    def _one_function(self, request: Request, name: str) -> Response:
        function = self._by_lower_name.get(name)
        if function is None:
            return Response(404)
        if request.method == "GET":
            return _json(200, self._describe(function, request.headers.get("host", "")))
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            return _problem(415, "send application/json")
        try:
            content = json.loads(request.body)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            return _problem(400, 'send an object such as {"input": ""}')
        given = content.get("input") or ""
        self._start_by_hand(function, given if isinstance(given, str) else json.dumps(given))
        return Response(202)

    def _describe(self, function: LoadedFunction, host: str) -> object:
        trigger = function.bindings.trigger
        description: dict[str, object] = {
            "name": function.name,
            "language": "python",
            "isDisabled": False,
            "config": {"bindings": [json.loads(text) for text in function.indexed.bindings]},
        }
        match trigger:
            case HttpTrigger(route=route, methods=methods):
                base = f"http://{host}/{self._prefix}".rstrip("/")
                description["invoke_url_template"] = f"{base}/{route.lstrip('/')}"
                description["trigger"] = {"type": "httpTrigger", "methods": sorted(methods)}
            case TimerTrigger(schedule=schedule):
                description["trigger"] = {"type": "timerTrigger", "schedule": schedule}
            case QueueTrigger(queue=queue):
                description["trigger"] = {"type": "serviceBusTrigger", "queueName": queue}
            case _:
                assert_never(trigger)
        return description


def _json(status: int, content: object) -> Response:
    return Response(status, ((b"content-type", b"application/json"),), json.dumps(content).encode())


def _problem(status: int, text: str) -> Response:
    return _json(status, {"error": text})
