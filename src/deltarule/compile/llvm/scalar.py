"""The scalar expressions of Map lowerings, written as LLVM instructions on a number or a vector.

In: an expression such as ``select(x0 < 0, 0, x0)`` and the values of its variables. Out: the value. The
expression is Python: it is evaluated on ``Term``, whose operators write instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from deltarule.compile.llvm.text import (
    BOOL,
    F32,
    F64,
    I32,
    I64,
    Function,
    Value,
    constant,
)

INT_OF = {F32: I32, F64: I64}
FLOAT_OF: dict[np.dtype[Any], np.dtype[Any]] = {I32: F32, I64: F64}
U32, U64 = np.dtype("uint32"), np.dtype("uint64")
Operand = Any  # a Term, or a Python number that takes the type of what it meets


class Term:
    """A value within an expression. Operators write instructions with NumPy's meaning.

    Parameters
    ----------
    function : Function
        Where the instructions go.
    value : Value
        The number or vector.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, function: Function, value: Value) -> None:
        self.function = function
        self.value = value

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of one lane."""
        assert self.value.dtype is not None
        return self.value.dtype

    def same(self, x: Operand) -> Term:
        """``x`` as a term of this one's type."""
        if isinstance(x, Choice):
            return x.of(self.dtype, self.value.lanes)
        if isinstance(x, Term):
            return x
        return Term(self.function, constant(x, self.dtype, self.value.lanes))

    def write(
        self,
        instruction: str,
        *others: Operand,
        dtype: Any = None,
    ) -> Term:
        """An instruction on this term and others of its type."""
        values = [self.same(x).value for x in others]
        found = self.function.op(instruction, self.value, *values, dtype=dtype)
        return Term(self.function, found)

    def of_kind(
        self,
        floats: str,
        integers: str,
        bools: str,
    ) -> str:
        """The instruction for this dtype."""
        return {"f": floats, "b": bools}.get(self.dtype.kind, integers)

    def __add__(self, x: Operand) -> Term:
        return self.write(self.of_kind("fadd", "add", "or"), x)

    def __radd__(self, x: Operand) -> Term:
        return self.same(x) + self

    def __sub__(self, x: Operand) -> Term:
        return self.write(self.of_kind("fsub", "sub", "xor"), x)

    def __rsub__(self, x: Operand) -> Term:
        return self.same(x) - self

    def __mul__(self, x: Operand) -> Term:
        return self.write(self.of_kind("fmul", "mul", "and"), x)

    def __rmul__(self, x: Operand) -> Term:
        return self.same(x) * self

    def __truediv__(self, x: Operand) -> Term:
        return self.write("fdiv", x)

    def __rtruediv__(self, x: Operand) -> Term:
        return self.same(x) / self

    def __neg__(self) -> Term:
        if self.dtype.kind != "f":
            return 0 - self
        text = self.function.pure(f"fneg {self.value}")
        return Term(self.function, self.value._replace(text=text))

    def __and__(self, x: Operand) -> Term:
        return self.write("and", x)

    def __or__(self, x: Operand) -> Term:
        return self.write("or", x)

    def __rshift__(self, x: Operand) -> Term:
        bits = 8 * self.dtype.itemsize
        by = self.same(x)
        fits = by.write("icmp ult", bits, dtype=BOOL)
        if self.dtype.kind == "i":
            return self.write("ashr", choose(fits, by, bits - 1))
        shifted: Term = choose(fits, self.write("lshr", choose(fits, by, 0)), 0)
        return shifted

    def compare(self, word: str, x: Operand) -> Term:
        """A comparison, ``eq ne lt le gt ge``; NaN is unequal to everything."""
        if self.dtype.kind == "f":
            return self.write(f"fcmp {'une' if word == 'ne' else 'o' + word}", x, dtype=BOOL)
        sign = "" if word in ("eq", "ne") else "s" if self.dtype.kind == "i" else "u"
        return self.write(f"icmp {sign}{word}", x, dtype=BOOL)

    def __eq__(self, x: Operand) -> Term:  # type: ignore[override]
        return self.compare("eq", x)

    def __ne__(self, x: Operand) -> Term:  # type: ignore[override]
        return self.compare("ne", x)

    def __lt__(self, x: Operand) -> Term:
        return self.compare("lt", x)

    def __le__(self, x: Operand) -> Term:
        return self.compare("le", x)

    def __gt__(self, x: Operand) -> Term:
        return self.compare("gt", x)

    def __ge__(self, x: Operand) -> Term:
        return self.compare("ge", x)

    def intrinsic(self, name: str, *others: Operand) -> Term:
        """An LLVM intrinsic on terms of this type."""
        values = [self.same(x).value for x in others]
        return Term(self.function, self.function.intrinsic(name, self.value, *values))

    def convert(self, word: str, dtype: np.dtype[Any]) -> Term:
        """A conversion by one instruction."""
        return Term(self.function, self.function.convert(word, self.value, dtype))

    def fma(self, a: Operand, b: Operand) -> Term:
        """self * a + b, rounded once where the processor can."""
        return self.intrinsic("fmuladd", a, b)


class Choice:
    """A choice between two bare numbers, whose type is that of what it meets."""

    def __init__(
        self,
        condition: Term,
        a: Any,
        b: Any,
    ) -> None:
        self.condition, self.a, self.b = condition, a, b

    def of(self, dtype: np.dtype[Any], lanes: int) -> Term:
        """The choice among numbers of a type."""
        a, b = (constant(x, dtype, lanes) for x in (self.a, self.b))
        function = self.condition.function
        return Term(function, function.select(self.condition.value, a, b))


def choose(condition: Term, a: Operand, b: Operand) -> Any:
    """a where the condition holds, else b."""
    like = next((x for x in (a, b) if isinstance(x, Term)), None)
    if like is None:
        return Choice(condition, a, b)
    values = like.same(a).value, like.same(b).value
    return Term(condition.function, condition.function.select(condition.value, *values))


def maximum(a: Operand, b: Operand) -> Term:
    """The larger; NaN where either is NaN."""
    return extreme(a, b, "ge")


def minimum(a: Operand, b: Operand) -> Term:
    """The smaller; NaN where either is NaN."""
    return extreme(a, b, "le")


def extreme(a: Operand, b: Operand, word: str) -> Term:
    """a where it compares so to b or is NaN, else b."""
    like = a if isinstance(a, Term) else b
    a, b = like.same(a), like.same(b)
    first = a.compare(word, b)
    if a.dtype.kind == "f":
        first = first | (a != a)
    chosen: Term = choose(first, a, b)
    return chosen


def absolute(x: Term) -> Term:
    """x without its sign."""
    if x.dtype.kind == "f":
        return x.intrinsic("fabs")
    chosen: Term = x if x.dtype.kind in "ub" else choose(x < 0, -x, x)
    return chosen


def cast(x: Term, dtype: np.dtype[Any]) -> Term:
    """``x`` as another dtype, as ``astype`` does it."""
    old = x.dtype
    if old == dtype:
        return x
    if dtype.kind == "b":
        return x != 0
    if old.kind == "f":
        if dtype.kind == "f":
            return x.convert("fpext" if dtype == F64 else "fptrunc", dtype)
        return float_to_int(x, dtype)
    if dtype.kind == "f":
        return x.convert("sitofp" if old.kind == "i" else "uitofp", dtype)
    if old.kind == "b" or dtype.itemsize > old.itemsize:
        return x.convert("sext" if old.kind == "i" else "zext", dtype)
    if dtype.itemsize < old.itemsize:
        return x.convert("trunc", dtype)
    return Term(x.function, x.value._replace(dtype=dtype))


def as_integer(x: Term) -> Term:
    """The bits of a float."""
    return x.convert("bitcast", INT_OF[x.dtype])


def as_float(bits: Term) -> Term:
    """The float that has these bits."""
    return bits.convert("bitcast", FLOAT_OF[bits.dtype])


def bits_of(value: float, dtype: np.dtype[Any]) -> int:
    """The bits of a number, as an integer."""
    return int(np.array(value, dtype).view(INT_OF[dtype]))


def is_negative(x: Term) -> Term:
    """Whether the sign of a float is set, that of -0.0 too."""
    return as_integer(x) < 0


def float_to_int(x: Term, dtype: np.dtype[Any]) -> Term:
    """Cut to an integer. Outside its range the result is some number, never undefined behaviour."""
    if dtype == U64:
        raw = x.convert("fptoui", U64)
    else:
        raw = x.convert("fptosi", I64 if dtype.itemsize == 8 or dtype == U32 else I32)
    frozen = raw.function.pure(f"freeze {raw.value}")
    return cast(Term(raw.function, raw.value._replace(text=frozen)), dtype)


@cache
def code_of(expression: str) -> CodeType:
    """The expression, read once."""
    return compile(expression, "<scalar expression>", "eval")


def evaluate(
    expression: str,
    args: Sequence[Value],
    dtype: np.dtype[Any],
    function: Function,
) -> Value:
    """Write the instructions of an expression over x0, x1, ... and give its value."""
    from deltarule.compile.llvm.vectormath import FUNCTIONS

    names: dict[str, Any] = {
        **FUNCTIONS,
        "select": choose,
        "maximum": maximum,
        "minimum": minimum,
        "abs": absolute,
        "floor": lambda x: x.intrinsic("floor"),
        "rint": lambda x: x.intrinsic("rint"),
        "cast": lambda x: cast(x, dtype),
        "__builtins__": {},
    }
    for i, value in enumerate(args):
        names[f"x{i}"] = Term(function, value)
    found = eval(code_of(expression), names)
    like = Term(function, Value("", dtype, args[0].lanes))
    return like.same(found).value
