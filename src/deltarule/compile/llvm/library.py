"""Functions on single numbers, for the few that vector functions leave out.

In: what a vector function gives, where it must not be used, and what to call there. Out: what is right in
every lane. Lanes are mixed one by one: a number has the same bits wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable

from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import ATTRIBUTES, F32, scalar_type

NAMES = ("pow", "fmod")  # of the C library; their floats are powf, fmodf


def rescued(y: Term, where: Term, other: Callable[[], Term]) -> Term:
    """y, but where a condition holds ``other()``, computed only if it holds in some lane."""
    f = y.function
    return Term(f, f.rarely(where.value, y.value, lambda: other().value))


def in_each_lane(word: str, need: str, *args: Term) -> Term:
    """A function on each lane, given its declaration or definition; the vector is taken apart elsewhere."""
    f, values = args[0].function, [x.value for x in args]
    first = values[0]
    one = first._replace(lanes=1).type
    f.needs.add(need)
    if first.lanes > 1:
        f.needs.add(lane_by_lane(word, first.lanes, one, len(args)))
        word = f"{word}.v{first.lanes}"
    given = ", ".join(map(str, values))
    return Term(f, first._replace(text=f.now(f"call {first.type} @{word}({given})")))


def lane_by_lane(
    word: str,
    lanes: int,
    one: str,
    count: int,
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
        given = ", ".join(f"{one} {number}" for number in numbers)
        lines.append(f"  %y{lane} = call {one} @{word}({given})")
        lines.append(f"  %z{lane} = insertelement {many} {y}, {one} %y{lane}, i64 {lane}")
        y = f"%z{lane}"
    return "\n".join([*lines, f"  ret {many} {y}", "}", ""])


def from_c(name: str, *args: Term) -> Term:
    """A function of the C library on each lane."""
    one = scalar_type(args[0].dtype)
    word = name + "f" * (args[0].dtype == F32)
    return in_each_lane(word, f"declare {one} @{word}({', '.join([one] * len(args))})", *args)
