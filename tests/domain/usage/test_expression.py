"""The expression language by example: values, faults and where they are."""

from decimal import Decimal

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.usage.event import DataValue
from shared.domain.usage.expression import (
    EvaluationError,
    ExpressionError,
    Fault,
    MissingField,
    compile_expression,
)
from shared.domain.usage.expression.lexer import MAX_DIGITS
from shared.domain.usage.expression.parser import MAX_LENGTH, MAX_NESTING

VALUES: dict[str, DataValue | None] = {
    "tokens": Decimal(7),
    "requests": Decimal("2.5"),
    "zero": Decimal(0),
    "region": "eu",
    "custom.cpu.hours": Decimal(3),
    "a-b": Decimal(11),
    "nothing": None,
}


def value(text: str) -> DataValue:
    return compile_expression(text).evaluate(VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", "12"),
        ("12.50", "12.5"),
        (".5", "0.5"),
        ("3.", "3"),
        ("tokens", "7"),
        ("custom.cpu.hours * 2", "6"),
        ("`a-b` + 1", "12"),
        ("tokens * 0.5 + requests", "6"),
        ("0.1 + 0.2", "0.3"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("100 / 10 / 5", "2"),
        ("2 * 7 % 4", "2"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("7.5 % 2", "1.5"),
        ("2 ^ 3 ^ 2", "512"),
        ("-2 ^ 2", "-4"),
        ("2 ^ -1", "0.5"),
        ("2 ^ -1 * 4", "2"),
        ("2 ^ 0.5", "1.414213562373095048801688724209698"),
        ("1 - -1", "2"),
        ("--1", "1"),
        ("1 / 3", "0." + "3" * 34),
        ("2 / 3", "0." + "6" * 33 + "7"),
        ("1 = 1.0", "1"),
        ("1 == 2", "0"),
        ("1 != 2", "1"),
        ("1 <> 1", "0"),
        ("1 < 1", "0"),
        ("1 <= 1", "1"),
        ("2 > 1", "1"),
        ("1 >= 2", "0"),
        ("region = 'eu'", "1"),
        ('region != "eu"', "0"),
        ("'it''s' = \"it's\"", "1"),
        ("(1 < 2) = (3 < 4)", "1"),
        ("1 and 2", "1"),
        ("1 and 0", "0"),
        ("0 or 0.1", "1"),
        ("0 or 0", "0"),
        ("1 && 0 || 1", "1"),
        ("1 or 1 and 0", "1"),
        ("(1 or 1) and 0", "0"),
        ("not 0", "1"),
        ("not 1 = 2", "1"),
        ("not 1 and 0", "0"),
        ("!zero", "1"),
        ("NOT 1 OR 1", "1"),
        ("if(tokens > 5, 1, 2)", "1"),
        ("tokens < 5 ? 1 : 2", "2"),
        ("0 ? 1 : 0 ? 2 : 3", "3"),
        ("1 ? 0 ? 1 : 2 : 3", "2"),
        ("1 or 0 ? 5 : 6", "5"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(2.345, 2)", "2.35"),
        ("round(1250, -2)", "1300"),
        ("round(2, 5)", "2"),
        ("round(-0.4)", "0"),
        ("round(1.2345678901234565, 15)", "1.234567890123457"),
        ("10 ^ -93 > 0", "1"),
        ("10 ^ -94", "0"),
        ("floor(-2.5)", "-3"),
        ("floor(2.99, 1)", "2.9"),
        ("ceil(2.1)", "3"),
        ("ceil(-2.9)", "-2"),
        ("Math.ceil(2.1)", "3"),
        ("CEILING(2.1)", "3"),
        ("min(3, 1, 2)", "1"),
        ("max(3, 10, 2)", "10"),
        ("least(tokens, 5)", "5"),
        ("greatest(tokens)", "7"),
        ("pow(2, 10)", "1024"),
        ("abs(-2.5)", "2.5"),
        ("isnull(nothing)", "1"),
        ("isnull(absent)", "1"),
        ("isnull(tokens)", "0"),
        ("isnull(zero)", "0"),
        ("isnull(tokens + absent)", "1"),
        ("isnull(coalesce(absent, 1))", "0"),
        ("coalesce(absent, nothing, 4, 5)", "4"),
        ("coalesce(absent + 1, tokens)", "7"),
        ("if(isnull(absent), 0, absent * 2)", "0"),
        ("zero != 0 and 1 / zero > 2", "0"),
        ("zero = 0 or 1 / zero > 2", "1"),
        ("if(zero = 0, 9, 1 / zero)", "9"),
        (" \t\n1\r+ 1 ", "2"),
        ("min + 1", "8"),
        ("9" * 31 + "." + "9" * 3 + " % 2", "1.999"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    result = compile_expression(text).evaluate({**VALUES, "min": Decimal(7)})
    assert isinstance(result, Decimal)
    assert result == Decimal(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("region", "eu"),
        ("'a' ", "a"),
        ("if(tokens > 5, 'large', 'small')", "large"),
        ("concat(region, '/', tokens, '/', 1.50)", "eu/7/1.5"),
        ("coalesce(absent, 'none')", "none"),
        ("''", ""),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "fault", "position"),
    [
        ("1 + absent", Fault.MISSING_FIELD, 4),
        ("nothing", Fault.MISSING_FIELD, 0),
        ("coalesce(absent, 1 + nothing)", Fault.MISSING_FIELD, 21),
        ("1 / zero", Fault.DIVISION_BY_ZERO, 2),
        ("zero / zero", Fault.DIVISION_BY_ZERO, 5),
        ("1 % zero", Fault.DIVISION_BY_ZERO, 2),
        ("zero ^ -1", Fault.DIVISION_BY_ZERO, 5),
        ("coalesce(1 / zero, 1)", Fault.DIVISION_BY_ZERO, 11),
        ("isnull(1 / zero)", Fault.DIVISION_BY_ZERO, 9),
        ("0 ^ 0", Fault.OUT_OF_RANGE, 2),
        ("(-8) ^ 0.5", Fault.OUT_OF_RANGE, 5),
        ("10 ^ 31", Fault.OUT_OF_RANGE, 3),
        ("10 ^ 10 ^ 9", Fault.OUT_OF_RANGE, 3),
        ("1 ^ 1001", Fault.OUT_OF_RANGE, 2),
        ("10 ^ 30 * 10", Fault.OUT_OF_RANGE, 8),
        ("10 ^ 30 % 0.00001", Fault.OUT_OF_RANGE, 8),
        ("round(1, 0.5)", Fault.OUT_OF_RANGE, 0),
        ("round(1, 16)", Fault.OUT_OF_RANGE, 0),
        ("tokens + region", Fault.WRONG_TYPE, 7),
        ("'2' * 3", Fault.WRONG_TYPE, 4),
        ("-region", Fault.WRONG_TYPE, 0),
        ("region ^ 2", Fault.WRONG_TYPE, 7),
        ("region / zero", Fault.WRONG_TYPE, 7),
        ("region = 5", Fault.WRONG_TYPE, 7),
        ("region < 'us'", Fault.WRONG_TYPE, 7),
        ("region and 1", Fault.WRONG_TYPE, 0),
        ("if(region, 1, 2)", Fault.WRONG_TYPE, 3),
        ("not region", Fault.WRONG_TYPE, 4),
        ("max(1, region)", Fault.WRONG_TYPE, 0),
        ("round(region)", Fault.WRONG_TYPE, 0),
        ("abs(region)", Fault.WRONG_TYPE, 0),
    ],
)
def test_faults_of_values(text: str, fault: Fault, position: int) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(text)
    assert (caught.value.fault, caught.value.position) == (fault, position)
    assert str(caught.value).startswith(f"{fault}: ")
    assert caught.value.fields[0].message == str(caught.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(MissingField) as caught:
        value("tokens + custom.absent")
    assert caught.value.name == "custom.absent"
    assert str(caught.value) == (
        "missing-field: the field custom.absent is missing (at offset 9 of the expression)"
    )


def test_a_joined_text_is_bounded() -> None:
    texts = {"t": "x" * 512}
    assert compile_expression("concat(t, '')").evaluate(dict(texts)) == "x" * 512
    with pytest.raises(EvaluationError) as caught:
        compile_expression("concat(t, 'x')").evaluate(dict(texts))
    assert caught.value.fault is Fault.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "expected a number, a text, a field or a function, found the end"),
        ("1 +", 3, "expected a number, a text, a field or a function, found the end"),
        ("1 + * 2", 4, 'expected a number, a text, a field or a function, found "*"'),
        ("(1 + 2", 6, 'expected ")" to close the "(" at offset 0, found the end'),
        ("1 + 2)", 5, 'expected an operator or the end, found ")"'),
        ("tokens requests", 7, 'expected an operator or the end, found "requests"'),
        ("1 'a'", 2, "expected an operator or the end, found a text"),
        ("1e3", 1, 'expected an operator or the end, found "e3"'),
        ("1 ? 2", 5, 'expected ":" and the other value of "?", found the end'),
        ("max(1, 2", 8, 'expected ")" after the arguments of max, found the end'),
        ("1 < 2 < 3", 6, 'comparisons are not chained; join them with "and"'),
        ("1 = 2 != 3", 6, 'comparisons are not chained; join them with "and"'),
        ("2 * rond(1)", 4, 'unknown function "rond"; did you mean "round"?'),
        ("Math.cil(1)", 0, 'unknown function "Math.cil"; did you mean "ceil"?'),
        ("xyzzy(1)", 0, 'unknown function "xyzzy"; there are if, isnull, coalesce, round,'),
        ("if(1, 2)", 0, "if(condition, then, otherwise) does not take 2 arguments"),
        ("round()", 0, "round(number[, digits]) does not take 0 arguments"),
        ("`f`(1)", 3, 'expected an operator or the end, found "("'),
        ("'open", 0, "the closing ' is missing"),
        ('1 = "open', 4, 'the closing " is missing'),
        ("`open", 0, "the closing ` is missing"),
        ("1 & 2", 2, 'unexpected "&"; write "and" or "or"'),
        ("1 # 2", 2, "unexpected character '#'"),
        ("a..b", 1, "unexpected character '.'"),
        ("0." + "9" * MAX_DIGITS, 0, "a number has at most 34 digits"),
        ("-1" + "0" * 31, 1, "a number is below 10^31"),
    ],
)
def test_faults_of_texts(text: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert caught.value.position == position
    assert str(caught.value).startswith(f"at offset {position}: {message}")
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.fields[0].message == str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "eval('1')",
        "().__class__",
        "tokens.__class__",
        "tokens.as_tuple()",
        "'a'.join('b')",
        "[1][0]",
        "{}",
        "lambda: 1",
        "1 if 1 else 2",
        "x := 1",
        "'%s' % 1",
        "'a' * 9",
        "tokens ** 2",
        "`__builtins__`",
        "1; 2",
        "1\x002",
        "١ + 1",  # noqa: RUF001 - digits of other scripts are the point
    ],
)
def test_python_is_out_of_reach(text: str) -> None:
    with pytest.raises((ExpressionError, EvaluationError)):
        value(text)


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("isnull()", 0),
        ("isnull(1, 2)", 2),
        ("coalesce()", 0),
        ("if(1, 2, 3, 4)", 4),
        ("round(1, 2, 3)", 3),
        ("floor()", 0),
        ("ceil(1, 2, 3)", 3),
        ("min()", 0),
        ("max()", 0),
        ("pow(1)", 1),
        ("pow(1, 2, 3)", 3),
        ("abs()", 0),
        ("abs(1, 2)", 2),
        ("concat()", 0),
    ],
)
def test_the_number_of_arguments_is_checked(call: str, given: int) -> None:
    with pytest.raises(ExpressionError, match=f"does not take {given} arguments"):
        compile_expression(call)


def test_one_argument_is_enough() -> None:
    for call in ("coalesce(2)", "min(2)", "max(2)", "round(2)", "floor(2)", "ceil(2)", "abs(2)"):
        assert value(call) == 2
    assert value("concat(2)") == "2"


def test_names_are_all_fields_that_may_be_read() -> None:
    text = "if(a > 1, -b * `c-d`, coalesce(e.f, max(g, 'h'))) ? not i and j : pow(k, 2) + a"
    names = {"a", "b", "c-d", "e.f", "g", "i", "j", "k"}
    assert compile_expression(text).names == names


def test_expressions_of_equal_text_are_equal_and_frozen() -> None:
    one = compile_expression("a + 1")
    assert one == compile_expression("a + 1")
    assert one != compile_expression("a + 2")
    assert len({one, compile_expression("a + 1")}) == 1
    with pytest.raises(AttributeError):
        one.text = "a + 2"  # type: ignore[misc]  # that it is refused is the test


def test_length_is_bounded() -> None:
    longest = "+".join(["1"] * (MAX_LENGTH // 2)) + " "
    assert len(longest) == MAX_LENGTH
    assert value(longest) == MAX_LENGTH // 2
    with pytest.raises(ExpressionError, match="at most 2000 characters"):
        compile_expression(longest + " ")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", ")"),
        ("-", ""),
        ("not ", ""),
        ("2^", ""),
        ("abs(", ")"),
        ("max(1, ", ")"),
        ("1 ? 1 : ", ""),
        ("1 ? ", " : 1"),
        ("0 or 1 and 1 = 1 + 1 * (", ")"),
        ("0 or 1 and 1 = 1 + 1 * coalesce(absent, ", ")"),
    ],
)
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    deepest = compile_expression(opening * MAX_NESTING + "1" + closing * MAX_NESTING)
    if opening != "2^":
        assert isinstance(deepest.evaluate(VALUES), Decimal)
    with pytest.raises(ExpressionError, match="nested deeper than 24 levels"):
        compile_expression(opening * (MAX_NESTING + 1) + "1" + closing * (MAX_NESTING + 1))


def test_siblings_do_not_count_as_nesting() -> None:
    assert value(" + ".join(["(1)"] * (MAX_NESTING * 4))) == MAX_NESTING * 4
    assert value(f"max({', '.join(['(2)'] * 64)})") == 2
    with pytest.raises(ExpressionError, match="does not take 65 arguments"):
        compile_expression(f"max({', '.join(['2'] * 65)})")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 / 3", "0.333333333"),
        ("2 / 3", "0.666666667"),
        ("0.0000000005", "0.000000001"),
        ("-0.0000000005", "-0.000000001"),
        ("999999999999999.999999999", "999999999999999.999999999"),
    ],
)
def test_a_derived_number_can_be_measured(text: str, expected: str) -> None:
    assert compile_expression(text).derive({}) == Decimal(expected)


@pytest.mark.parametrize("text", ["10 ^ 15", "-(10 ^ 15)", "999999999999999.9999999995"])
def test_a_derived_number_is_bounded(text: str) -> None:
    with pytest.raises(EvaluationError, match=r"not below 10\^15"):
        compile_expression(text).derive({})


def test_a_derived_text_is_bounded() -> None:
    assert compile_expression("region").derive(VALUES) == "eu"
    long = compile_expression(f"'{'x' * 513}'")
    with pytest.raises(EvaluationError, match="more than 512 characters"):
        long.derive({})
