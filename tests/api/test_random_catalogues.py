"""Random catalogues: taken whole or refused with reasons, never a crash, never half understood.

``CATALOGUES=10000`` in the environment asks for more of them than a usual run has time for.
"""

import copy
import json
import os
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shared.api.catalog import catalog_of, merged
from shared.api.objects import pointer
from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.changes import changes_between
from shared.domain.catalog.timeline import Timeline
from shared.domain.catalog.validation import faults_of
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import AccountCode, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.rating.rate import plan_rating, rate
from shared.domain.wire import document_of
from shared.storage.mapping import from_stored, to_stored

EXAMPLES = int(os.environ.get("CATALOGUES", "1000"))
START, NOW = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)

type Document = dict[str, Any]

codes = st.sampled_from(["a", "b", "c", "ai", "x-1", "a.b"])
fields = st.sampled_from(["n", "m", "model", "region", "derived", "custom.k"])
numbers = st.one_of(
    st.integers(-2, 2000),
    st.decimals("-1", "100", places=3),
    st.sampled_from(["0.01", "5", "1e-3", "1e30", "x", "", "-0", "NaN"]),
)
prices = st.one_of(st.integers(0, 50), st.decimals(0, 10, places=4), numbers)
words = st.sampled_from(["", "x", "größe 🎈", "1", "custom.k", "a" * 600, "\x00", "*"])
texts = st.one_of(words, st.text(max_size=8))
dates = st.sampled_from(["2026-01-01", "2026-03-15", "2026-04-01", date(2026, 3, 9), "x", 5])
segments = st.dictionaries(st.sampled_from(["model", "region", "n"]), st.sampled_from(
    ["*", "big", "", "eu"]), max_size=2)  # fmt: skip
frequencies = st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "ANNUALLY", "NEVER"])
customs = st.dictionaries(st.sampled_from(["k", "rate", "a b"]), st.one_of(numbers, texts))
expressions = st.one_of(
    st.sampled_from(
        ["n * 2", "m + n", "1 / n", "if(n > 1, n, 0)", "custom.k * n", "model", "a + b", "`x-1`",
         "a / b", "c", "coalesce(m, 0)", "n +", "((((", "a ^ 99999", "round(a, 2)", "'x'"]
    ),
    st.text(alphabet="nmab+-*/()'`.,<>=!? 0123456789^%", max_size=12),
)  # fmt: skip


def some(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Document]:  # noqa: ANN401 - strategies of anything
    return st.fixed_dictionaries(required, optional=optional)


def listed(of: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, max_size=most)


bands = listed(some({}, unitPrice=prices, upTo=numbers, fixedPrice=prices))
charges = st.one_of(
    some({"model": st.just("PER_UNIT"), "unitPrice": prices}),
    some({"model": st.sampled_from(["TIERED", "VOLUME"]), "bands": bands}),
    some({"model": st.just("STAIRSTEP"), "bands": listed(
        some({}, fixedPrice=prices, upTo=numbers))}),
    some({"model": st.just("PACKAGE"), "bands": listed(
        some({"size": numbers, "price": prices}, upTo=numbers))}),
    some({"model": st.just("PERCENTAGE"), "bands": listed(some({"percent": prices}, upTo=numbers))},
         minimumPerEvent=prices, fixedPerEvent=prices),
    some({"model": st.sampled_from(["CUSTOM", "TIERD"])}),
)  # fmt: skip
terms = some({}, usageDiscount=prices, included=prices, percentDiscount=prices, maximum=prices,
             minimum=prices, overage=some({"beyond": numbers, "charge": charges}))  # fmt: skip
pricing = some({"aggregation": codes, "charge": charges}, segment=segments, terms=terms,
               description=texts, kind=st.sampled_from(["DEBIT", "GLOBAL_CREDIT", "x"]),
               **{"from": dates})  # fmt: skip
included = some({}, monthly=numbers, term=numbers)
billing = st.one_of(
    some({"kind": st.just("AMOUNT")}, dimension=st.one_of(codes, texts), unitPrice=prices,
         included=included),
    some({"kind": st.just("QUANTITY")},
         dimensions=listed(some({"id": codes, "aggregation": codes}, included=included)),
         waterfalls=listed(some({"aggregation": codes, "steps": listed(
             some({"id": codes}, upTo=numbers))}))),
)  # fmt: skip
due = some({}, amount=prices, dimension=codes, quantity=numbers)
scheduled = some({"kind": st.sampled_from(["UPFRONT", "MILESTONE", "RECURRING"]), "code": codes,
                  "due": due}, on=dates, afterDays=numbers,
                 every=st.sampled_from(["DAILY", "HOURLY"]))  # fmt: skip
common = {
    "name": texts, "frequency": frequencies, "interval": numbers, "currency": texts,
    "pricing": listed(pricing), "billing": billing, "custom": customs,
    "standingCharge": some({"amount": prices}, interval=numbers, offset=numbers),
    "minimumSpend": some({"amount": prices}), "freeTrial": some({"days": numbers}),
    "charges": listed(scheduled, 2),
}  # fmt: skip
rarely = st.integers(0, 9)


BASE: Document = {
    "organization": {"name": "contoso", "custom": {"k": 2}},
    "products": [{"code": "ai"}],
    "meters": [
        {
            "code": "m",
            "product": "ai",
            "dataFields": [
                {"code": "n", "category": "MEASURE"},
                {"code": "m", "category": "COST", "required": False},
                {"code": "model", "category": "WHAT", "required": False},
                {"code": "region", "category": "WHERE", "required": False},
            ],
        }
    ],
    "aggregations": [
        {"code": "a", "meter": "m", "type": "SUM", "field": "n"},
        {"code": "b", "meter": "m", "type": "COUNT"},
    ],
}

aggregations = some(
    {
        "code": codes,
        "meter": st.sampled_from(["m", "x"]),
        "type": st.sampled_from(["SUM", "UNIQUE", "LATEST", "MEAN", "MAX", "SUMM"]),
    },
    field=fields,
    rounding=st.sampled_from(["UP", "NONE", "DOWN"]),
    quantityPerUnit=numbers,
    defaultValue=numbers,
    segmentedFields=listed(fields, 2),
    segments=listed(segments),
)
compounds = some({"code": codes, "expression": expressions}, quantityPerUnit=numbers)
plans = some(
    {"code": codes, "product": st.sampled_from(["ai", "ai", "aj"])},
    **common,
    template=codes,
    marketplace=listed(some({"offer": codes, "plan": codes}), 2),
)
derived = some(
    {"code": fields, "expression": expressions},
    category=st.sampled_from(["MEASURE", "WHAT", "COST"]),
)
organizations = some(
    {},
    timeZone=texts,
    currency=texts,
    epoch=dates,
    custom=customs,
    exchangeRates=listed(some({"currency": texts, "rate": numbers, "from": dates})),
)


@st.composite
def wild_documents(draw: st.DrawFn) -> Document:
    """A good catalogue to which random parts are added."""
    made = copy.deepcopy(BASE)
    made["meters"][0]["derivedFields"] = draw(listed(derived, 2))
    made["aggregations"] += draw(listed(aggregations, 2))
    made["compoundAggregations"] = draw(listed(compounds, 2))
    made["plans"] = draw(listed(plans, 2))
    made["planTemplates"] = draw(listed(some({"code": codes}, **common, product=codes), 1))
    if not draw(rarely):
        made["organization"] |= draw(organizations)
    if not draw(rarely):
        made[draw(texts)] = draw(st.one_of(numbers, texts, st.none()))
    return made


good_prices = st.one_of(st.integers(0, 50), st.decimals(0, 10, places=6))
good_bands = st.builds(
    lambda bounds, cost: [*({"upTo": b, "unitPrice": cost} for b in sorted(bounds)), {}],
    st.sets(st.integers(1, 999), max_size=3),
    good_prices,
)
good_charges = st.one_of(
    some({"model": st.just("PER_UNIT"), "unitPrice": good_prices}),
    some({"model": st.sampled_from(["TIERED", "VOLUME"]), "bands": good_bands}),
)
good_terms = some({}, included=good_prices, percentDiscount=good_prices, minimum=good_prices)


@st.composite
def tame_documents(draw: st.DrawFn) -> Document:
    """Catalogues that are mostly right: with formulas, segments, templates and dated prices."""
    made = copy.deepcopy(BASE)
    values = draw(st.sets(st.sampled_from(["big", "small", "größe 🎈"]), max_size=2))
    parts = [{"model": value} for value in sorted(values)] + [{"model": "*"}]
    formula = draw(
        st.sampled_from(["n * 2", "if(n > 1, n, 0) * custom.k", "n +", "coalesce(m, 0)"])
    )
    made["meters"][0]["derivedFields"] = [{"code": "d", "expression": formula}]
    made["aggregations"].append(
        {"code": "s", "meter": "m", "type": "SUM", "field": "d", "segmentedFields": ["model"],
         "segments": parts, "quantityPerUnit": draw(st.integers(0, 3))}
    )  # fmt: skip
    made["compoundAggregations"] = [
        {
            "code": "c",
            "expression": draw(st.sampled_from(["a + b", "if(b = 0, 0, a / b)", "a / b"])),
        }
    ]
    made["planTemplates"] = [{"code": "t", "pricing": [_price(draw, "a")]}]
    prices_of = [_price(draw, code) for code in sorted(draw(st.sets(st.sampled_from("abc"))))]
    prices_of += [_price(draw, "s") | {"segment": part} for part in parts]
    made["plans"] = [{"code": "p", "product": "ai", "pricing": prices_of, "template": "t"}]
    made["plans"][0] |= draw(some({}, frequency=frequencies, interval=st.integers(0, 13)))
    return made


def _price(draw: st.DrawFn, code: str) -> Document:
    return draw(
        some({"aggregation": st.just(code), "charge": good_charges}, terms=good_terms,
             **{"from": st.sampled_from(["2026-03-15", "2026-04-01"])})
    )  # fmt: skip


documents = st.one_of(tame_documents(), wild_documents())


def read(document: object) -> Catalog | tuple[FieldError, ...]:
    """The catalogue, or the faults for which it is none."""
    try:
        return catalog_of(document)
    except InvalidInput as refused:
        assert refused.fields, refused  # noqa: PT017 - both outcomes are looked at
        return refused.fields


def places(document: object, steps: tuple[int | str, ...] = ()) -> set[str]:
    """Every place of a document as a JSON pointer."""
    found = {pointer(list(steps))}
    inner: list[tuple[int | str, object]] = []
    if isinstance(document, dict):
        inner = list(document.items())
    elif isinstance(document, list):
        inner = list(enumerate(document))
    for step, value in inner:
        found |= places(value, (*steps, step))
    return found


def check_places(document: Document, faults: tuple[FieldError, ...]) -> None:
    """A fault names a place of the document, or something missing in one."""
    known = places(document)
    for fault in faults:
        parent = fault.pointer.rpartition("/")[0]
        assert fault.pointer in known or parent in known, fault
        assert fault.message
        assert len(fault.message) < 1_500


def check_taken(catalog: Catalog) -> None:
    """What is taken comes back from the wire and from storage, and can be rated."""
    document = document_of(catalog)
    again = catalog_of(json.loads(json.dumps(document)))
    assert document_of(again) == document
    assert document_of(from_stored(Catalog, to_stored(catalog))) == document
    assert list(changes_between(document, document_of(again))) == []
    for meter in catalog.meters:
        assert catalog.intake(meter.code) is not None
    for plan in catalog.plans:
        check_rating(catalog, plan.code)


def check_rating(catalog: Catalog, code: Any) -> None:  # noqa: ANN401 - a plan's code
    sold = Subscription(
        SubscriptionId("s"), "offer", (PlanSpell("p", START),),
        SubscriptionStatus.SUBSCRIBED, start=START,
    )  # fmt: skip
    attached = AccountPlan("p1", code, START)
    record = AccountRecord(Account(AccountCode("a")), (attached,), (sold,))
    steps = plan_rating(record, Timeline.of(catalog), NOW)
    rated = rate(sold, steps, (), NOW)
    assert all(period.total >= 0 for period in rated.periods)


@given(documents)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_a_catalogue_is_taken_or_refused(document: Document) -> None:
    catalog = read(document)
    if isinstance(catalog, tuple):
        check_places(document, catalog)
        return
    faults = faults_of(catalog)
    check_places(document, faults)
    if not faults:
        check_taken(catalog)


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=10,
)


@given(documents, st.dictionaries(st.sampled_from(["organization", "plans", "meters"]), anything))
@settings(max_examples=EXAMPLES // 10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_patch_is_taken_or_refused(document: Document, patch: Document) -> None:
    catalog = read(document)
    assume(isinstance(catalog, Catalog))
    patched = read(merged(document_of(catalog), patch))
    if isinstance(patched, Catalog):
        faults_of(patched)


def test_some_random_catalogues_are_taken() -> None:
    """The test above would be worth little if everything were refused."""
    taken = 0

    @given(documents)
    @settings(max_examples=100, deadline=None, database=None, derandomize=True,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])  # fmt: skip
    def count(document: Document) -> None:
        nonlocal taken
        catalog = read(document)
        taken += isinstance(catalog, Catalog) and not faults_of(catalog)

    count()
    assert 10 <= taken < 90
