"""Functions on single numbers, for those that vector functions leave out.

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


def in_each_lane(word: str, need: str, *args: Term, last: str = "") -> Term:
    """A function on each lane, given its declaration or definition; the vector is taken apart elsewhere.

    Its result has the type of its last number, behind which it wants ``last``.
    """
    f, values = args[-1].function, [x.value for x in args]
    like = values[-1]
    f.needs.add(need)
    if like.lanes > 1:
        types = [value._replace(lanes=1).type for value in values]
        f.needs.add(lane_by_lane(word, like.lanes, types, last))
        word, last = f"{word}.v{like.lanes}", ""
    given = ", ".join(map(str, values)) + last
    return Term(f, like._replace(text=f.now(f"call {like.type} @{word}({given})")))


def lane_by_lane(word: str, lanes: int, types: list[str], last: str) -> str:
    """The definition of a function on vectors that calls ``word`` for each lane."""
    vectors = [f"<{lanes} x {one}> %x{i}" for i, one in enumerate(types)]
    one, many = types[-1], f"<{lanes} x {types[-1]}>"
    lines = [f"define internal {many} @{word}.v{lanes}({', '.join(vectors)}) {ATTRIBUTES} {{"]
    y = "poison"
    for lane in range(lanes):
        numbers = []
        for i, vector in enumerate(vectors):
            lines.append(f"  %x{i}.{lane} = extractelement {vector}, i64 {lane}")
            numbers.append(f"{types[i]} %x{i}.{lane}")
        lines.append(f"  %y{lane} = call {one} @{word}({', '.join(numbers)}{last})")
        lines.append(f"  %z{lane} = insertelement {many} {y}, {one} %y{lane}, i64 {lane}")
        y = f"%z{lane}"
    return "\n".join([*lines, f"  ret {many} {y}", "}", ""])


def from_c(name: str, *args: Term) -> Term:
    """A function of the C library on each lane."""
    one = scalar_type(args[0].dtype)
    word = name + "f" * (args[0].dtype == F32)
    return in_each_lane(word, f"declare {one} @{word}({', '.join([one] * len(args))})", *args)
