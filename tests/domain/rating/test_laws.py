"""Laws that hold for every model and quantity, against exact fractions as an independent oracle."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.rating.charge import Band, Bounded
from shared.domain.rating.custom import CustomInput, average_price
from shared.domain.rating.discount import LineTerms, Overage, price_line
from shared.domain.rating.models import (
    ChargeModel,
    QuantityModel,
    charge,
    faults,
)
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

SMALLEST = D("0.000000001")

quantities = st.one_of(
    st.integers(0, 60).map(D),
    st.decimals(0, 60, places=9, allow_nan=False),
    st.decimals(0, D(10) ** 24, places=9, allow_nan=False),
)
small = st.decimals(0, 60, places=9)
prices = st.one_of(st.decimals(0, 100, places=2), st.decimals(0, 10**6, places=18), st.just(D(0)))
bounds = st.lists(
    st.one_of(st.integers(1, 50).map(D), st.decimals(SMALLEST, 50, places=9)),
    max_size=6,
    unique=True,
).map(sorted)
sizes = st.one_of(st.integers(1, 20).map(D), st.decimals("0.001", 20, places=3))


@st.composite
def bands(draw: st.DrawFn) -> tuple[Band, ...]:
    ends: list[D | None] = [*draw(bounds), None]
    return tuple(Band(draw(prices), end, draw(prices)) for end in ends)


@st.composite
def packages(draw: st.DrawFn) -> Package:
    ends: list[D | None] = [*draw(bounds), None]
    blocks = tuple(Block(draw(sizes), draw(prices), end) for end in ends)
    free = draw(st.sampled_from([D(0), D(3), D("7.5")]))
    return Package(blocks, free, draw(st.sampled_from(["TIERED", "VOLUME"])))


tiereds = bands().map(Tiered)
volumes = bands().map(Volume)
stairsteps = bands().map(lambda bs: Stairstep(tuple(Step(b.fixed_price, b.up_to) for b in bs)))
models: st.SearchStrategy[QuantityModel] = st.one_of(
    prices.map(PerUnit), tiereds, volumes, stairsteps, packages()
)


def spans(parts: Sequence[Bounded], q: Fraction) -> list[tuple[int, Fraction]]:
    """Index and units of every part, from the definition: what of [0, q] lies in its span."""
    result, lower = [], Fraction(0)
    for index, part in enumerate(parts):
        upper = q if part.up_to is None else Fraction(part.up_to)
        if index == 0 or q > lower:
            result.append((index, max(min(q, upper) - lower, Fraction(0))))
        lower = upper
    return result


def oracle(model: QuantityModel, quantity: D) -> Fraction:
    q = Fraction(quantity)
    match model:
        case PerUnit():
            return q * Fraction(model.unit_price)
        case Tiered():
            return sum(
                (
                    units * Fraction(model.bands[i].unit_price)
                    + Fraction(model.bands[i].fixed_price)
                    for i, units in spans(model.bands, q)
                ),
                Fraction(0),
            )
        case Volume():
            band = model.bands[spans(model.bands, q)[-1][0]]
            return q * Fraction(band.unit_price) + Fraction(band.fixed_price)
        case Stairstep():
            return Fraction(model.bands[spans(model.bands, q)[-1][0]].fixed_price) if q else q
        case Package():
            rest = max(q - Fraction(model.free_units), Fraction(0))
            parts = spans(model.bands, rest)
            if model.banding == "VOLUME":
                parts = [(parts[-1][0], rest)]
            return sum(
                (
                    ceil(units / Fraction(model.bands[i].size)) * Fraction(model.bands[i].price)
                    for i, units in parts
                ),
                Fraction(0),
            )


@given(models, quantities)
def test_no_model_loses_exactness(model: QuantityModel, q: D) -> None:
    assert faults(model) == ()
    assert Fraction(charge(model, q).amount) == oracle(model, q)


@given(models, st.decimals(-100, 100, places=9))
def test_no_model_is_ever_negative_and_bands_add_up(model: QuantityModel, q: D) -> None:
    priced = charge(model, q)
    assert priced.amount >= 0
    assert sum((Fraction(use.amount) for use in priced.bands), Fraction(0)) == priced.amount


@given(st.one_of(tiereds, volumes, prices.map(PerUnit)), quantities)
def test_every_unit_is_in_one_band(model: QuantityModel, q: D) -> None:
    assert sum((Fraction(use.units) for use in charge(model, q).bands), Fraction(0)) == q


@given(tiereds, quantities, quantities)
def test_tiered_rises_with_the_quantity(model: Tiered, a: D, b: D) -> None:
    low, high = sorted((a, b))
    assert charge(model, low).amount <= charge(model, high).amount


def amount(model: ChargeModel, q: D) -> Fraction:
    return Fraction(charge(model, q).amount)


@given(tiereds, st.data())
def test_tiered_without_fixed_prices_has_no_jumps(model: Tiered, data: st.DataObject) -> None:
    smooth = Tiered(tuple(Band(b.unit_price, b.up_to) for b in model.bands))
    edges = [b.up_to for b in model.bands if b.up_to is not None]
    q = data.draw(st.sampled_from([*edges, D(60)]))
    step = amount(smooth, q + SMALLEST) - amount(smooth, q)
    assert 0 <= step <= Fraction(SMALLEST) * Fraction(max(b.unit_price for b in model.bands))


@given(tiereds, small, small)
def test_splitting_pays_when_prices_rise_and_costs_when_they_fall(
    model: Tiered, a: D, b: D
) -> None:
    """True of graduated prices without fixed ones: they are convex or concave through zero."""
    ends = [band.up_to for band in model.bands]
    rising = sorted(band.unit_price for band in model.bands)
    convex = Tiered(tuple(map(Band, rising, ends)))
    concave = Tiered(tuple(map(Band, reversed(rising), ends)))
    assert amount(convex, a + b) >= amount(convex, a) + amount(convex, b)
    assert amount(concave, a + b) <= amount(concave, a) + amount(concave, b)


@given(volumes, st.data())
def test_volume_bound_belongs_to_the_band_below(model: Volume, data: st.DataObject) -> None:
    assume(len(model.bands) > 1)
    index = data.draw(st.integers(0, len(model.bands) - 2))
    edge = model.bands[index].up_to
    assert edge is not None
    (at,) = charge(model, edge).bands
    (above,) = charge(model, edge + SMALLEST).bands
    assert (at.upper, above.upper) == (edge, model.bands[index + 1].up_to)


@given(stairsteps, st.data())
def test_stairstep_bound_belongs_to_the_step_below(model: Stairstep, data: st.DataObject) -> None:
    assume(len(model.bands) > 1)
    index = data.draw(st.integers(0, len(model.bands) - 2))
    edge = model.bands[index].up_to
    assert edge is not None
    assert charge(model, edge).amount == model.bands[index].fixed_price
    assert charge(model, edge + SMALLEST).amount == model.bands[index + 1].fixed_price


@given(packages(), small)
def test_blocks_are_the_fewest_that_hold_the_units(model: Package, q: D) -> None:
    size_of = {block.up_to: Fraction(block.size) for block in model.bands}
    for use in charge(model, q).bands:
        assert use.blocks is not None
        size = size_of[use.upper]
        assert use.blocks == int(use.blocks)
        assert (int(use.blocks) - 1) * size < use.units <= int(use.blocks) * size


@given(st.lists(small, max_size=8), prices, prices)
def test_fees_of_events_add_up_to_the_fee_of_their_sums(
    values: list[D], percent: D, fixed: D
) -> None:
    """Without bounds, bands and anything free, the order and size of events do not matter."""
    model = Percentage((Share(percent),), fixed)
    fees = sum((Fraction(per_event_fee(model, value)) for value in values), Fraction(0))
    sums = PercentageInput(sum(values, D(0)), len(values))
    assert Fraction(charge(model, sums).amount) == fees


@given(small, prices, prices, prices)
def test_fee_of_an_event_stays_within_its_bounds(value: D, percent: D, a: D, b: D) -> None:
    low, high = sorted((a, b))
    model = Percentage((Share(percent),), D(0), low, high)
    assert low <= per_event_fee(model, value) <= high


@given(small.filter(bool), small)
def test_average_price_is_the_nearest_at_ten_decimals(q: D, total: D) -> None:
    shown = average_price(CustomInput(q, total, "", datetime(2026, 1, 1, tzinfo=UTC)))
    off = Fraction(total) / Fraction(q) - Fraction(shown)
    assert -Fraction(1, 2 * 10**10) <= off < Fraction(1, 2 * 10**10)


percents = st.decimals(0, 100, places=2)


@st.composite
def line_terms(draw: st.DrawFn) -> LineTerms:
    surcharge = draw(st.decimals(-100, 100, places=2))
    overage = Overage(draw(small), draw(tiereds), surcharge)
    least, most = sorted((draw(prices), draw(prices)))
    return LineTerms(
        draw(small),
        draw(small),
        draw(st.sampled_from([None, overage])),
        draw(percents),
        draw(st.sampled_from([None, most])),
        draw(st.sampled_from([None, least])),
    )


@given(models, quantities, line_terms())
def test_steps_of_a_line_only_go_down_until_the_top_up(
    model: QuantityModel, q: D, terms: LineTerms
) -> None:
    line = price_line(model, q, terms)
    assert line.quantity >= line.after_usage_discount >= line.billable >= 0
    assert line.gross >= line.after_discount >= line.after_maximum >= 0
    assert line.top_up >= 0
    assert terms.maximum is None or line.amount <= terms.maximum
    assert terms.minimum is None or line.amount >= terms.minimum


@given(tiereds, quantities, quantities, line_terms())
def test_running_amount_of_a_tiered_line_never_falls(
    model: Tiered, a: D, b: D, terms: LineTerms
) -> None:
    """Also when the period closes and the top-up comes in."""
    low, high = sorted((a, b))
    earlier = price_line(model, low, terms, closing=False).amount
    later = price_line(model, high, terms, closing=False).amount
    assert earlier <= later <= price_line(model, high, terms).amount
