"""The catalogue on the wire: what is refused and how, patches, conditions, schema and views."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.api.catalog import (
    catalog_of,
    catalog_response,
    change_catalog,
    condition_of,
    merged,
    parse_catalog,
    patched_catalog,
    version_number,
    versions_response,
)
from shared.api.catalog_schema import catalog_schema, known_fields
from shared.api.catalog_views import item_response, list_response
from shared.api.catalog_yaml import MAX_VALUES, parse_yaml
from shared.api.problem import Response, UnsupportedMedia, problem
from shared.api.request import Request
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.validation import faults_of
from shared.domain.errors import (
    FieldError,
    InvalidInput,
    NotFound,
    PreconditionRequired,
    StaleVersion,
)
from shared.domain.wire import document_of
from tests.services.world import World

type Document = dict[str, Any]

SAMPLES = Path(__file__).parents[2] / "local" / "samples"
JSON = {"content-type": "application/json"}
YAML = {"content-type": "application/yaml"}
PATCH = {"content-type": "application/merge-patch+json"}


def document() -> Document:
    found: Document = yaml.safe_load((SAMPLES / "catalog.yaml").read_bytes())
    return found


def sample() -> Catalog:
    return parse_catalog(YAML, (SAMPLES / "catalog.yaml").read_bytes())


def faults(changed: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as raised:
        catalog_of(changed)
    return {fault.pointer: fault.message for fault in raised.value.fields}


def body(response: Response) -> Document:
    found: Document = json.loads(response.body)
    return found


# --- reading a document


def test_yaml_and_json_give_the_same() -> None:
    catalog = sample()
    assert faults_of(catalog) == ()
    text = json.dumps(document_of(catalog))
    assert parse_catalog(JSON, text.encode()) == catalog
    assert document_of(catalog_of(document_of(catalog))) == document_of(catalog)


def test_other_types_are_not_read() -> None:
    with pytest.raises(UnsupportedMedia):
        parse_catalog({"content-type": "text/csv"}, b"a,b")


def changed(path: list[str | int], value: object) -> Document:
    made = document()
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


CHARGE: list[str | int] = ["plans", 0, "pricing", 0, "charge"]
SHAPES: dict[str, tuple[list[str | int], object, str, str]] = {
    "a misspelled field": (
        ["plans", 0, "frequncy"], "MONTHLY", "/plans/0/frequncy", "did you mean frequency?"
    ),
    "a misspelled field of a charge": (
        [*CHARGE, "bands", 0, "unitPrize"], 1,
        "/plans/0/pricing/0/charge/bands/0/unitPrize", "did you mean unitPrice?",
    ),
    "a misspelled collection": (["plnas"], [], "/plnas", "did you mean plans?"),
    "an unknown field": (
        ["products", 0, "zzz"], 1, "/products/0/zzz", "known are code, custom, name"
    ),
    "a misspelled value": (
        ["meters", 0, "dataFields", 0, "category"], "MESURE",
        "/meters/0/dataFields/0/category", "'MEASURE'",
    ),
    "a misspelled model": (
        [*CHARGE, "model"], "TIERD", "/plans/0/pricing/0/charge", "did you mean TIERED?"
    ),
    "no model": (CHARGE, {"unitPrice": 1}, "/plans/0/pricing/0/charge", "needs model"),
    "no kind": (["plans", 0, "billing"], {}, "/plans/0/billing", "needs kind"),
    "a word for a number": (
        ["plans", 0, "billing", "unitPrice"], "cheap", "/plans/0/billing/unitPrice", "a number"
    ),
    "a truth for a number": (
        ["plans", 0, "billing", "unitPrice"], True, "/plans/0/billing/unitPrice", "a number"
    ),
    "part of an interval": (
        ["plans", 0, "interval"], Decimal("1.5"), "/plans/0/interval", "a whole number"
    ),
    "no date": (
        ["organization", "epoch"], "2026-02-30", "/organization/epoch", "such as 2026-12-01"
    ),
    "a number for a name": (["plans", 0, "name"], 7, "/plans/0/name", "in quotes"),
    "an object for a list": (["plans"], {}, "/plans", "must be a list"),
    "a list for an object": (["organization"], [], "/organization", "must be an object"),
    "nothing where a name must be": (["organization"], {}, "/organization/name", "is missing"),
    "a number beyond measure": (
        ["plans", 0, "billing", "unitPrice"], "1e999999999",
        "/plans/0/billing/unitPrice", "useful range",
    ),
    "a name that is a number": (
        ["organization", "custom"], {5: "x"}, "/organization/custom", "put it in quotes"
    ),
    "half a character": (["plans", 0, "name"], "\ud800", "/plans/0/name", "Unicode"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "pointer", "message"),
    [pytest.param(*case, id=name) for name, case in SHAPES.items()],
)
def test_shapes(path: list[str | int], value: object, pointer: str, message: str) -> None:
    found = faults(changed(path, value))
    assert list(found) == [pointer]
    assert message in found[pointer]


def test_every_fault_of_shape_is_told_at_once() -> None:
    made = changed(["organization"], {"nam": "x"})
    made["plans"][0]["interval"] = "x"
    assert list(faults(made)) == ["/organization/name", "/organization/nam", "/plans/0/interval"]


def test_nothing_is_followed_without_end() -> None:
    deep: object = "x"
    for _ in range(100):
        deep = [deep]
    assert list(faults({"organization": deep}).values()) == ["is nested too deeply"]


@pytest.mark.parametrize(
    "text",
    [
        b"a: &x [1]\nb: *x",
        b"a: 1.0e+999999",
        b"\xff",
        b"a: [",
        b"- " * 5000,
        b"a: .nan",
        b"a: 1\na: 2",
    ],
)
def test_yaml_that_is_not_read(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        catalog_of(parse_yaml(text))


# --- merge patches


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_cases_of_rfc_7396(target: object, patch: object, expected: object) -> None:
    assert merged(target, patch) == expected


def world_with(catalog: Catalog | None) -> World:
    return World(catalog=catalog)


def change(world: World, catalog: Catalog, if_match: str = "", **query: str) -> Response:
    headers = {"if-match": if_match} if if_match else {}
    request = Request("PUT", headers, query, {}, b"")
    return change_catalog(world.process.put_catalog, catalog, request, "ada")


def test_a_patch_changes_what_it_names() -> None:
    world = world_with(sample())
    current = world.process.put_catalog.current()
    patch = {"organization": {"name": "Fabrikam", "custom": {"rate": 2.5}}}
    catalog = patched_catalog(PATCH, json.dumps(patch).encode(), current)
    answer = body(change(world, catalog, '"1"'))
    assert answer["new"] is True
    assert answer["version"] == 2
    assert [c["path"] for c in answer["changes"]] == [
        "/organization/name", "/organization/custom/rate",
    ]  # fmt: skip
    assert catalog.plans == sample().plans


@pytest.mark.parametrize("patch", [{"organization": None}, {"plans": [{"code": "x"}]}, 5])
def test_a_patch_that_leaves_no_catalogue_is_refused(patch: object) -> None:
    current = world_with(sample()).process.put_catalog.current()
    with pytest.raises(InvalidInput):
        patched_catalog(PATCH, json.dumps(patch).encode(), current)


def test_a_document_of_too_many_values_is_refused_before_it_is_looked_into() -> None:
    ones = b"1," * (MAX_VALUES + 1) + b"1"
    json_too = {"content-type": "application/json"}
    for headers, body in (
        (YAML, b"organization: {name: x}\nproducts: [" + ones + b"]"),
        (json_too, b'{"organization": {"name": "x"}, "products": [' + ones + b"]}"),
    ):
        with pytest.raises(InvalidInput, match="at most 200,000 values") as raised:
            parse_catalog(headers, body)
        assert raised.value.fields == ()


@pytest.mark.parametrize("depth", [40, 1_500, 8_000])
def test_a_patch_without_a_bottom_is_refused(depth: int) -> None:
    current = world_with(sample()).process.put_catalog.current()
    patch = b'{"a":' * depth + b"1" + b"}" * depth
    with pytest.raises(InvalidInput):
        patched_catalog(PATCH, patch, current)


@pytest.mark.parametrize("text", ["010", "1:30", "0x10", "0b11", "-010", "1" * 41])
def test_integers_that_are_not_what_they_seem_are_refused(text: str) -> None:
    document = f"organization: {{name: x, custom: {{a: {text}}}}}"
    with pytest.raises(InvalidInput, match="plain decimal digits"):
        parse_catalog(YAML, document.encode())


@pytest.mark.parametrize(("text", "number"), [("10", 10), ("-7", -7), ("+1_000", 1000), ("0", 0)])
def test_integers_are_what_they_seem(text: str, number: int) -> None:
    document = f"organization: {{name: x, custom: {{a: {text}}}}}"
    assert parse_catalog(YAML, document.encode()).organization.custom == {"a": number}


# --- changing


def test_the_first_put_needs_no_condition() -> None:
    world = world_with(None)
    response = change(world, sample())
    assert response.headers == {"ETag": '"1"'}
    assert body(response) == {
        "new": True,
        "version": 1,
        "created": "2026-03-02T10:00:00Z",
        "effectiveFrom": None,
        "changes": [],
        "reaggregated": [],
    }


def test_conditions_on_the_wire() -> None:
    world = world_with(sample())
    for if_match, error, status in (
        ("", PreconditionRequired, 428),
        ('"2"', StaleVersion, 412),
        ("*", InvalidInput, 400),
        ('W/"x"', InvalidInput, 400),
    ):
        with pytest.raises(error) as raised:
            change(world, sample(), if_match)
        assert problem(raised.value).status == status
    assert condition_of({"if-match": '"3", "5"'}).numbers == frozenset([3, 5])


def test_a_dry_run_shows_and_stores_nothing() -> None:
    world = world_with(sample())
    other = catalog_of(changed(["plans", 0, "interval"], 2))
    response = change(world, other, '"1"', dryRun="true", effectiveFrom="2026-03-05T00:00:00Z")
    shown = body(response)
    assert shown["dryRun"] is True
    assert shown["effectiveFrom"] == "2026-03-05T00:00:00Z"
    assert shown["changes"] == [
        {"op": "add", "path": "/plans/standard/interval", "from": None, "to": 2}
    ]
    assert response.headers is None
    assert world.process.put_catalog.current().number == 1
    with pytest.raises(InvalidInput):
        change(world, other, '"1"', dryRun="maybe")
    with pytest.raises(InvalidInput):
        change(world, other, '"1"', effectiveFrom="tomorrow")


def test_all_faults_of_meaning_at_once_on_the_wire() -> None:
    made = changed(["plans", 0, "product"], "ai-apj")
    made["plans"][1]["interval"] = 0
    with pytest.raises(InvalidInput) as raised:
        change(world_with(None), catalog_of(made))
    found = body(problem(raised.value))["errors"]
    assert [fault["pointer"] for fault in found] == ["/plans/0/product", "/plans/1/interval"]
    assert "did you mean ai-api?" in found[0]["message"]


def test_versions_on_the_wire() -> None:
    world = world_with(sample())
    other = catalog_of(changed(["plans", 0, "interval"], 2))
    change(world, other, '"1"')
    service = world.process.put_catalog
    assert [v["version"] for v in body(versions_response(service.heads()))["versions"]] == [2, 1]
    old = catalog_response(service.version(version_number("1")))
    assert old.headers == {"ETag": '"1"'}
    back = catalog_of(body(old)["catalog"])
    assert body(change(world, back, '"2"'))["version"] == 3
    for text in ("x", "-1", "1" * 11, "²"):
        with pytest.raises(InvalidInput):
            version_number(text)


def test_a_version_is_shown_as_yaml_to_those_who_accept_it() -> None:
    current = world_with(sample()).process.put_catalog.current()
    shown = catalog_response(current, {"accept": "application/yaml"})
    assert shown.content_type == "application/yaml"
    assert parse_catalog(YAML, shown.body.encode()) == sample()


# --- reading parts


TEMPLATED: Document = {
    "organization": {"name": "contoso"},
    "products": [{"code": "ai"}],
    "meters": [
        {"code": "m", "product": "ai", "dataFields": [{"code": "n", "category": "MEASURE"}]}],
    "aggregations": [{"code": "a", "meter": "m", "type": "SUM", "field": "n"}],
    "compoundAggregations": [{"code": "c", "expression": "a * 2"}],
    "planTemplates": [{"code": "t", "frequency": "WEEKLY", "pricing": [
        {"aggregation": "a", "charge": {"model": "PER_UNIT", "unitPrice": 1}}]}],
    "plans": [{"code": "p", "product": "ai", "template": "t", "interval": 2, "pricing": [
        {"aggregation": "c", "charge": {"model": "PER_UNIT", "unitPrice": 2}}]}],
}  # fmt: skip


def test_a_plan_is_shown_with_all_that_it_inherits_and_from_where() -> None:
    current = world_with(catalog_of(TEMPLATED)).process.put_catalog.current()
    plan = body(item_response(current, "plans", "p"))
    assert (plan["frequency"], plan["interval"], plan["currency"]) == ("WEEKLY", 2, "USD")
    origins: Mapping[str, str] = plan["origins"]
    assert (origins["frequency"], origins["interval"], origins["currency"]) == (
        "template", "plan", "organization",
    )  # fmt: skip
    assert [(p["aggregation"], p["origin"]) for p in plan["pricing"]] == [
        ("a", "template"), ("c", "plan"),
    ]  # fmt: skip
    template = body(item_response(current, "plantemplates", "t"))
    assert (template["currency"], template["plans"]) == ("USD", ["p"])


def test_parts_are_listed_by_kind() -> None:
    current = world_with(catalog_of(TEMPLATED)).process.put_catalog.current()
    for kind, codes in {
        "products": ["ai"],
        "meters": ["m"],
        "aggregations": ["a", "c"],
        "plantemplates": ["t"],
        "plans": ["p"],
    }.items():
        listed = body(list_response(current, kind))[kind]
        assert [item["code"] for item in listed] == codes
    kinds = [(a["kind"], a["product"]) for a in body(list_response(current, "aggregations"))[
        "aggregations"]]  # fmt: skip
    assert kinds == [("simple", "ai"), ("compound", None)]
    with pytest.raises(NotFound):
        item_response(current, "plans", "x")


# --- the schema


def test_the_schema_describes_the_document() -> None:
    schema = catalog_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["organization"]
    assert set(schema["properties"]) == set(known_fields(()))
    tiered = schema["$defs"]["Tiered"]
    assert "model" in tiered["required"]
    assert "up_to" not in json.dumps(schema["properties"])
    assert "usage_discount" not in json.dumps({n: d.get("properties") for n, d in
                                               schema["$defs"].items()})  # fmt: skip


def test_the_sample_fits_the_schema() -> None:
    """A small check of our own: every name and every tag of the sample is in the schema."""

    def walk(value: object, steps: tuple[int | str, ...]) -> None:
        if isinstance(value, dict):
            known = known_fields(steps)
            for name, inner in value.items():
                assert name in known, (steps, name)
                tag = inner.get("model") or inner.get("kind") if isinstance(inner, dict) else None
                walk(inner, (*steps, name, tag) if tag else (*steps, name))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, (*steps, index))

    walk(document(), ())


def test_fault_messages_are_escaped_pointers() -> None:
    assert FieldError("/organization/a~1b", "is not a field here").pointer in faults(
        {"organization": {"name": "x", "a/b": 1}}
    )
