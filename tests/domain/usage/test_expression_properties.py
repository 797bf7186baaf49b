"""What holds for every expression: bounded, exact, and never anything but domain errors."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.domain.money import MAX_MAGNITUDE, fault_of_measure
from shared.domain.usage.event import DataValue
from shared.domain.usage.expression import EvaluationError, ExpressionError, compile_expression

BOUND = Decimal(10) ** 31
GENEROUS = timedelta(seconds=5)
"""Far above what any expression takes, far below what one without bounds would."""

NUMBERS = st.decimals(-MAX_MAGNITUDE, MAX_MAGNITUDE, places=9)
VALUES: st.SearchStrategy[dict[str, DataValue | None]] = st.fixed_dictionaries(
    {}, optional={name: st.none() | NUMBERS | st.text(max_size=5) for name in "abc"}
)
PIECES = st.sampled_from(
    [
        *"abc0129.,()+-*/%^<>=!?:'\"` ",
        *("10", "1000", "999999999999999", "0.000000001", " ? ", " : ", "<=", "custom.x"),
        *("and ", "or ", "not ", "if(", "round(", "pow(", "max(", "isnull(", "coalesce("),
        *("concat(", "__class__"),
    ]
)
LITERALS = st.sampled_from(["a", "b", "c", "0", "1", "2.5", "1000", "999999999999999", "'x'"])
TREES = st.recursive(
    LITERALS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%^=<>"), inner).map(lambda p: f"({''.join(p)})"),
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
        inner.map("-{}".format),
        inner.map("not {}".format),
        st.tuples(inner, inner, inner).map(lambda p: f"if({', '.join(p)})"),
        st.tuples(
            st.sampled_from(["round", "floor", "ceil", "pow", "min", "coalesce", "concat"]),
            inner,
            inner,
        ).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        inner.map("isnull({})".format),
    ),
    max_leaves=25,
)


def outcome(text: str, values: dict[str, DataValue | None]) -> DataValue | int:
    """The value, or the offset of a domain error."""
    try:
        return compile_expression(text).evaluate(values)
    except (ExpressionError, EvaluationError) as error:
        return error.position


@settings(deadline=GENEROUS)
@given(st.text(max_size=60) | st.lists(PIECES, max_size=40).map("".join), VALUES)
@example("9" * 34 + "^9^9^9", {})
@example("(" * 2000, {})
@example("-" * 2000, {})
@example("1" + "?1:1" * 499, {})
@example("'" * 2000, {})
@example("a" * 2000, {})
@example("1" + "^9" * 24, {})
@example("1.000000001^999" + "^999" * 10, {})
def test_any_text_ends_in_a_value_or_a_domain_error(
    text: str, values: dict[str, DataValue | None]
) -> None:
    result = outcome(text, values)
    assert isinstance(result, Decimal | str) or 0 <= result <= len(text)


@settings(deadline=GENEROUS)
@given(TREES, VALUES)
def test_any_formula_ends_in_a_bounded_value_or_a_domain_error(
    text: str, values: dict[str, DataValue | None]
) -> None:
    value = outcome(text, values)
    if isinstance(value, Decimal):
        assert value.is_finite()
        assert abs(value) < BOUND
        assert len(value.as_tuple().digits) <= 34


@settings(deadline=GENEROUS)
@given(TREES, VALUES)
def test_a_derived_value_can_be_measured(text: str, values: dict[str, DataValue | None]) -> None:
    try:
        value = compile_expression(text).derive(values)
    except (ExpressionError, EvaluationError):
        return
    assert isinstance(value, str) or fault_of_measure(value) is None


@given(TREES, VALUES)
def test_evaluating_reads_only_the_names(text: str, values: dict[str, DataValue | None]) -> None:
    try:
        names = compile_expression(text).names
    except ExpressionError:
        return
    known = {name: value for name, value in values.items() if name in names}
    assert outcome(text, values) == outcome(text, known)


@given(
    st.lists(
        st.tuples(st.sampled_from(["+", "-", "*"]), st.integers(0, 99)), min_size=1, max_size=12
    )
)
def test_precedence_and_exactness_of_integers(steps: list[tuple[str, int]]) -> None:
    text = "1" + "".join(f" {operator} {number}" for operator, number in steps)
    terms = [1]
    for operator, number in steps:
        if operator == "*":
            terms[-1] *= number
        else:
            terms.append(number if operator == "+" else -number)
    assert compile_expression(text).evaluate({}) == sum(terms)


@given(NUMBERS, NUMBERS, st.integers(-9, 9))
def test_fields_are_calculated_with_exactly(a: Decimal, b: Decimal, c: int) -> None:
    values: dict[str, DataValue | None] = {"a": a, "b": b, "c": Decimal(c)}
    value = compile_expression("a + b * c - a").evaluate(values)
    assert isinstance(value, Decimal)
    assert Fraction(value) == Fraction(b) * c


@given(st.decimals(-(10**9), 10**9, places=6), st.integers(-3, 6))
def test_round_is_half_up_on_the_exact_value(number: Decimal, digits: int) -> None:
    value = compile_expression(f"round(a, {digits})").evaluate({"a": number})
    assert isinstance(value, Decimal)
    scaled = abs(Fraction(number)) * Fraction(10) ** digits
    whole = int(scaled + Fraction(1, 2))
    sign = -1 if number < 0 else 1
    assert Fraction(value) == sign * Fraction(whole) / Fraction(10) ** digits


@given(st.text(max_size=20))
def test_a_text_literal_is_that_text(text: str) -> None:
    for quote in "'\"":
        literal = quote + text.replace(quote, quote * 2) + quote
        assert compile_expression(literal).evaluate({}) == text
