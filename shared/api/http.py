"""From an HTTP trigger to a handler and back: one place for errors and correlation."""

import logging
import uuid
from collections.abc import Callable

import azure.functions as func

from shared import telemetry
from shared.api.problem import Response, broken, problem
from shared.api.request import Request
from shared.domain.errors import MeteringError

_LOGGER = logging.getLogger("metering")

type Handler = Callable[[Request], Response]

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def respond(req: func.HttpRequest, handle: Handler) -> func.HttpResponse:
    """Run ``handle`` and turn whatever happens into a response, never into a stack trace."""
    request = Request(
        method=req.method,
        headers={name.lower(): value for name, value in req.headers.items()},
        query=dict(req.params),
        route=dict(req.route_params),
        body=req.get_body(),
    )
    token = telemetry.correlation.set(request.correlation or str(uuid.uuid4()))
    try:
        path = req.url.split("?")[0]
        response = _outcome(path, request, handle)
        try:
            return _rendered(response)
        except Exception:
            _LOGGER.exception("event=response_broken path=%s", path)
            return _rendered(broken())
    finally:
        telemetry.correlation.reset(token)


def _rendered(response: Response) -> func.HttpResponse:
    headers = {
        **SECURITY_HEADERS,
        "x-ms-correlationid": telemetry.correlation.get(),
        **(response.headers or {}),
    }
    return func.HttpResponse(
        response.body,
        status_code=response.status,
        headers=headers,
        mimetype=response.content_type,
        charset="utf-8",
    )


def _outcome(path: str, request: Request, handle: Handler) -> Response:
    try:
        return handle(request)
    except MeteringError as exc:
        response = problem(exc)
        level = logging.WARNING if response.status >= 500 else logging.INFO
        telemetry.event(
            "request_refused",
            level=level,
            path=path,
            status=response.status,
            code=exc.code,
            detail=str(exc),
        )
        return response
    except Exception:
        _LOGGER.exception("event=request_broken path=%s", path)
        return broken()
