"""SciPy's special functions, called for each lane by the pointers that SciPy has for C.

In: a name and ``Term``s; integers go where the function wants integers. Out: a ``Term``, or one for each
result of a function that has several. Floats are float64 inside, as in SciPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from deltarule.compile.llvm.addresses import kinds_of
from deltarule.compile.llvm.library import in_each_lane
from deltarule.compile.llvm.scalar import Term, cast
from deltarule.compile.llvm.text import ATTRIBUTES, F64, I64
from deltarule.errors import CompileError

TYPES = {
    "d": "double",
    "i": "i64",
    "p": "ptr",
    "s": "i32",
    "n": "ptr",
}  # by the letters of a declaration
LAST = {"s": ", i32 0", "n": ", ptr null"}  # what each function wants after the numbers


class Scipy:
    """SciPy's special functions, ``SPECIAL.gammaln(x)``."""

    def __getattr__(self, name: str) -> Callable[..., Term | Results]:
        """One of them."""
        return partial(from_scipy, name)


SPECIAL = Scipy()


class Results:
    """The results of a function that writes several: each is computed when it is asked for.

    Parameters
    ----------
    word, kinds : str
        The function, and the letters of its declaration.
    args : sequence of Term
        What it is called with.
    dtype : dtype
        What the results are cast to.
    """

    def __init__(
        self,
        word: str,
        kinds: str,
        args: Sequence[Term],
        dtype: np.dtype[Any],
    ) -> None:
        self.word, self.kinds = word, kinds
        self.args, self.dtype = args, dtype

    def __getitem__(self, place: int) -> Term:
        """One of them."""
        self.args[0].function.needs.add(declared("void", self.word, self.kinds))
        word = f"{self.word}.{place}"
        need = one_result(word, self.word, self.kinds, place)
        return cast(in_each_lane(word, need, *self.args), self.dtype)


def from_scipy(name: str, *args: Term) -> Term | Results:
    """A special function of SciPy on each lane."""
    found = args[-1].dtype
    given = "".join("d" if x.dtype.kind == "f" else "i" for x in args)
    word = f"special.{name}" + (f".{given}" if "i" in given else "")
    kinds = kinds_of(word)
    if kinds.rstrip("psn") != given:
        raise CompileError(
            f"SciPy has no C function {name} of {len(args)} numbers ({given}); "
            "DELTARULE_BACKEND=numpy interprets"
        )
    exact = [cast(x, I64 if x.dtype.kind != "f" else F64) for x in args]
    if "p" in kinds:
        return Results(word, kinds, exact, found)
    last = "".join(LAST[kind] for kind in kinds[len(given) :])
    return cast(in_each_lane(word, declared("double", word, kinds), *exact, last=last), found)


def declared(result: str, word: str, kinds: str) -> str:
    """The declaration of a C function."""
    return f"declare {result} @{word}({', '.join(TYPES[kind] for kind in kinds)})"


def one_result(name: str, word: str, kinds: str, place: int) -> str:
    """The definition of a function that gives one of the results of another."""
    count, given = kinds.count("p"), kinds.rstrip("p")
    numbers = [f"{TYPES[kind]} %x{i}" for i, kind in enumerate(given)]
    rooms = [f"  %y{i} = alloca double" for i in range(count)]
    places = [f"ptr %y{i}" for i in range(count)]
    return "\n".join(
        [
            f"define internal double @{name}({', '.join(numbers)}) {ATTRIBUTES} {{",
            *rooms,
            f"  call void @{word}({', '.join([*numbers, *places])})",
            f"  %z = load double, ptr %y{place}",
            "  ret double %z",
            "}",
            "",
        ]
    )
