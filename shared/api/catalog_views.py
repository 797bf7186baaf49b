"""Parts of the catalogue for reading, by kind and code, with what they inherit and from where."""

import json
from collections.abc import Callable, Iterable, Mapping

from shared.api.problem import Response
from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import Plan, PlanTemplate
from shared.domain.catalog.resolve import resolved_template
from shared.domain.errors import NotFound
from shared.domain.wire import Json, document_of
from shared.ports import CatalogVersion

type View = Mapping[str, Json]


def _document(value: object) -> dict[str, Json]:
    document = document_of(value)
    if not isinstance(document, dict):
        raise TypeError("what has a code is an object")
    return document


def _plan(plan: Plan, catalog: Catalog) -> View:
    """Everything resolved; ``origins`` says of each field where it comes from."""
    resolved = catalog.plan(plan.code)
    document = _document(resolved)
    origins = document.pop("pricingOrigins", [])
    pricing = document["pricing"]
    if isinstance(pricing, list) and isinstance(origins, list):
        document["pricing"] = [
            {**price, "origin": origin} if isinstance(price, dict) else price
            for price, origin in zip(pricing, origins, strict=True)
        ]
    return document


def _template(template: PlanTemplate, catalog: Catalog) -> View:
    inherited = resolved_template(template, catalog.organization)
    used = [str(plan.code) for plan in catalog.plans if plan.template == template.code]
    return {
        **_document(template),
        "currency": inherited["currency"],
        "origins": {"currency": inherited["origin"]},
        "plans": [*used],
    }


def _measure(measure: Aggregation | CompoundAggregation, catalog: Catalog) -> View:
    kind = "compound" if isinstance(measure, CompoundAggregation) else "simple"
    return {**_document(measure), "kind": kind, "product": catalog.product_of(measure)}


def _measures(catalog: Catalog) -> Iterable[View]:
    yield from (_measure(simple, catalog) for simple in catalog.aggregations)
    yield from (_measure(compound, catalog) for compound in catalog.compound_aggregations)


_KINDS: Mapping[str, Callable[[Catalog], Iterable[View]]] = {
    "products": lambda catalog: map(_document, catalog.products),
    "meters": lambda catalog: map(_document, catalog.meters),
    "aggregations": _measures,
    "plantemplates": lambda catalog: (_template(t, catalog) for t in catalog.plan_templates),
    "plans": lambda catalog: (_plan(plan, catalog) for plan in catalog.plans),
}


def list_response(version: CatalogVersion, kind: str) -> Response:
    """All of a kind, in the document's order."""
    document = {kind: [*_KINDS[kind](version.catalog)], "version": version.number}
    return _response(document, version)


def item_response(version: CatalogVersion, kind: str, code: str) -> Response:
    """One of a kind. Raises ``NotFound``."""
    found = next((view for view in _KINDS[kind](version.catalog) if view["code"] == code), None)
    if found is None:
        raise NotFound(f"the catalogue has no such thing among its {kind}: {code[:64]}")
    return _response(found, version)


def _response(document: object, version: CatalogVersion) -> Response:
    text = json.dumps(document, ensure_ascii=False)
    return Response(200, text, {"ETag": f'"{version.number}"'})
