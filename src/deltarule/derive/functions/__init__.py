"""NumPy's functions on traced values, written in primitives; one file a family.

In: the arguments of the NumPy function. Out: traced values. A function or an argument that is not here
raises ``NoRuleError``.
"""

from deltarule.derive.functions import (
    calling,
    create,
    edit,
    elementwise,
    fourier,
    join,
    linalg,
    methods,
    order,
    pad,
    polynomial,
    product,
    quantile,
    reduce,
    running,
    shape,
    statistics,
    windows,
)
from deltarule.derive.functions.arguments import as_array, as_float, axes_of, axis_of

__all__ = ["as_array", "as_float", "axes_of", "axis_of"]
