"""The door of every played API: faults, tokens, versions, the log, and broken connections."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.marketplace.connections import Connections
from local.marketplace.entra import Access
from local.marketplace.faults import BATCH_KINDS, Fault, FaultKind, Target
from local.marketplace.requestlog import Entry
from local.marketplace.simulator import Simulator
from local.marketplace.wire import API_VERSION, Call, Reply

type Handler = Callable[[Simulator, Call], Reply]

_UNANSWERED = frozenset(
    {
        FaultKind.TIMEOUT_BEFORE,
        FaultKind.TIMEOUT_AFTER,
        FaultKind.DROP_BEFORE,
        FaultKind.DROP_AFTER,
        FaultKind.DELAYED,
    }
)
_SILENT = frozenset({FaultKind.TIMEOUT_BEFORE, FaultKind.TIMEOUT_AFTER})
_HARMLESS = frozenset({FaultKind.TIMEOUT_AFTER, FaultKind.DROP_AFTER}) | BATCH_KINDS
_SECRETS = frozenset({"client_secret", "client_assertion"})


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of a request, whether or not the caller hears of it."""

    reply: Reply
    applied: bool
    rendered: bytes


def _effect(reply: Reply, *, applied: bool) -> Effect:
    return Effect(reply, applied, reply.rendered())


async def read(request: Request, simulator: Simulator) -> Call:
    """Read a request to its end and bring the simulator up to the present."""
    body = await request.body()
    return Call(
        method=request.method,
        path=request.url.path,
        base_url=simulator.base_url,
        now=simulator.tick(),
        params=request.path_params,
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=body,
    )


def respond(reply: Reply, extra: dict[str, str], rendered: bytes | None = None) -> Response:
    """The ASGI response of a reply, whose body may have been rendered already."""
    return Response(
        reply.rendered() if rendered is None else rendered,
        status_code=reply.status,
        headers={**extra, **reply.headers},
        media_type=None if reply.body is None else reply.media_type,
    )


class Gate:
    """An ASGI endpoint around one handler.

    Handlers are plain functions that run to their end on the event loop, so each request sees
    and leaves a consistent state without locks.
    """

    def __init__(
        self,
        simulator: Simulator,
        connections: Connections,
        target: Target,
        handler: Handler,
        afterwards: Callable[[], None],
    ) -> None:
        self._simulator = simulator
        self._connections = connections
        self._target = target
        self._handler = handler
        self._afterwards = afterwards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = await read(Request(scope, receive), self._simulator)
        number = self._simulator.log.next_number()
        fault = self._simulator.faults.draw(self._target, f"{call.method} {call.path}")
        ids = self._ids(call)
        effect = self._effect(call, fault, number)
        unanswered = fault is not None and fault.kind in _UNANSWERED
        self._log(number, call, effect, fault, answered=not unanswered)
        self._afterwards()
        if fault is None or not unanswered:
            await respond(effect.reply, ids, effect.rendered)(scope, receive, send)
            return
        if fault.kind in _SILENT:
            await _silence(receive, fault.seconds)
        await self._connections.cut(scope.get("client"))

    def _ids(self, call: Call) -> dict[str, str]:
        guid = self._simulator.noise.guid
        return {
            name: call.headers.get(name) or guid()
            for name in ("x-ms-requestid", "x-ms-correlationid")
        }

    def _effect(self, call: Call, fault: Fault | None, number: int) -> Effect:
        """Apply the request or not, as the fault decides, and find the answer."""
        if fault is None or fault.kind in _HARMLESS:
            return _effect(self._handle(replace(call, fault=fault)), applied=True)
        match fault.kind:
            case FaultKind.THROTTLE:
                wait = {"Retry-After": str(max(0, round(fault.seconds)))}
                return _effect(_failure(429, "TooManyRequests", wait), applied=False)
            case FaultKind.SERVER_ERROR:
                if fault.applied:
                    self._handle(call)
                return _effect(_failure(fault.status, "ServerError"), applied=fault.applied)
            case FaultKind.UNAUTHORIZED:
                return _effect(_failure(401, "Unauthorized"), applied=False)
            case FaultKind.FORBIDDEN:
                return _effect(_failure(403, "Forbidden"), applied=False)
            case FaultKind.DELAYED:
                self._postpone(call, fault, number)
        return _effect(Reply(0), applied=False)

    def _postpone(self, call: Call, fault: Fault, number: int) -> None:
        def apply(now: datetime) -> None:
            reply = self._handle(replace(call, now=now))
            self._log(
                number, replace(call, now=now), _effect(reply, applied=True), fault, answered=False
            )

        self._simulator.later(call.now + timedelta(seconds=fault.seconds), apply)

    def _handle(self, call: Call) -> Reply:
        if self._target is not Target.ENTRA:
            refusal = admit(self._simulator, call)
            if refusal is not None:
                return refusal
        return self._handler(self._simulator, call)

    def _log(
        self, number: int, call: Call, effect: Effect, fault: Fault | None, *, answered: bool
    ) -> None:
        is_entra = self._target is Target.ENTRA
        self._simulator.log.add(
            Entry(
                number=number,
                at=call.now,
                target=self._target,
                method=call.method,
                path=call.path,
                query=urlencode(call.query),
                request_id=call.headers.get("x-ms-requestid", ""),
                correlation_id=call.headers.get("x-ms-correlationid", ""),
                request=_public_form(call.body) if is_entra else call.body.decode(errors="replace"),
                status=effect.reply.status,
                response="" if is_entra else effect.rendered.decode(),
                fault=fault.kind if fault else None,
                answered=answered,
                applied=effect.applied,
            )
        )


def admit(simulator: Simulator, call: Call) -> Reply | None:
    """The refusal of a call without the right token or version; None lets it in."""
    match simulator.entra.admit(call.headers.get("authorization", "")):
        case Access.UNKNOWN:
            status = simulator.options.no_token_status
            return _failure(status, "Unauthorized" if status == 401 else "Forbidden")
        case Access.FORBIDDEN:
            return _failure(403, "Forbidden")
        case Access.GRANTED:
            pass
    version = next((v for name, v in call.query.items() if name.lower() == "api-version"), None)
    if version != API_VERSION:
        return Reply(400, {"code": "BadRequest", "message": f"api-version={API_VERSION} is needed"})
    return None


def _failure(status: int, code: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, {"code": code, "message": f"{code}."}, headers or {})


def _public_form(body: bytes) -> str:
    pairs = parse_qsl(body.decode(errors="replace"))
    return urlencode([(name, value) for name, value in pairs if name not in _SECRETS])


async def _silence(receive: Receive, seconds: float) -> None:
    """Say nothing until the caller hangs up, ``seconds`` of real time pass, or the server ends."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except (TimeoutError, asyncio.CancelledError):
        return
