"""Arithmetic that is read, never executed: an expression is parsed, and what is no number, operator or named function is refused."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from core.errors import WorkbenchError

MOST_DIGITS = 300  # behind, or before, the point, to which a number is rounded
LONGEST = 200  # characters of an expression
LARGEST = 1e300  # absolute value of any number on the way
MOST_POWER = 1000


def _rounded(number: int | float, digits: int = 0) -> int | float:
    """Python makes a number of so many digits to round a whole one."""
    if abs(digits) > MOST_DIGITS:
        raise OverflowError(f"a number is rounded to {MOST_DIGITS} digits at most")
    return round(number, digits) if digits else round(number)


OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "log10": math.log10,
    "max": max,
    "min": min,
    "round": _rounded,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
CONSTANTS = {"pi": math.pi, "e": math.e}


def calculate(expression: str) -> int | float:
    """The value of an expression such as "2 * (3 + sqrt(16))". WorkbenchError says what cannot be read or computed."""
    if len(expression) > LONGEST:
        raise WorkbenchError(f"The expression has more than {LONGEST} characters.")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise WorkbenchError(f"'{expression:.60}' is no expression.", todo="For example: 2 * (3 + 4)") from error
    try:
        return _value(tree.body)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise WorkbenchError(f"It cannot be computed: {error}.") from error


def _value(node: ast.expr) -> int | float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=sign, operand=inner) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_value(inner))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            return _bounded(_combined(type(sign), _value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as inner, keywords=[]) if name in FUNCTIONS:
            return _bounded(FUNCTIONS[name](*map(_value, inner)))
    raise WorkbenchError(
        f"'{ast.unparse(node):.60}' is not allowed.", todo=f"Numbers, + - * / // % **, and {', '.join(FUNCTIONS)}."
    )


def _combined(sign: type, left: int | float, right: int | float) -> int | float:
    if sign is ast.Pow and (abs(right) > MOST_POWER or abs(right) * math.log10(max(abs(left), 1)) > math.log10(LARGEST)):
        raise OverflowError("the power is too large")
    return OPERATORS[sign](left, right)


def _bounded(number: Any) -> int | float:
    """A real number of a size that can be written down."""
    if isinstance(number, complex) or abs(number) > LARGEST:
        raise OverflowError("a number on the way is not real, or too large")
    return number
