"""Kernels that call: the loop around a body, and NumPy through a callback.

In: a LoopKernel or OpaqueKernel. Out: its function, which returns what the body or the callback returns: 0, or 1 at an error.
"""

from __future__ import annotations

from deltarule.compile.llvm.loops import Address, Pointers
from deltarule.compile.llvm.text import Function, Value
from deltarule.compile.plan import LoopKernel, OpaqueKernel, View

CALLBACK = 3  # place of the callback's address in the state


def write_loop(kernel: LoopKernel, body: str) -> tuple[Function, list[Address]]:
    """Calls of ``body``; carries are handed over by pointer."""
    pointers = Pointers()
    consts = [pointers.name(view) for view in kernel.consts]
    inits = [pointers.name(view) for view in kernel.inits]
    xs, ys = ([pointers.name(view) for view in views] for views in (kernel.xs, kernel.ys))
    carry = [pointers.name(view) for view in kernel.carry]
    spare = [pointers.name(view) if view else home for view, home in zip(kernel.spare, carry, strict=True)]
    workspace = pointers.name(kernel.workspace)
    f = Function([*pointers.parameters, "state"], "i32")
    odd = kernel.length % 2 == 1
    first = [home if odd else other for home, other in zip(carry, spare, strict=True)]
    with f.loop(kernel.length, [Value(p, None) for p in (*inits, *first)]) as loop:
        index = loop.index
        if kernel.reverse and kernel.length > 1:
            index = f.pure(f"sub nsw i64 {kernel.length - 1}, {index}")
        entering, leaving = ([v.text for v in half] for half in _halves(loop.carried))
        rows = [_row(f, name, view, index) for name, view in zip(xs, kernel.xs, strict=True)]
        results = [_row(f, name, view, index) for name, view in zip(ys, kernel.ys, strict=True)]
        args = [*consts, *entering, *rows, *leaving, *results, workspace, "%state"]
        status = f.now(f"call i32 @{body}({', '.join(f'ptr {arg}' for arg in args)})")
        f.fail_if(f.now(f"icmp ne i32 {status}, 0"))
        after = [_other(f, now, home, other) for now, home, other in zip(leaving, carry, spare, strict=True)]
        loop.next = [Value(p, None) for p in (*leaving, *after)]
    return f, pointers.addresses


def _halves(values: list[Value]) -> tuple[list[Value], list[Value]]:
    return values[: len(values) // 2], values[len(values) // 2 :]


def _other(f: Function, now: str, home: str, other: str) -> str:
    """Where the next step writes a carry."""
    if home == other:
        return home
    at_home = f.pure(f"icmp eq ptr {now}, {home}")
    return f.pure(f"select i1 {at_home}, ptr {other}, ptr {home}")


def _row(f: Function, pointer: str, view: View, index: str) -> str:
    return f.address(pointer, f.scaled(index, view.strides[0]), view.dtype)


def write_opaque(kernel: OpaqueKernel) -> tuple[Function, list[Address]]:
    """Hands the addresses of all arrays to the callback."""
    pointers = Pointers()
    names = [pointers.name(view) for view in (*kernel.args, *kernel.outs)]
    f = Function([*pointers.parameters, "state"], "i32")
    array = f.now(f"alloca [{max(1, len(names))} x ptr]")
    for i, name in enumerate(names):
        place = f.now(f"getelementptr ptr, ptr {array}, i64 {i}")
        f.do(f"store ptr {name}, ptr {place}")
    place = f.now(f"getelementptr ptr, ptr %state, i64 {CALLBACK}")
    callback = f.now(f"load ptr, ptr {place}")
    status = f.now(f"call i32 {callback}(i64 {kernel.code}, ptr {array})")
    f.fail_if(f.now(f"icmp ne i32 {status}, 0"))
    return f, pointers.addresses
