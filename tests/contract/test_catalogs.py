"""What every store of catalogue versions keeps to."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.billing import QuantityBilling, Waterfall, WaterfallStep
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.changes import Change
from shared.domain.catalog.charges import Due, Recurrence, Recurring, StandingCharge
from shared.domain.catalog.organization import Epochs, Organization
from shared.domain.catalog.plan import Plan, PlanTemplate, Pricing
from shared.domain.catalog.product import Product
from shared.domain.catalog.timeline import VersionHead
from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import (
    AggregationCode,
    DimensionId,
    FieldCode,
    MeterCode,
    PlanCode,
    PlanTemplateCode,
    ProductCode,
)
from shared.domain.rating.charge import Band
from shared.domain.rating.discount import LineTerms, Overage
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.tiered import Tiered
from shared.domain.usage.aggregate import AggregationType
from shared.ports import Catalogs, CatalogVersion
from shared.storage.catalogs import TableCatalogs
from tests.contract.samples import NOON
from tests.fakes.catalogs import FakeCatalogs


@pytest.fixture(params=["fake", "azurite"])
def catalogs(request: pytest.FixtureRequest) -> Catalogs:
    if request.param == "fake":
        return FakeCatalogs()
    return TableCatalogs(request.getfixturevalue("tables"))


EVERYTHING = Catalog(
    Organization(
        "contoso", custom={"text": "x", "number": Decimal(5)}, epochs=Epochs(week=date(2026, 1, 5))
    ),
    (Product(ProductCode("ai")),),
    aggregations=(
        Aggregation(
            AggregationCode("a"),
            MeterCode("m"),
            AggregationType.SUM,
            FieldCode("n"),
            segmented_fields=(FieldCode("model"),),
            segments=({FieldCode("model"): "größe 🎈"}, {FieldCode("model"): "*"}),
            quantity_per_unit=Decimal("0.001"),
        ),
    ),
    plans=(
        Plan(
            PlanCode("p"),
            ProductCode("ai"),
            (
                Pricing(
                    AggregationCode("a"),
                    Tiered((Band(Decimal("0.000000000000000001"), Decimal(5)), Band())),
                    {FieldCode("model"): "*"},
                    LineTerms(overage=Overage(Decimal(9), PerUnit(Decimal(1)))),
                    date(2026, 1, 1),
                ),
            ),
            billing=QuantityBilling(
                waterfalls=(Waterfall(AggregationCode("a"), (WaterfallStep(DimensionId("t1")),)),)
            ),
            charges=(Recurring("r", Due(Decimal(1)), Recurrence.HOURLY),),
            template=PlanTemplateCode("t"),
        ),
    ),
    plan_templates=(
        PlanTemplate(PlanTemplateCode("t"), standing_charge=StandingCharge(Decimal(3))),
    ),
)


def version(number: int, products: int = 1) -> CatalogVersion:
    made = tuple(Product(ProductCode(f"p{n}"), f"größe {n} 🎈") for n in range(products))
    return CatalogVersion(number, NOON, Catalog(Organization(f"v{number}"), made))


def test_there_is_none_at_first(catalogs: Catalogs) -> None:
    assert catalogs.current() is None


def test_the_newest_version_is_current(catalogs: Catalogs) -> None:
    for number in range(1, 12):
        catalogs.add(version(number))
        assert catalogs.current() == version(number)


def test_a_number_is_taken_once(catalogs: Catalogs) -> None:
    catalogs.add(version(1))
    with pytest.raises(ConcurrentUpdate):
        catalogs.add(version(1, products=2))
    assert catalogs.current() == version(1)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_numbers_go_up_by_one(catalogs: Catalogs, number: int) -> None:
    catalogs.add(version(1))
    catalogs.add(version(2))
    with pytest.raises(ConcurrentUpdate):
        catalogs.add(version(number))
    assert catalogs.current() == version(2)


def test_the_first_number_is_one(catalogs: Catalogs) -> None:
    with pytest.raises(ConcurrentUpdate):
        catalogs.add(version(2))


def test_a_large_catalogue_comes_back(catalogs: Catalogs) -> None:
    catalogs.add(version(1, products=20_000))
    assert catalogs.current() == version(1, products=20_000)


def test_every_version_can_be_read(catalogs: Catalogs) -> None:
    changes = (Change("replace", "/a", {"b": ["1", None]}, True), Change("add", "/c", to="x"))
    dated = replace(version(2), effective_from=NOON + timedelta(hours=1), changes=changes)
    catalogs.add(version(1))
    catalogs.add(dated)
    assert [catalogs.get(number) for number in (1, 2, 3, 0, -1, 10**12)] == [
        version(1), dated, None, None, None, None,
    ]  # fmt: skip
    assert catalogs.current() == dated


def test_heads_tell_the_versions_without_their_contents(catalogs: Catalogs) -> None:
    assert catalogs.heads() == []
    made = [version(1), replace(version(2), effective_from=NOON)]
    for one in made:
        catalogs.add(one)
    assert catalogs.heads() == [
        VersionHead(1, NOON), VersionHead(2, NOON, NOON),
    ]  # fmt: skip


def test_all_that_a_catalogue_can_say_comes_back(catalogs: Catalogs) -> None:
    catalogs.add(CatalogVersion(1, NOON, EVERYTHING))
    found = catalogs.current()
    assert found is not None
    assert found.catalog == EVERYTHING
    assert found.catalog.plan(PlanCode("p")) == EVERYTHING.plan(PlanCode("p"))
