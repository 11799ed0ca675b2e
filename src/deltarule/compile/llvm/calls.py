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
from deltarule.compile.llvm.text import Function, Loop, Value
from deltarule.compile.views import View


class LoopWriter:
    """The function of a loop: names of its arrays, and calls of ``body`` on a row of each.

    Carries are handed over by pointer. Threads that share the loop meet after each step.
    """

    def __init__(self, kernel: LoopKernel, body: str, shared: bool, watched: bool) -> None:
        self.kernel, self.body, self.shared, self.watched = kernel, body, shared, watched
        pointers = self.pointers = Pointers()
        self.consts, self.inits, self.xs, self.ys, self.home = (
            [pointers.name(view) for view in views]
            for views in (kernel.consts, kernel.inits, kernel.xs, kernel.ys, kernel.carry)
        )
        self.away = []
        for view, carry in zip(kernel.spare, self.home, strict=True):
            self.away.append(carry if view is None else pointers.name(view))
        self.workspace = pointers.name(kernel.workspace)
        self.function = Function([*pointers.parameters, "state", "own"], "i32")

    def counted(self) -> Written:
        """As many steps as the kernel or the caller says."""
        f, kernel = self.function, self.kernel
        steps = number_of_steps(f) if kernel.open_ended else kernel.steps
        first = first_places(f, steps, self.home, self.away)
        with f.loop(steps, [Value(pointer, None) for pointer in (*self.inits, *first)]) as loop:
            index = loop.index
            if kernel.reverse and kernel.steps > 1:
                index = f.pure(f"sub nsw i64 {kernel.steps - 1}, {index}")
            self.step(loop, index)
        return f, self.pointers.addresses

    def tested(self) -> Written:
        """Steps as long as the first carry is true; then the carries are brought home."""
        f, kernel = self.function, self.kernel
        start = [Value(pointer, None) for pointer in (*self.inits, *self.away)]
        with f.repeat(start) as (loop, after):
            truth = f.now(f"load i8, ptr {loop.carried[0].text}, align 1")
            f.go_on_if(f.now(f"icmp ne i8 {truth}, 0"), after)
            self.step(loop, "0")
        first = f.now("load i64, ptr %own, align 8")
        with f.when(f.now(f"icmp eq i64 {first}, 0")):
            for now, home, view in zip(loop.carried, self.home, kernel.carry, strict=False):
                with f.when(f.now(f"icmp ne ptr {now.text}, {home}")):
                    copy(f, now.text, home, view.size * view.dtype.itemsize)
        if self.shared:
            meet(f)
        return f, self.pointers.addresses

    def step(self, loop: Loop, index: str) -> None:
        """One call of the body, and where the next one finds and leaves the carries."""
        f, kernel = self.function, self.kernel
        entering, leaving = loop.carried[: len(self.home)], loop.carried[len(self.home) :]
        args = [
            *self.consts,
            *(value.text for value in entering),
            *rows(f, self.xs, kernel.xs, index),
            *(value.text for value in leaving),
            *rows(f, self.ys, kernel.ys, index),
            self.workspace,
            "%state",
            "%own",
        ]
        status = f.now(f"call i32 @{self.body}({', '.join(f'ptr {arg}' for arg in args)})")
        f.fail_if(f.now(f"icmp ne i32 {status}, 0"))
        if self.shared:
            meet(f, self.watched)
        places = zip(leaving, self.home, self.away, strict=True)
        loop.next = [*leaving, *(other(f, now, one, two) for now, one, two in places)]


def copy(f: Function, source: str, target: str, nbytes: int) -> None:
    """Move memory, eight bytes at a time while there are so many."""
    for kind, width, first, count in (
        ("i64", 8, 0, nbytes // 8),
        ("i8", 1, nbytes // 8 * 8, nbytes % 8),
    ):
        if not count:
            continue
        with f.between("0", str(count)) as index:
            at = f.now(f"mul nuw nsw i64 {index}, {width}")
            at = f.now(f"add nuw nsw i64 {at}, {first}")
            places = [
                f.now(f"getelementptr i8, ptr {place}, i64 {at}") for place in (source, target)
            ]
            word = f.now(f"load {kind}, ptr {places[0]}, align 1")
            f.do(f"store {kind} {word}, ptr {places[1]}, align 1")


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
    """NumPy's evaluation."""
    pointers = Pointers()
    names = [pointers.name(view) for view in (*kernel.args, *kernel.outs)]
    f = Function([*pointers.parameters, "state"], "i32")
    call_numpy(f, names, mode)
    return f, pointers.addresses


def call_numpy(f: Function, names: Sequence[str], mode: Mode) -> None:
    """Hand the addresses of all arrays to the callback, which computes in Python's mode.

    Nothing is called once something has failed.
    """
    f.coded = True
    before = f.now("load i64, ptr %state, align 8")
    f.fail_if(f.now(f"icmp ne i64 {before}, 0"))
    array = f.now(f"alloca [{len(names)} x ptr]")
    for i, name in enumerate(names):
        place = f.now(f"getelementptr ptr, ptr {array}, i64 {i}")
        f.do(f"store ptr {name}, ptr {place}")
    place = f.now(f"getelementptr i8, ptr %state, i64 {CALLBACK}")
    callback = f.now(f"load ptr, ptr {place}")
    with mode.left(f):
        status = f.now(f"call i32 {callback}(i64 %code, ptr {array})")
    failed = f.now(f"icmp ne i32 {status}, 0")
    with f.when(failed):
        f.do("store i64 %code, ptr %state, align 8")
    f.fail_if(failed)
