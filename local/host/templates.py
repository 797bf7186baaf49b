"""Reads ASP.NET route templates, such as ``usage/{tenant}/{id:int?}``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.host.constraints import Check, ConstraintError, parse_constraint


class TemplateError(ValueError):
    """A route template cannot be read; the message holds the template."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``{…}`` of a template."""

    name: str
    checks: tuple[Check, ...]
    optional: bool
    catch_all: bool
    default: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """A template ready to match; ``precedence`` sorts the more specific template first.

    ``path`` is the lower-case path if the template has no parameter.
    """

    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]
    precedence: tuple[int, ...]
    path: str | None

    def match(self, path: str) -> Mapping[str, str] | None:
        """The route values of a decoded path without slashes at its ends, or None."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for position, parameter in enumerate(self.parameters, start=1):
            value = found[position] or parameter.default
            if value is None:
                continue
            if not all(check(value) for check in parameter.checks):
                return None
            values[parameter.name] = value
        return values


def parse_template(text: str) -> Template:
    """Read a route template; raises ``TemplateError``."""
    try:
        segments = [_parts(segment) for segment in _split(text.strip("/"), "/") if segment]
    except ConstraintError as error:
        raise TemplateError(f"route {text!r}: {error}") from error
    except ValueError as error:
        raise TemplateError(f"route {text!r}: braces do not match") from error
    parameters = [part for segment in segments for part in segment if isinstance(part, Parameter)]
    names = [parameter.name.lower() for parameter in parameters]
    if len(set(names)) != len(names):
        raise TemplateError(f"route {text!r}: a parameter is named twice")
    expression = ""
    for index, segment in enumerate(segments):
        expression += _expression(segment, first=index == 0, template=text)
        if _may_be_absent(segment) and index + 1 < len(segments):
            raise TemplateError(f"route {text!r}: only the last parameter may be absent")
    return Template(
        pattern=re.compile(expression, re.IGNORECASE | re.DOTALL),
        parameters=tuple(parameters),
        precedence=tuple(_precedence(segment) for segment in segments),
        path=None if parameters else "/".join(str(segment[0]).lower() for segment in segments),
    )


type _Part = str | Parameter


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside braces and parentheses; raises ``ValueError`` if unbalanced."""
    pieces = [""]
    depth = 0
    for character in text:
        depth += (character in "{(") - (character in "})")
        if character == separator and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    if depth != 0:
        raise ValueError("unbalanced")
    return pieces


def _parts(segment: str) -> list[_Part]:
    parts: list[_Part] = []
    position = 0
    while position < len(segment):
        if segment[position] != "{" or segment[position : position + 2] == "{{":
            end = _literal_end(segment, position)
            parts.append(segment[position:end].replace("{{", "{").replace("}}", "}"))
        else:
            end = _parameter_end(segment, position)
            parts.append(_parameter(segment[position + 1 : end - 1]))
        position = end
    return parts


def _literal_end(segment: str, start: int) -> int:
    position = start
    while position < len(segment):
        if segment[position : position + 2] in {"{{", "}}"}:
            position += 2
        elif segment[position] == "{":
            break
        else:
            position += 1
    return position


def _parameter_end(segment: str, start: int) -> int:
    position = start + 1
    while True:
        position = segment.index("}", position)
        if segment[position : position + 2] != "}}":
            return position + 1
        position += 2


def _parameter(text: str) -> Parameter:
    content = text.replace("{{", "{").replace("}}", "}")
    optional = content.endswith("?")
    stars = len(content) - len(content.lstrip("*"))
    head, *tail = _split(content.removesuffix("?")[stars:], ":")
    last, has_default, default = (tail[-1] if tail else head).partition("=")
    constraints = [*tail[:-1], last] if tail else []
    return Parameter(
        name=head if tail else last,
        checks=tuple(parse_constraint(constraint) for constraint in constraints),
        optional=optional,
        catch_all=stars > 0,
        default=default if has_default else None,
    )


def _may_be_absent(segment: list[_Part]) -> bool:
    part = segment[0]
    return isinstance(part, Parameter) and (
        part.optional or part.catch_all or part.default is not None
    )


def _expression(segment: list[_Part], *, first: bool, template: str) -> str:
    slash = "" if first else "/"
    if _may_be_absent(segment) and len(segment) == 1:
        part = segment[0]
        value = "(.*)" if isinstance(part, Parameter) and part.catch_all else "([^/]+)"
        return f"(?:{slash}{value})?"
    expression = slash
    for part in segment:
        if isinstance(part, str):
            expression += re.escape(part)
        elif part.optional or part.catch_all or part.default is not None:
            raise TemplateError(f"route {template!r}: {part.name} must be a whole segment")
        else:
            expression += "([^/]+)"
    return expression


def _precedence(segment: list[_Part]) -> int:
    part = segment[0]
    if len(segment) > 1:
        return 2
    if isinstance(part, str):
        return 1
    return (5 if part.catch_all else 3) - (1 if part.checks else 0)
