"""Tables of charges at the places where models differ, and the models' spelling on the wire."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.domain.rating.charge import Band
from shared.domain.rating.custom import Custom, CustomInput, average_price
from shared.domain.rating.models import ChargeModel, QuantityModel, Usage, charge
from shared.domain.rating.package import Block, Package
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import (
    Percentage,
    PercentageInput,
    Share,
    per_event_fee,
)
from shared.domain.rating.stairstep import Stairstep, Step
from shared.domain.rating.tiered import Tiered
from shared.domain.rating.volume import Volume

D = Decimal

ADAPTER: TypeAdapter[ChargeModel] = TypeAdapter(ChargeModel)
BANDS = (Band(D(2), D(1000), D(5)), Band(D(1), D(2000), D(7)), Band(D("0.5")))
STEPS = (Step(D(10), D(100)), Step(D(30)))
BLOCKS = (Block(D(10), D(3), D(25)), Block(D(100), D(20)))
SHARES = (Share(D(1), D(100), D(4)), Share(D("0.5")))
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

CHARGES: list[tuple[str, ChargeModel, Usage, str]] = [
    ("per unit", PerUnit(D("0.07")), D("1.5"), "0.105"),
    ("per unit, none used", PerUnit(D("0.07")), D(0), "0"),
    ("per unit, corrected below zero", PerUnit(D("0.07")), D(-3), "0"),
    ("tiered at zero owes the first fixed price", Tiered(BANDS), D(0), "5"),
    ("tiered below zero as at zero", Tiered(BANDS), D(-3), "5"),
    ("tiered at the bound", Tiered(BANDS), D(1000), "2005"),
    ("tiered just above the bound", Tiered(BANDS), D("1000.5"), "2012.5"),
    ("tiered in the last band", Tiered(BANDS), D(2002), "3013"),
    ("volume at zero owes the first fixed price", Volume(BANDS), D(0), "5"),
    ("volume at the bound", Volume(BANDS), D(1000), "2005"),
    ("volume just above the bound", Volume(BANDS), D("1000.5"), "1007.5"),
    ("volume in the last band", Volume(BANDS), D(3000), "1500"),
    ("stairstep at zero", Stairstep(STEPS), D(0), "0"),
    ("stairstep just above zero", Stairstep(STEPS), D("0.001"), "10"),
    ("stairstep at the bound", Stairstep(STEPS), D(100), "10"),
    ("stairstep just above the bound", Stairstep(STEPS), D("100.5"), "30"),
    ("package, none used", Package(BLOCKS), D(0), "0"),
    ("package, block started", Package(BLOCKS), D("0.1"), "3"),
    ("package, block full", Package(BLOCKS), D(10), "3"),
    ("package, next block started", Package(BLOCKS), D("10.1"), "6"),
    ("package, each band rounds up by itself", Package(BLOCKS), D(26), "29"),
    ("package, free units come off first", Package(BLOCKS, D(16)), D(26), "3"),
    ("package, all of it free", Package(BLOCKS, D(16)), D(16), "0"),
    ("package, whole quantity at the bound", Package(BLOCKS, banding="VOLUME"), D(25), "9"),
    ("package, whole quantity above", Package(BLOCKS, banding="VOLUME"), D("25.1"), "20"),
    ("percentage of nothing", Percentage(SHARES), PercentageInput(D(0)), "0"),
    ("percentage at the bound", Percentage(SHARES), PercentageInput(D(100)), "5"),
    ("percentage above the bound", Percentage(SHARES), PercentageInput(D(300)), "6"),
    ("percentage, refunds prevail", Percentage(SHARES), PercentageInput(D(-300)), "0"),
    (
        "percentage with fees beyond the free events",
        Percentage((Share(D(1)),), D("0.3"), free_events=2),
        PercentageInput(D(100), 5),
        "1.9",
    ),
    (
        "percentage with fewer events than are free",
        Percentage((Share(D(1)),), D("0.3"), free_events=9),
        PercentageInput(D(100), 5),
        "1",
    ),
    (
        "percentage beyond the free amount",
        Percentage((Share(D(1)),), free_amount=D(40)),
        PercentageInput(D(100), 5),
        "0.6",
    ),
    (
        "percentage bounded per event takes the sum of fees",
        Percentage((Share(D(1), fixed_price=D(2)),), minimum_per_event=D(1)),
        PercentageInput(D(100), 5, D("6.5")),
        "8.5",
    ),
    (
        "percentage bounded per event, fees below zero",
        Percentage((Share(D(1), fixed_price=D(2)),), maximum_per_event=D(1)),
        PercentageInput(D(100), 5, D(-7)),
        "2",
    ),
    (
        "percentage bounded per event without events",
        Percentage((Share(D(1), fixed_price=D(2)),), minimum_per_event=D(1)),
        PercentageInput(D(0), 0, D(0)),
        "0",
    ),
    ("custom", Custom(), CustomInput(D(3), D("0.7"), "a", NOON), "0.7"),
    ("custom, corrected below zero", Custom(), CustomInput(D(3), D(-1), "a", NOON), "0"),
]


@pytest.mark.parametrize(
    ("model", "usage", "amount"), [pytest.param(*row[1:], id=row[0]) for row in CHARGES]
)
def test_charge(model: ChargeModel, usage: Usage, amount: str) -> None:
    priced = charge(model, usage)
    assert priced.amount == D(amount)


@pytest.mark.parametrize("whole", [Tiered(BANDS[:2]), Volume(BANDS[:2])], ids=["tiered", "volume"])
def test_last_band_takes_what_is_beyond_its_bound(whole: QuantityModel) -> None:
    assert sum(use.units for use in charge(whole, D(5000)).bands) == 5000


def test_package_shows_blocks_and_units() -> None:
    uses = charge(Package(BLOCKS), D(26)).bands
    assert [(use.units, use.blocks, use.amount) for use in uses] == [
        (D(25), D(3), D(9)),
        (D(1), D(1), D(20)),
    ]


FEES = [
    ("within the bounds", "100", "3.2"),
    ("raised to the minimum", "10", "1"),
    ("lowered to the maximum", "1000", "20"),
    ("a refund bears the minimum", "-50", "1"),
]


@pytest.mark.parametrize(("value", "fee"), [pytest.param(*r[1:], id=r[0]) for r in FEES])
def test_per_event_fee(value: str, fee: str) -> None:
    model = Percentage((Share(D(3)),), D("0.2"), D(1), D(20))
    assert per_event_fee(model, D(value)) == D(fee)


def test_per_event_fee_without_bounds_is_never_negative() -> None:
    assert per_event_fee(Percentage((Share(D(3)),)), D(-50)) == 0


AVERAGES = [
    ("half rounds up", "1", "0.00000000005", "0.0000000001"),
    ("just below half rounds down", "1", f"0.00000000004{'9' * 70}", "0"),
    ("no quantity", "0", "5", "0"),
]


@pytest.mark.parametrize(
    ("q", "amount", "shown"), [pytest.param(*r[1:], id=r[0]) for r in AVERAGES]
)
def test_average_price(q: str, amount: str, shown: str) -> None:
    assert average_price(CustomInput(D(q), D(amount), "a", NOON)) == D(shown)


def test_bounded_percentage_without_fees_is_refused() -> None:
    model = Percentage((Share(D(1)),), maximum_per_event=D(1))
    with pytest.raises(ValueError, match="sum of the events' fees"):
        charge(model, PercentageInput(D(5), 1))


MISMATCHES: list[tuple[ChargeModel, Usage]] = [
    (PerUnit(D(1)), PercentageInput(D(1))),
    (Percentage((Share(D(1)),)), D(1)),
    (Custom(), D(1)),
]


@pytest.mark.parametrize(("model", "usage"), MISMATCHES, ids=lambda v: type(v).__name__)
def test_usage_of_another_kind_is_refused(model: ChargeModel, usage: Usage) -> None:
    with pytest.raises(TypeError, match=model.model):
        charge(model, usage)


EVERY_MODEL: list[ChargeModel] = [
    PerUnit(D("0.10")),
    Tiered(BANDS),
    Volume(BANDS),
    Stairstep(STEPS),
    Package(BLOCKS, D(5), "VOLUME"),
    Percentage(SHARES, D("0.1"), D(1), D(9), 3, D(50)),
    Custom(),
]


@pytest.mark.parametrize("model", EVERY_MODEL, ids=lambda m: m.model)
def test_wire_round_trip(model: ChargeModel) -> None:
    document = ADAPTER.dump_python(model, mode="json", by_alias=True)
    assert document["model"] == model.model
    assert not any("_" in name for name in document)
    assert ADAPTER.validate_python(document) == model


@pytest.mark.parametrize("model", EVERY_MODEL, ids=lambda m: m.model)
def test_wire_accepts_nothing_unknown(model: ChargeModel) -> None:
    document = ADAPTER.dump_python(model, mode="json", by_alias=True)
    with pytest.raises(ValidationError, match="surprise"):
        ADAPTER.validate_python(document | {"surprise": 1})


def test_wire_needs_the_tag() -> None:
    """Without it TIERED and VOLUME could not be told apart."""
    with pytest.raises(ValidationError, match="discriminator"):
        ADAPTER.validate_python({"bands": [{"unitPrice": "1"}]})


def test_wire_faults_concern_the_model_that_was_meant() -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python({"model": "STAIRSTEP", "bands": [{"fixedPrice": "x"}]})
    assert [e["loc"] for e in caught.value.errors()] == [("STAIRSTEP", "bands", 0, "fixedPrice")]


def test_json_schema_names_every_tag() -> None:
    schema = ADAPTER.json_schema()
    assert set(schema["discriminator"]["mapping"]) == {m.model for m in EVERY_MODEL}
