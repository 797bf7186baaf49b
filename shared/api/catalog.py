"""The catalogue on the wire: one YAML or JSON document, refused with every fault at once."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from shared.api.body import YAML_TYPES, check_size, parse_json, require_type
from shared.api.convert import to_json
from shared.api.objects import faults_of
from shared.api.problem import Response
from shared.domain.catalog.catalog import Catalog
from shared.domain.errors import InvalidInput
from shared.domain.rating.models import CHARGE_TAGS
from shared.ports import CatalogVersion


class _ExactLoader(yaml.SafeLoader):
    """Safe YAML whose numbers are exact; aliases are refused, since they can blow up."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


def _exact_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    text = loader.construct_scalar(node).replace("_", "")
    try:
        number = Decimal(text)
    except InvalidOperation as exc:
        raise yaml.YAMLError(f"{text} is not a number that can be priced") from exc
    if not number.is_finite():
        raise yaml.YAMLError(f"{text} is not a number that can be priced")
    return number


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact_number)


@cache
def _adapter() -> TypeAdapter[Catalog]:
    return TypeAdapter(Catalog)


def parse_catalog(headers: Mapping[str, str], body: bytes) -> Catalog:
    """A catalogue from a request. Raises ``InvalidInput`` with every fault of its shape."""
    given = require_type(headers, "application/json", *YAML_TYPES)
    document = parse_yaml(body) if given in YAML_TYPES else parse_json(body)
    return catalog_of(document)


def parse_yaml(body: bytes) -> object:
    """The body's YAML value. Raises ``InvalidInput`` with the place of a fault."""
    check_size(body)
    try:
        document: object = yaml.load(body, _ExactLoader)  # noqa: S506 - a safe loader's child
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, ValueError) as exc:
        raise InvalidInput(f"malformed YAML: {exc}") from exc
    return document


def catalog_of(document: object) -> Catalog:
    """A catalogue from parsed YAML or JSON. Raises ``InvalidInput`` with every fault."""
    try:
        return _adapter().validate_python(document)
    except ValidationError as exc:
        faults = faults_of(exc, without=CHARGE_TAGS)
        raise InvalidInput(f"the catalogue has {len(faults)} faults", faults) from exc


def catalog_document(catalog: Catalog) -> Any:  # noqa: ANN401 - JSON has no narrower type here
    """The catalogue as plain JSON values, as it would be sent."""
    return _adapter().dump_python(catalog, mode="json", by_alias=True)


def catalog_response(version: CatalogVersion) -> Response:
    """A version with its number as ETag."""
    body = {
        "version": version.number,
        "created": to_json(version.created),
        "catalog": catalog_document(version.catalog),
    }
    return Response(200, json.dumps(body, ensure_ascii=False), {"ETag": f'"{version.number}"'})
