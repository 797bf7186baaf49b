"""What is said about parameters that cannot be meant: where, what is wrong, what would be right."""

from decimal import Decimal

import pytest

from shared.domain.rating.charge import Band
from shared.domain.rating.custom import Custom
from shared.domain.rating.discount import LineTerms, Overage, terms_faults
from shared.domain.rating.models import ChargeModel, faults
from shared.domain.rating.package import Block, Package
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage, Share
from shared.domain.rating.stairstep import Stairstep, Step
from shared.domain.rating.tiered import Tiered
from shared.domain.rating.volume import Volume

D = Decimal

LAST = Band(D(1))
NAN = D("NaN")
BOUNDED = Percentage((Share(D(1)),), minimum_per_event=D(1))


def tiered(*bounds: int | str | None) -> Tiered:
    return Tiered(tuple(Band(D(1), None if b is None else D(b)) for b in bounds))


CASES: list[tuple[str, ChargeModel, list[tuple[str, str]]]] = [
    ("sound", tiered(10, 20, None), []),
    ("no bands", Tiered(()), [("/bands", "give at least one band")]),
    ("too many bands", tiered(*range(1, 101), None), [("/bands", "give at most 100")]),
    ("first band empty", tiered(0, None), [("/bands/0/upTo", "the first band ends above 0")]),
    ("same bound twice", tiered(10, 10, None), [("/bands/1/upTo", "is not above 10")]),
    ("falling", tiered(10, 5, 20, None), [("/bands/1/upTo", "put bands in rising order")]),
    ("open in the middle", tiered(None, 20, None), [("/bands/0/upTo", "say where this band ends")]),
    ("closed at the end", tiered(10, 20), [("/bands/1/upTo", "usage above 20 would have no")]),
    ("bound not a number", tiered("NaN", 20, None), [("/bands/0/upTo", "not a finite number")]),
    ("bound negative", tiered(-1, 20, None), [("/bands/0/upTo", "-1 is negative")]),
    (
        "every fault at once",
        Tiered((Band(D(-1), D(10)), Band(D(1), D(9), D(-2)), LAST)),
        [
            ("/bands/1/upTo", "9 is not above 10"),
            ("/bands/0/unitPrice", "-1 is negative; give 0 or more"),
            ("/bands/1/fixedPrice", "-2 is negative"),
        ],
    ),
    ("per unit negative", PerUnit(D("-0.10")), [("/unitPrice", "-0.1 is negative")]),
    ("per unit infinite", PerUnit(D("Infinity")), [("/unitPrice", "not a finite number")]),
    ("per unit huge", PerUnit(D(10) ** 15), [("/unitPrice", "too large")]),
    ("per unit too fine", PerUnit(D("1e-19")), [("/unitPrice", "has 19 decimal places")]),
    ("volume", Volume((Band(NAN),)), [("/bands/0/unitPrice", "not a finite number")]),
    ("stairstep", Stairstep((Step(D(-1)),)), [("/bands/0/fixedPrice", "-1 is negative")]),
    ("stairstep closed", Stairstep((Step(D(1), D(5)),)), [("/bands/0/upTo", "leave upTo out")]),
    ("block of nothing", Package((Block(D(0), D(1)),)), [("/bands/0/size", "is 0")]),
    ("block negative", Package((Block(D(-5), D(1)),)), [("/bands/0/size", "-5 is negative")]),
    ("block price", Package((Block(D(5), D(-1)),)), [("/bands/0/price", "-1 is negative")]),
    ("free units", Package((Block(D(5), D(1)),), D(-1)), [("/freeUnits", "-1 is negative")]),
    ("percent", Percentage((Share(D(-1)),)), [("/bands/0/percent", "-1 is negative")]),
    (
        "percentage per event",
        Percentage((Share(D(1)),), D(-1), D(-2), D(-3), -4, D(-5)),
        [
            ("/fixedPerEvent", "-1 is negative"),
            ("/minimumPerEvent", "-2 is negative"),
            ("/maximumPerEvent", "-3 is negative"),
            ("/freeAmount", "-5 is negative"),
            ("/freeEvents", "-4 is negative"),
            ("/freeEvents", "minimum or maximum per event"),
            ("/freeAmount", "minimum or maximum per event"),
        ],
    ),
    (
        "minimum above maximum",
        Percentage((Share(D(1)),), D(0), D(5), D(3)),
        [("/minimumPerEvent", "5 is above the maximum, 3; give at most that")],
    ),
    (
        "minimum not a number",
        Percentage((Share(D(1)),), D(0), NAN, D(3)),
        [("/minimumPerEvent", "not a finite number")],
    ),
    (
        "bounds per event with bands",
        Percentage((Share(D(1), D(9)), Share(D(2))), maximum_per_event=D(3)),
        [("/bands", "give one band without upTo")],
    ),
    ("custom", Custom(), []),
]


def same(found: list[tuple[str, str]], wanted: list[tuple[str, str]]) -> bool:
    return [pointer for pointer, _ in found] == [pointer for pointer, _ in wanted] and all(
        part in message for (_, message), (_, part) in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize(("model", "wanted"), [pytest.param(*row[1:], id=row[0]) for row in CASES])
def test_faults(model: ChargeModel, wanted: list[tuple[str, str]]) -> None:
    found = [(fault.pointer, fault.message) for fault in faults(model)]
    assert same(found, wanted), found


UNIT = PerUnit(D(1))
TERMS: list[tuple[str, LineTerms, ChargeModel, list[tuple[str, str]]]] = [
    ("sound", LineTerms(D(1), D(2), Overage(D(3), UNIT, D(-100)), D(100), D(9), D(9)), UNIT, []),
    (
        "negative",
        LineTerms(D(-1), D(-2), None, D(-3), D(-4), D(-5)),
        UNIT,
        [
            ("/usageDiscount", "-1 is negative"),
            ("/included", "-2 is negative"),
            ("/percentDiscount", "-3 is negative"),
            ("/maximum", "-4 is negative"),
            ("/minimum", "-5 is negative"),
        ],
    ),
    (
        "discount above the whole",
        LineTerms(percent_discount=D(101)),
        UNIT,
        [("/percentDiscount", "101 is above 100 percent; give 0 to 100")],
    ),
    ("discount NaN", LineTerms(percent_discount=NAN), UNIT, [("/percentDiscount", "not a finite")]),
    (
        "minimum above maximum",
        LineTerms(maximum=D(3), minimum=D(5)),
        UNIT,
        [("/minimum", "5 is above the maximum, 3")],
    ),
    (
        "overage",
        LineTerms(overage=Overage(D(-1), PerUnit(D(-2)), D(-101))),
        UNIT,
        [
            ("/overage/beyond", "-1 is negative"),
            ("/overage/surchargePercent", "would make the overage price negative"),
            ("/overage/charge/unitPrice", "-2 is negative"),
        ],
    ),
    (
        "surcharge NaN",
        LineTerms(overage=Overage(D(1), UNIT, NAN)),
        UNIT,
        [("/overage/surchargePercent", "not a finite number")],
    ),
    (
        "units off a custom price",
        LineTerms(D(1), D(2), Overage(D(3), UNIT)),
        Custom(),
        [
            ("/usageDiscount", "CUSTOM prices each event by itself"),
            ("/included", "leave it out"),
            ("/overage", "leave overage out"),
        ],
    ),
    (
        "units off fees per event",
        LineTerms(included=D(2)),
        BOUNDED,
        [("/included", "PERCENTAGE prices each event by itself")],
    ),
]


@pytest.mark.parametrize(
    ("terms", "model", "wanted"), [pytest.param(*row[1:], id=row[0]) for row in TERMS]
)
def test_terms_faults(terms: LineTerms, model: ChargeModel, wanted: list[tuple[str, str]]) -> None:
    found = [(fault.pointer, fault.message) for fault in terms_faults(terms, model)]
    assert same(found, wanted), found
