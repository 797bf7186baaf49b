"""The catalogue on the wire: one YAML or JSON document, refused with every fault at once."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache

import yaml
from pydantic import TypeAdapter, ValidationError

from shared.api.body import YAML_TYPES, parse_json, require_type, well_formed
from shared.api.catalog_faults import shape_faults
from shared.api.catalog_yaml import MAX_DEPTH, MAX_VALUES, TOO_MANY, parse_yaml
from shared.api.convert import parse_time, time_text, to_json
from shared.api.objects import pointer
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.timeline import VersionHead
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.wire import Json, document_of
from shared.ports import CatalogVersion
from shared.services.catalog import Condition, Intent, PutCatalog

MERGE_PATCH = "application/merge-patch+json"

_HUGE = re.compile(r"[+-]?[\d._]*[eE][+-]?\d{3,}")
_ETAG = re.compile(r'"(\d{1,10})"')


@cache
def _adapter() -> TypeAdapter[Catalog]:
    return TypeAdapter(Catalog)


def parse_catalog(headers: Mapping[str, str], body: bytes) -> Catalog:
    """A catalogue from a request. Raises ``InvalidInput`` with every fault of its shape."""
    given = require_type(headers, "application/json", *YAML_TYPES)
    document = parse_yaml(body) if given in YAML_TYPES else parse_json(body)
    return catalog_of(document)


def catalog_of(document: object) -> Catalog:
    """A catalogue from parsed YAML or JSON. Raises ``InvalidInput`` with every fault."""
    _check_number(document)
    faults = list(_unusable(document, []))
    if not faults:
        try:
            return _adapter().validate_python(document)
        except ValidationError as exc:
            faults = shape_faults(exc)
    raise InvalidInput(f"the catalogue has {len(faults)} faults", faults)


def _check_number(document: object) -> None:
    """Refuse what would take seconds to find every fault of, of which nobody reads the most."""
    number, waiting = 0, [document]
    while waiting:
        match waiting.pop():
            case dict() as value:
                inner: list[object] = list(value.values())
            case list() as inner:
                pass
            case _:
                continue
        number += len(inner)
        if number > MAX_VALUES:
            raise InvalidInput(TOO_MANY)
        waiting += inner


def _unusable(value: object, steps: list[int | str]) -> Iterator[FieldError]:
    """Values that no type of ours should meet: bottomless ones, and numbers without measure."""
    if len(steps) > MAX_DEPTH:
        yield FieldError(pointer(steps), "is nested too deeply")
        return
    match value:
        case dict():
            for name, inner in value.items():
                if isinstance(name, str):
                    yield from _unusable(inner, [*steps, name])
                else:
                    message = f"the name {str(name)[:40]} is no text; put it in quotes"
                    yield FieldError(pointer(steps), message)
        case list():
            for index, inner in enumerate(value):
                yield from _unusable(inner, [*steps, index])
        case str() if len(value) < 64 and _HUGE.fullmatch(value):
            yield FieldError(pointer(steps), f"{value} is out of any useful range")
        case str():
            if not value.isascii() and not well_formed(value):
                yield FieldError(pointer(steps), "must be well-formed Unicode text")


def patched_catalog(headers: Mapping[str, str], body: bytes, current: CatalogVersion) -> Catalog:
    """The current catalogue with a JSON merge patch (RFC 7396) applied to its document.

    Raises ``InvalidInput`` with every fault of the result's shape.
    """
    require_type(headers, MERGE_PATCH, "application/json")
    patch = parse_json(body)
    faults = list(_unusable(patch, []))
    if faults:
        raise InvalidInput(f"the patch has {len(faults)} faults", faults)
    return catalog_of(merged(document_of(current.catalog), patch))


def merged(target: object, patch: object) -> object:
    """``target`` after a JSON merge patch: objects are merged, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def change_catalog(
    service: PutCatalog,
    catalog: Catalog,
    request: Request,
    by: str,
) -> Response:
    """Store a catalogue, or with ``dryRun=true`` show what that would change."""
    query = request.query
    given = query.get("effectiveFrom")
    intent = Intent(
        by,
        parse_time(given, "effectiveFrom") if given else None,
        dry_run=_flag(query, "dryRun"),
        withdraw=_flag(query, "withdraw"),
    )
    change = service(catalog, intent, condition_of(request.headers))
    document: dict[str, Json] = {
        **_head(change.version.head),
        "changes": _changes(change.version) if change.new else [],
        "reaggregated": [str(code) for code in change.reaggregated],
    }
    if intent.dry_run:
        return _response({"dryRun": True, "new": change.new, **document})
    if change.job is not None:
        document["reaggregation"] = change.job
    return _response({"new": change.new, **document}, change.version.number)


def condition_of(headers: Mapping[str, str]) -> Condition:
    """What ``If-Match`` says. Raises ``InvalidInput`` when it names no version."""
    given = headers.get("if-match", "").strip()
    if not given:
        return Condition()
    found = frozenset(int(number) for number in _ETAG.findall(given))
    if not found:
        raise InvalidInput('If-Match must be the ETag of the version that was read, such as "3"')
    return Condition(found)


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise InvalidInput(f"{name} must be true or false")
    return value == "true"


def catalog_document(catalog: Catalog) -> Json:
    """The catalogue as it would be sent."""
    return document_of(catalog)


def catalog_response(version: CatalogVersion, headers: Mapping[str, str] | None = None) -> Response:
    """A version with its number as ETag; as YAML, the document alone, for those who accept it."""
    if _accepts_yaml(headers or {}):
        text = yaml.dump(
            catalog_document(version.catalog),
            Dumper=yaml.CSafeDumper,
            sort_keys=False,
            allow_unicode=True,
        )
        return Response(200, text, _etag(version.number), "application/yaml")
    body = {**_head(version.head), "changes": _changes(version)}
    return _response({**body, "catalog": catalog_document(version.catalog)}, version.number)


def versions_response(heads: list[VersionHead]) -> Response:
    """Every version, newest first."""
    return _response({"versions": [_head(head) for head in heads]})


def version_number(text: str) -> int:
    """A number of a version in a path. Raises ``InvalidInput``."""
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise InvalidInput("a version is named by its number")
    return int(text)


def _head(head: VersionHead) -> dict[str, Json]:
    effective = None if head.effective_from is None else time_text(head.effective_from)
    created = time_text(head.created)
    return {"version": head.number, "created": created, "effectiveFrom": effective}


def _changes(version: CatalogVersion) -> Json:
    return [to_json(change) for change in version.changes]


def _accepts_yaml(headers: Mapping[str, str]) -> bool:
    accepted = headers.get("accept", "").lower()
    return any(kind in accepted for kind in YAML_TYPES)


def _etag(number: int) -> dict[str, str]:
    return {"ETag": f'"{number}"'}


def _response(document: Mapping[str, Json], number: int | None = None) -> Response:
    text = json.dumps(document, ensure_ascii=False)
    return Response(200, text, None if number is None else _etag(number))
