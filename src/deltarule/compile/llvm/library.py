"""The C library, for the few numbers that vector functions leave out.

In: what a vector function gives, where it must not be used, and the name in C. Out: what is right in every
lane. Lanes are mixed one by one: a number has the same bits wherever it stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import ATTRIBUTES, F32, Function, Value

NAMES = ("sin", "cos", "pow", "fmod")  # their floats are sinf, ...


def rescued(
    y: Term,
    where: Term,
    name: str,
    *args: Term,
) -> Term:
    """y, but where a condition holds what the library gives; looked at only if it holds in some lane."""
    f = y.function
    word = name + "f" * (y.dtype == F32)
    values = [x.value for x in args]
    return Term(f, f.rarely(where.value, y.value, lambda: in_each_lane(f, word, values)))


def in_each_lane(
    f: Function,
    word: str,
    args: Sequence[Value],
) -> Value:
    """A function of the library on each lane, by a function that does so."""
    first = args[0]
    if first.lanes == 1:
        return f.call(word, *args)
    one = first._replace(lanes=1).type
    names = [f"%x{i}" for i in range(len(args))]
    lines, y = [], "poison"
    for lane in range(first.lanes):
        numbers = [f"{name}.{lane}" for name in names]
        for name, number in zip(names, numbers, strict=True):
            lines.append(f"  {number} = extractelement {first.type} {name}, i64 {lane}")
        given = ", ".join(f"{one} {number}" for number in numbers)
        lines.append(f"  %y.{lane} = call {one} @{word}({given})")
        lines.append(f"  %z.{lane} = insertelement {first.type} {y}, {one} %y.{lane}, i64 {lane}")
        y = f"%z.{lane}"
    title = f"{word}.v{first.lanes}"
    given = ", ".join(f"{first.type} {name}" for name in names)
    head = f"define internal {first.type} @{title}({given}) {ATTRIBUTES} {{"
    last = f"  ret {first.type} {y}"
    f.needs.add("\n".join([head, *lines, last, "}", ""]))
    f.needs.add(f"declare {one} @{word}({', '.join([one] * len(args))})")
    given = ", ".join(map(str, args))
    return first._replace(text=f.now(f"call {first.type} @{title}({given})"))
