"""The scalar expressions of Map lowerings, written as LLVM instructions on one number or on a vector of numbers.

In: an expression such as ``select(x0 < 0, 0, x0)`` and the values of its variables. Out: the value. The expression is Python:
it is evaluated on ``Term``, whose operators write instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from deltarule.compile.llvm.text import BOOL, F32, F64, I32, I64, Function, Value, constant

INT_OF = {F32: I32, F64: I64}
Operand = Any  # a Term, or a Python number that takes the type of the other operand


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
        return self.value.dtype

    def same(self, x: Operand) -> Term:
        """``x`` as a term of this one's type."""
        if isinstance(x, Term):
            return x
        return Term(self.function, constant(x, self.dtype, self.value.lanes))

    def write(self, instruction: str, *others: Operand, dtype: np.dtype[Any] | None = None) -> Term:
        """An instruction on this term and others of its type."""
        values = (self.same(x).value for x in others)
        return Term(self.function, self.function.op(instruction, self.value, *values, dtype=dtype))

    def by_kind(self, floats: str, signed: str, unsigned: str | None = None, bools: str | None = None) -> str:
        """The instruction for this dtype."""
        words = {"f": floats, "i": signed, "u": unsigned or signed, "b": bools or unsigned or signed}
        return words[self.dtype.kind]

    def __add__(self, x: Operand) -> Term:
        return self.write(self.by_kind("fadd", "add", bools="or"), x)

    def __radd__(self, x: Operand) -> Term:
        return self.same(x) + self

    def __sub__(self, x: Operand) -> Term:
        return self.write(self.by_kind("fsub", "sub"), x)

    def __rsub__(self, x: Operand) -> Term:
        return self.same(x) - self

    def __mul__(self, x: Operand) -> Term:
        return self.write(self.by_kind("fmul", "mul", bools="and"), x)

    def __rmul__(self, x: Operand) -> Term:
        return self.same(x) * self

    def __truediv__(self, x: Operand) -> Term:
        return self.write("fdiv", x)

    def __rtruediv__(self, x: Operand) -> Term:
        return self.same(x) / self

    def __neg__(self) -> Term:
        if self.dtype.kind == "f":
            return Term(self.function, Value(self.function.pure(f"fneg {self.value}"), self.dtype, self.value.lanes))
        return 0 - self

    def __and__(self, x: Operand) -> Term:
        return self.write("and", x)

    def __or__(self, x: Operand) -> Term:
        return self.write("or", x)

    def __rshift__(self, x: Operand) -> Term:
        bits = 8 * self.dtype.itemsize
        other = self.same(x)
        fits = other.write("icmp ult", bits, dtype=BOOL)
        if self.dtype.kind == "u":
            return choose(fits, self.write("lshr", choose(fits, other, 0)), 0)
        return self.write("ashr", choose(fits, other, bits - 1))

    def compare(self, floats: str, signed: str, unsigned: str, x: Operand) -> Term:
        """A comparison."""
        return self.write(self.by_kind(f"fcmp {floats}", f"icmp {signed}", f"icmp {unsigned}"), x, dtype=BOOL)

    def __eq__(self, x: Operand) -> Term:  # type: ignore[override]
        return self.compare("oeq", "eq", "eq", x)

    def __ne__(self, x: Operand) -> Term:  # type: ignore[override]
        return self.compare("une", "ne", "ne", x)

    def __lt__(self, x: Operand) -> Term:
        return self.compare("olt", "slt", "ult", x)

    def __le__(self, x: Operand) -> Term:
        return self.compare("ole", "sle", "ule", x)

    def __gt__(self, x: Operand) -> Term:
        return self.compare("ogt", "sgt", "ugt", x)

    def __ge__(self, x: Operand) -> Term:
        return self.compare("oge", "sge", "uge", x)

    def intrinsic(self, name: str, *others: Operand) -> Term:
        """An LLVM intrinsic on terms of this type."""
        return Term(self.function, self.function.intrinsic(name, self.value, *(self.same(x).value for x in others)))

    def bits(self, dtype: np.dtype[Any]) -> Term:
        """The same bits as another type of the same size."""
        return Term(self.function, self.function.convert("bitcast", self.value, dtype))

    def fma(self, a: Operand, b: Operand) -> Term:
        """self * a + b, rounded once where the processor can."""
        return self.intrinsic("fmuladd", a, b)


def choose(condition: Term, a: Operand, b: Operand) -> Any:
    """a where the condition holds, else b. Two bare numbers stay so until the type is known."""
    if not isinstance(a, Term) and not isinstance(b, Term):
        return Choice(condition, a, b)
    like = a if isinstance(a, Term) else b
    a, b = like.same(a).value, like.same(b).value
    return Term(condition.function, condition.function.select(condition.value, a, b))


class Choice:
    """A choice between two numbers whose type is that of what it meets."""

    def __init__(self, condition: Term, a: Any, b: Any) -> None:
        self.condition, self.a, self.b = condition, a, b


def cast(x: Term, dtype: np.dtype[Any]) -> Term:
    """``x`` as another dtype, as ``astype`` does it."""
    old = x.dtype
    if old == dtype:
        return x
    if dtype.kind == "b":
        return x != 0
    if old.kind == "f" and dtype.kind == "f":
        word = "fpext" if dtype.itemsize > old.itemsize else "fptrunc"
    elif dtype.kind == "f":
        word = "sitofp" if old.kind == "i" else "uitofp"
    elif old.kind == "f":
        return _float_to_int(x, dtype)
    elif old.kind == "b" or dtype.itemsize > old.itemsize:
        word = "sext" if old.kind == "i" else "zext"
    elif dtype.itemsize == old.itemsize:
        return Term(x.function, x.value._replace(dtype=dtype))
    else:
        word = "trunc"
    return Term(x.function, x.function.convert(word, x.value, dtype))


def _float_to_int(x: Term, dtype: np.dtype[Any]) -> Term:
    """Cut to an integer. Outside its range the result is some number, never undefined behaviour."""
    wide = I64 if dtype.itemsize == 8 else I32
    word = "fptoui" if dtype == np.dtype("uint64") else "fptosi"
    if dtype == np.dtype("uint32"):
        wide = I64
    raw = x.function.convert(word, x.value, dtype if word == "fptoui" else wide)
    frozen = Value(x.function.pure(f"freeze {raw}"), raw.dtype, raw.lanes)
    return cast(Term(x.function, frozen), dtype)


def maximum(a: Operand, b: Operand) -> Term:
    """The larger; NaN where either is NaN."""
    return _extreme(a, b, "oge")


def minimum(a: Operand, b: Operand) -> Term:
    """The smaller; NaN where either is NaN."""
    return _extreme(a, b, "ole")


def _extreme(a: Operand, b: Operand, word: str) -> Term:
    like = a if isinstance(a, Term) else b
    a, b = like.same(a), like.same(b)
    first = a.compare(word, f"s{word[1:]}", f"u{word[1:]}", b)
    if a.dtype.kind == "f":
        first = first | a.compare("uno", "", "", a)
    return choose(first, a, b)


def absolute(x: Term) -> Term:
    """Without its sign."""
    if x.dtype.kind == "f":
        return x.intrinsic("fabs")
    return x if x.dtype.kind in "ub" else choose(x < 0, -x, x)


@lru_cache(maxsize=None)
def _code(expression: str) -> CodeType:
    return compile(expression, "<scalar expression>", "eval")


def evaluate(
    expression: str,
    args: Sequence[Value],
    dtype: np.dtype[Any],
    function: Function,
    attrs: Mapping[str, Any] | None = None,
) -> Value:
    """Write the instructions of an expression over x0, x1, ... and give its value."""
    from deltarule.compile.llvm.vectormath import FUNCTIONS

    names: dict[str, Any] = {**FUNCTIONS, **(attrs or {})}
    names |= {f"x{i}": Term(function, value) for i, value in enumerate(args)}
    names |= {"select": choose, "maximum": maximum, "minimum": minimum, "abs": absolute}
    names["floor"] = lambda x: x.intrinsic("floor")
    names["cast"] = lambda x: cast(x, dtype)
    found = eval(_code(expression), {"__builtins__": {}}, names)
    lanes = args[0].lanes if args else 1
    if isinstance(found, Choice):
        a, b = constant(found.a, dtype, lanes), constant(found.b, dtype, lanes)
        return function.select(found.condition.value, a, b)
    return found.value if isinstance(found, Term) else constant(found, dtype, lanes)


Scalar = Callable[..., Term]
