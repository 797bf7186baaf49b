"""Converts HTTP requests to the library's form and its answers to HTTP responses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import parse_qsl, quote

from local.host import protos

_TEXT = "text/plain; charset=utf-8"
# The server writes these itself; a second value would break the connection.
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})
_SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


class ResponseError(Exception):
    """A function's answer cannot be sent over HTTP."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete with its body; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def join_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Repeated headers become one value with commas, as the Functions host passes them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def join_query(query: str) -> dict[str, str]:
    """Repeated keys, compared without case, become one value with commas; empty ones go."""
    if not query:
        return {}
    values: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for key, value in parse_qsl(query, separator="&"):
        name = spelling.setdefault(key.lower(), key)
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def to_typed_data(request: Request, route_values: Mapping[str, str]) -> protos.TypedData:
    """The request as the library expects it."""
    query = f"?{request.query}" if request.query else ""
    host = request.headers.get("host", "127.0.0.1")
    return protos.TypedData(
        http=protos.RpcHttp(
            method=request.method,
            url=f"http://{host}{request.path}{query}",
            headers=request.headers,
            params=route_values,
            query=join_query(request.query),
            body=protos.TypedData(bytes=request.body),
        )
    )


def to_response(value: protos.TypedData | None) -> Response:
    """The response for what a function returned; raises ``ResponseError``."""
    if value is None:
        return Response(204)
    kind = value.WhichOneof("data")
    content = getattr(value, kind)
    if kind == "http":
        return _from_rpc(content)
    if kind == "json":
        return Response(200, ((b"content-type", b"application/json"),), content.encode())
    body = content if isinstance(content, bytes) else str(content).encode()
    return Response(200, ((b"content-type", _TEXT.encode()),), body)


def _from_rpc(answer: protos.RpcHttp) -> Response:
    status = int(answer.status_code)
    if not 200 <= status <= 599:
        raise ResponseError(f"status {status} is not between 200 and 599")
    headers = [
        _header(name, value)
        for name, value in answer.headers.items()
        if name.lower() not in _OWN_HEADERS
    ]
    headers += [_header("set-cookie", _cookie(cookie)) for cookie in answer.cookies or ()]
    has_body = status not in (204, 205, 304)
    return Response(status, tuple(headers), _body(answer.body) if has_body else b"")


def _body(value: protos.TypedData | None) -> bytes:
    if value is None:
        return b""
    content = getattr(value, value.WhichOneof("data"))
    return content if isinstance(content, bytes) else str(content).encode()


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if any(character in "\r\n\0" for character in f"{name}{value}"):
        raise ResponseError(f"header {name!r} holds a line break")
    try:
        return name.lower().encode("ascii"), value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ResponseError(f"header {name!r} holds characters HTTP cannot carry") from error


def _cookie(cookie: protos.RpcHttpCookie) -> str:
    """RFC 6265, section 4.1; the value is escaped as ASP.NET escapes it."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.expires is not None:
        parts.append(f"expires={formatdate(cookie.expires.value.seconds, usegmt=True)}")
    if cookie.max_age is not None:
        parts.append(f"max-age={int(cookie.max_age.value)}")
    for name, text in (("domain", cookie.domain), ("path", cookie.path)):
        if text is not None and text.value:
            parts.append(f"{name}={text.value}")
    if cookie.secure is not None and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site in _SAME_SITE:
        parts.append(f"samesite={_SAME_SITE[cookie.same_site]}")
    if cookie.http_only is not None and cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)
