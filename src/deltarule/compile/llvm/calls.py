"""Kernels that call: the loop around a body, and NumPy through a callback.

In: a LoopKernel or OpaqueKernel. Out: its function, which returns what the body or the callback
returns: 0, or 1 at an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.compile.blocks import CALLBACK, TRIPS
from deltarule.compile.kernels import LoopKernel, OpaqueKernel
from deltarule.compile.llvm.loops import Pointers, Written
from deltarule.compile.llvm.mode import Mode
from deltarule.compile.llvm.team import meet
from deltarule.compile.llvm.text import Function, Value
from deltarule.compile.views import View


def write_loop(
    kernel: LoopKernel,
    body: str,
    shared: bool,
    watched: bool,
) -> Written:
    """Calls of ``body``; carries are handed over by pointer. Threads that share it meet after each."""
    pointers = Pointers()
    consts, inits, xs, ys, home = (
        [pointers.name(view) for view in views]
        for views in (kernel.consts, kernel.inits, kernel.xs, kernel.ys, kernel.carry)
    )
    away = []
    for view, carry in zip(kernel.spare, home, strict=True):
        away.append(carry if view is None else pointers.name(view))
    workspace = pointers.name(kernel.workspace)
    f = Function([*pointers.parameters, "state", "own"], "i32")
    steps = number_of_steps(f) if kernel.open_ended else kernel.steps
    start = [Value(pointer, None) for pointer in (*inits, *first_places(f, steps, home, away))]
    with f.loop(steps, start) as loop:
        index = loop.index
        if kernel.reverse and kernel.steps > 1:
            index = f.pure(f"sub nsw i64 {kernel.steps - 1}, {index}")
        entering = loop.carried[: len(home)]
        leaving = loop.carried[len(home) :]
        args = [
            *consts,
            *(value.text for value in entering),
            *rows(f, xs, kernel.xs, index),
            *(value.text for value in leaving),
            *rows(f, ys, kernel.ys, index),
            workspace,
            "%state",
            "%own",
        ]
        status = f.now(f"call i32 @{body}({', '.join(f'ptr {arg}' for arg in args)})")
        f.fail_if(f.now(f"icmp ne i32 {status}, 0"))
        if shared:
            meet(f, watched)
        places = zip(leaving, home, away, strict=True)
        loop.next = [*leaving, *(other(f, now, one, two) for now, one, two in places)]
    return f, pointers.addresses


def number_of_steps(f: Function) -> str:
    """How many steps the caller wants."""
    return f.now(f"load i64, ptr {f.pure(f'getelementptr i8, ptr %state, i64 {TRIPS}')}, align 8")


def first_places(
    f: Function,
    steps: int | str,
    home: Sequence[str],
    away: Sequence[str],
) -> list[str]:
    """Where the first step writes the carries, so that the last one comes home."""
    if isinstance(steps, int):
        return list(home if steps % 2 else away)
    odd = f.pure(f"trunc i64 {steps} to i1")
    return [
        one if one == two else f.pure(f"select i1 {odd}, ptr {one}, ptr {two}")
        for one, two in zip(home, away, strict=True)
    ]


def rows(
    f: Function,
    names: Sequence[str],
    views: Sequence[View],
    index: str,
) -> list[str]:
    """Addresses of one row of each array."""
    found = []
    for name, view in zip(names, views, strict=True):
        found.append(f.address(name, f.scaled(index, view.strides[0]), view.dtype))
    return found


def other(
    f: Function,
    now: Value,
    home: str,
    away: str,
) -> Value:
    """Where the next step writes a carry: the place that is not ``now``."""
    if home == away:
        return now
    at_home = f.pure(f"icmp eq ptr {now.text}, {home}")
    return Value(f.pure(f"select i1 {at_home}, ptr {away}, ptr {home}"), None)


def write_opaque(kernel: OpaqueKernel, mode: Mode) -> Written:
    """Hands the addresses of all arrays to the callback, which computes in Python's mode.

    Nothing is called once something has failed.
    """
    pointers = Pointers()
    names = [pointers.name(view) for view in (*kernel.args, *kernel.outs)]
    f = Function([*pointers.parameters, "state"], "i32")
    before = f.now("load i64, ptr %state, align 8")
    f.fail_if(f.now(f"icmp ne i64 {before}, 0"))
    array = f.now(f"alloca [{len(names)} x ptr]")
    for i, name in enumerate(names):
        place = f.now(f"getelementptr ptr, ptr {array}, i64 {i}")
        f.do(f"store ptr {name}, ptr {place}")
    place = f.now(f"getelementptr i8, ptr %state, i64 {CALLBACK}")
    callback = f.now(f"load ptr, ptr {place}")
    with mode.left(f):
        status = f.now(f"call i32 {callback}(i64 {kernel.code}, ptr {array})")
    failed = f.now(f"icmp ne i32 {status}, 0")
    with f.when(failed):
        f.do(f"store i64 {kernel.code}, ptr %state, align 8")
    f.fail_if(failed)
    return f, pointers.addresses
