"""Functions on single numbers, for those that vector functions leave out: the C library's and SciPy's.

In: what a vector function gives, where it must not be used, and what to call there. Out: what is right in
every lane. Lanes are mixed one by one: a number has the same bits wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from deltarule.compile.llvm.addresses import declaration
from deltarule.compile.llvm.scalar import Term, cast
from deltarule.compile.llvm.text import ATTRIBUTES, F32, F64, scalar_type
from deltarule.errors import CompileError

NAMES = ("pow", "fmod")  # of the C library; their floats are powf, fmodf


def rescued(y: Term, where: Term, other: Callable[[], Term]) -> Term:
    """y, but where a condition holds ``other()``, computed only if it holds in some lane."""
    f = y.function
    return Term(f, f.rarely(where.value, y.value, lambda: other().value))


def in_each_lane(word: str, need: str, *args: Term, last: str = "") -> Term:
    """A function on each lane, given its declaration or definition; the vector is taken apart elsewhere.

    ``last`` is what the function wants after the numbers.
    """
    f, values = args[0].function, [x.value for x in args]
    first = values[0]
    one = first._replace(lanes=1).type
    f.needs.add(need)
    if first.lanes > 1:
        f.needs.add(lane_by_lane(word, first.lanes, one, len(args), last))
        word, last = f"{word}.v{first.lanes}", ""
    given = ", ".join(map(str, values)) + last
    return Term(f, first._replace(text=f.now(f"call {first.type} @{word}({given})")))


def lane_by_lane(
    word: str,
    lanes: int,
    one: str,
    count: int,
    last: str,
) -> str:
    """The definition of a function on vectors that calls ``word`` for each lane."""
    many = f"<{lanes} x {one}>"
    names = [f"%x{i}" for i in range(count)]
    given = ", ".join(f"{many} {name}" for name in names)
    lines, y = [f"define internal {many} @{word}.v{lanes}({given}) {ATTRIBUTES} {{"], "poison"
    for lane in range(lanes):
        numbers = [f"{name}.{lane}" for name in names]
        for name, number in zip(names, numbers, strict=True):
            lines.append(f"  {number} = extractelement {many} {name}, i64 {lane}")
        given = ", ".join(f"{one} {number}" for number in numbers) + last
        lines.append(f"  %y{lane} = call {one} @{word}({given})")
        lines.append(f"  %z{lane} = insertelement {many} {y}, {one} %y{lane}, i64 {lane}")
        y = f"%z{lane}"
    return "\n".join([*lines, f"  ret {many} {y}", "}", ""])


def from_c(name: str, *args: Term) -> Term:
    """A function of the C library on each lane."""
    one = scalar_type(args[0].dtype)
    word = name + "f" * (args[0].dtype == F32)
    return in_each_lane(word, f"declare {one} @{word}({', '.join([one] * len(args))})", *args)


class Scipy:
    """SciPy's special functions, ``SPECIAL.gammaln(x)``."""

    def __getattr__(self, name: str) -> Callable[..., Term]:
        """One of them."""
        return partial(from_scipy, name)


SPECIAL = Scipy()


def from_scipy(name: str, *args: Term) -> Term:
    """A special function of SciPy on each lane, in float64 as SciPy itself computes it."""
    word, found = f"special.{name}", args[0].dtype
    types = ", ".join(["double"] * len(args))
    if declaration(word) != f"double ({types}, int __pyx_skip_dispatch)":
        raise CompileError(
            f"SciPy declares {name} as {declaration(word)!r}, called with {len(args)} numbers; "
            "DELTARULE_BACKEND=numpy interprets"
        )
    exact = [cast(x, F64) for x in args]
    y = in_each_lane(word, f"declare double @{word}({types}, i32)", *exact, last=", i32 0")
    return cast(y, found)
