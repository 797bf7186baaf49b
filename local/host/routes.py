"""Finds the function for a method and a path."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from local.host.templates import Template, parse_template


@dataclass(frozen=True, slots=True)
class Route:
    """Where one HTTP function listens; no methods means every method."""

    function: str
    template: str
    methods: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """The function that answers, and its route values."""

    function: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrongMethod:
    """The path exists, but not with this method."""

    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoRoute:
    """No function listens on this path."""


type RouteResult = Found | WrongMethod | NoRoute

_NO_ROUTE = NoRoute()
_NO_VALUES: Mapping[str, str] = {}


class RouteTable:
    """All routes of one app, the most specific template first.

    A function that takes GET also gets HEAD, and a path that exists with other methods is
    told apart from one that does not exist; Azure answers 404 to both.
    """

    def __init__(self, routes: Iterable[Route], prefix: str) -> None:
        """Raises ``TemplateError`` for a template that cannot be read."""
        self._fixed: dict[str, list[Route]] = {}
        self._templates: list[tuple[Template, Route]] = []
        for route in routes:
            template = parse_template(f"{prefix}/{route.template.lstrip('/')}")
            if template.path is None:
                self._templates.append((template, route))
            else:
                self._fixed.setdefault(template.path, []).append(route)
        self._templates.sort(key=lambda entry: entry[0].precedence)

    def find(self, method: str, path: str) -> RouteResult:
        """``path`` is decoded and starts with a slash, as ``decode_path`` gives it."""
        trimmed = path.strip("/")
        allowed: set[str] = set()
        for route in self._fixed.get(trimmed.lower(), ()):
            if _accepts(route, method):
                return Found(route.function, _NO_VALUES)
            allowed |= route.methods
        for template, route in self._templates:
            values = template.match(trimmed)
            if values is None:
                continue
            if _accepts(route, method):
                return Found(route.function, values)
            allowed |= route.methods
        if not allowed:
            return _NO_ROUTE
        if "GET" in allowed:
            allowed.add("HEAD")
        return WrongMethod(tuple(sorted(allowed)))


def decode_path(raw: str) -> str:
    """Decode percent escapes of a path; an escaped slash stays escaped, as in Azure."""
    if "%" not in raw:
        return raw
    return unquote(raw.replace("%2F", "%252F").replace("%2f", "%252f"))


def _accepts(route: Route, method: str) -> bool:
    methods = route.methods
    return not methods or method in methods or (method == "HEAD" and "GET" in methods)
