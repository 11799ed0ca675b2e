"""The functions of scalar expressions, by NumPy's names, written in IR on vectors.

In: a ``Term`` of float32 or float64. Out: a ``Term``, within 2 ulp (float32) or 4 ulp (float64) of the exact
value, subnormal or not; infinities and NaN as NumPy has them; the same bits in every lane of every width.
"""

from __future__ import annotations

import re
from typing import Any

from deltarule.compile.llvm.addresses import MODULES
from deltarule.compile.llvm.circular import arccos, arcsin, arctan, arctan2, cos, sin
from deltarule.compile.llvm.division import floor_divide, remainder
from deltarule.compile.llvm.exponential import erf, exp, expm1, log, log1p, sigmoid, sqrt, tanh
from deltarule.compile.llvm.library import NAMES
from deltarule.compile.llvm.power import power
from deltarule.compile.llvm.special import SPECIAL
from deltarule.compile.llvm.text import Function
from deltarule.compile.llvm.zeta import zeta

FUNCTIONS: dict[str, Any] = {
    "arccos": arccos,
    "arcsin": arcsin,
    "arctan": arctan,
    "arctan2": arctan2,
    "cos": cos,
    "erf": erf,
    "exp": exp,
    "expm1": expm1,
    "floor_divide": floor_divide,
    "log": log,
    "log1p": log1p,
    "pow": power,
    "remainder": remainder,
    "sigmoid": sigmoid,
    "sin": sin,
    "special": SPECIAL,
    "sqrt": sqrt,
    "tanh": tanh,
    "zeta": zeta,
}


IMPORTED = re.compile(rf"declare [^@]+@((?:{'|'.join(NAMES)})f?|(?:{'|'.join(MODULES)})\.[\w.]+)\(")


def imports(function: Function) -> set[str]:
    """Functions of the C library and of SciPy that a function calls."""
    return {found[1] for need in function.needs if (found := IMPORTED.match(need))}
