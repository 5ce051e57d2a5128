"""Arithmetic, rounding, exponentials, trigonometry, constants and indices of single numbers."""

# ruff: noqa: A002, N803, D103 -- processes and their parameters are named by the specification
# One line of docstring for each would only repeat the specification, which is their documentation.

import math
from typing import Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.processes.elements import numbers
from terrafair.execution.engines.openeo.values import is_block, is_number


def absolute(x: Any) -> Any:
    return numbers(np.abs, x=x)


def add(x: Any, y: Any) -> Any:
    return numbers(np.add, x=x, y=y)


def subtract(x: Any, y: Any) -> Any:
    return numbers(np.subtract, x=x, y=y)


def multiply(x: Any, y: Any) -> Any:
    return numbers(np.multiply, x=x, y=y)


def divide(x: Any, y: Any) -> Any:
    return numbers(np.divide, x=x, y=y)


def mod(x: Any, y: Any) -> Any:
    """The remainder with the sign of the divisor; by IEEE 754 the finite x stays where y is infinite."""

    def remainder(one: Any, two: Any) -> Any:
        found = np.mod(one, two)
        found = np.where(np.isinf(two) & np.isfinite(one), one, found)
        return np.where((two == 0) & np.isfinite(one), np.divide(one, two), found)

    if all(isinstance(value, int) for value in (x, y)) and y != 0:
        return x % y
    return numbers(remainder, x=x, y=y)


def power(base: Any, p: Any) -> Any:
    if isinstance(base, int) and isinstance(p, int) and not isinstance(base, bool):
        try:
            return float(base) ** p if base or p >= 0 else math.inf
        except OverflowError:
            return -math.inf if base < 0 and p % 2 else math.inf
    return numbers(np.power, base=base, p=p)


def sqrt(x: Any) -> Any:
    return numbers(np.sqrt, x=x)


def exp(p: Any) -> Any:
    return numbers(np.exp, p=p)


def ln(x: Any) -> Any:
    return numbers(np.log, x=x)


def log(x: Any, base: Any) -> Any:
    """Exact for the bases 2 and 10, where the quotient of logarithms is not."""
    exact = {2: np.log2, 10: np.log10}
    if is_number(base) and base in exact:
        return numbers(exact[base], x=x)
    return numbers(lambda value, of: np.log(value) / np.log(of), x=x, base=base)


def sgn(x: Any) -> Any:
    return numbers(np.sign, x=x)


def ceil(x: Any) -> Any:
    return _whole(numbers(np.ceil, x=x))


def floor(x: Any) -> Any:
    return _whole(numbers(np.floor, x=x))


def int_(x: Any) -> Any:
    """The integer part; not-a-number has none."""
    if isinstance(x, float) and math.isnan(x):
        return None
    return _whole(numbers(np.trunc, x=x))


def round_(x: Any, p: Any = 0) -> Any:
    # Beyond the range of doubles there is nothing to round, and powers of ten take forever.
    digits = p if not is_number(p) else max(-300, min(301, p))
    if is_number(digits) and digits > 300:
        return x
    return numbers(lambda value: np.round(value if is_block(value) else np.float64(value), digits), x=x)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return value.__int__() if abs(value) < 2**53 else value
    return value


def clip(x: Any, min: Any, max: Any) -> Any:
    if is_number(min) and is_number(max) and max < min:
        what = f"The maximum {max} is smaller than the minimum {min}."
        raise InvalidInput(what, remedy="Swap them.", code="min-max-swapped")
    return numbers(lambda value, low, high: np.minimum(np.maximum(value, low), high), x=x, min=min, max=max)


def linear_scale_range(x: Any, inputMin: Any, inputMax: Any, outputMin: Any = 0, outputMax: Any = 1) -> Any:
    def scale(value: Any, low: Any, high: Any, first: Any, last: Any) -> Any:
        least, most = np.minimum(low, high), np.maximum(low, high)
        inside = np.minimum(np.maximum(value, least), most)
        return (inside - low) / (np.float64(1) * high - low if not is_block(value) else high - low) * (
            last - first
        ) + first

    return numbers(
        scale, x=x, inputMin=inputMin, inputMax=inputMax, outputMin=outputMin, outputMax=outputMax
    )  # fmt: skip


def normalized_difference(x: Any, y: Any) -> Any:
    """(x - y) / (x + y), in floats: unsigned integers would wrap."""
    return numbers(lambda one, two: np.divide(one - two, one + two), x=x, y=y)


def cos(x: Any) -> Any:
    return numbers(np.cos, x=x)


def cosh(x: Any) -> Any:
    return numbers(np.cosh, x=x)


def sin(x: Any) -> Any:
    return numbers(np.sin, x=x)


def sinh(x: Any) -> Any:
    return numbers(np.sinh, x=x)


def tan(x: Any) -> Any:
    return numbers(np.tan, x=x)


def tanh(x: Any) -> Any:
    return numbers(np.tanh, x=x)


def arccos(x: Any) -> Any:
    return numbers(np.arccos, x=x)


def arcosh(x: Any) -> Any:
    return numbers(np.arccosh, x=x)


def arcsin(x: Any) -> Any:
    return numbers(np.arcsin, x=x)


def arsinh(x: Any) -> Any:
    return numbers(np.arcsinh, x=x)


def arctan(x: Any) -> Any:
    return numbers(np.arctan, x=x)


def artanh(x: Any) -> Any:
    return numbers(np.arctanh, x=x)


def arctan2(y: Any, x: Any) -> Any:
    return numbers(np.arctan2, y=y, x=x)


def constant(x: Any) -> Any:
    return x


def e() -> float:
    return math.e


def pi() -> float:
    return math.pi


def nan() -> float:
    return math.nan
