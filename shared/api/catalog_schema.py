"""The JSON Schema of the catalogue, so that editors complete and check the file."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.domain.catalog.catalog import Catalog

DIALECT = "https://json-schema.org/draft/2020-12/schema"

type Schema = dict[str, Any]


@cache
def catalog_schema() -> Schema:
    """JSON Schema 2020-12 of a catalogue document."""
    made = TypeAdapter(Catalog).json_schema(by_alias=True)
    schema: Schema = {"$schema": DIALECT, **made}
    tags: dict[str, str] = {}
    for node in list(_objects(schema)):
        _plain(node)
        discriminator = node.get("discriminator")
        if isinstance(discriminator, dict):
            tags |= dict.fromkeys(discriminator["mapping"].values(), discriminator["propertyName"])
    for reference, tag in tags.items():
        member = schema["$defs"][reference.rsplit("/", 1)[1]]
        member["required"] = sorted({*member.get("required", ()), tag})
    return {**schema, "title": "Catalogue"}


def known_fields(steps: tuple[int | str, ...]) -> list[str]:
    """Names that the object at ``steps`` of a document may have; tags of unions are steps too."""
    schema = catalog_schema()
    nodes = [schema]
    for step in steps:
        nodes = [inner for node in nodes for inner in _inside(_resolved(node, schema), step)]
    names: set[str] = set()
    for node in nodes:
        for found in _resolved(node, schema):
            names |= found.get("properties", {}).keys()
    return sorted(names)


def _resolved(node: Schema, schema: Schema) -> list[Schema]:
    """What a node stands for: references followed, alternatives listed."""
    if "$ref" in node:
        return _resolved(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    if "anyOf" in node:
        return [found for inner in node["anyOf"] for found in _resolved(inner, schema)]
    return [node]


def _inside(nodes: list[Schema], step: int | str) -> Iterator[Schema]:
    for node in nodes:
        mapping = node.get("discriminator", {}).get("mapping", {})
        if step in mapping:
            yield {"$ref": mapping[step]}
        elif isinstance(step, int):
            if isinstance(node.get("items"), dict):
                yield node["items"]
        elif step in node.get("properties", {}):
            yield node["properties"][step]


def _objects(node: object) -> Iterator[Schema]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from _objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _objects(inner)


def _plain(node: Schema) -> None:
    """Drop what helps nobody: titles that repeat names, and defaults with inner names."""
    if isinstance(node.get("default"), dict | list) or node.get("default", "") is None:
        del node["default"]
    if isinstance(node.get("title"), str):
        del node["title"]
    if isinstance(node.get("description"), str):
        node["description"] = " ".join(node["description"].replace("``", "`").split())
