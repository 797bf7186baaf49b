"""The language of derived fields and compound aggregations (semantics, rules 6 and 8)."""

from shared.domain.usage.expression.expression import Expression, compile_expression
from shared.domain.usage.expression.faults import (
    EvaluationError,
    ExpressionError,
    Fault,
    MissingField,
)

__all__ = [
    "compile_expression",
    "Expression",
    "ExpressionError",
    "EvaluationError",
    "MissingField",
    "Fault",
]
