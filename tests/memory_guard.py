"""Run generated programs between pages that must not be touched: a stray access kills the process.

In: how many programs, and of how many products. Each runs as it is, then split among threads. Out: exit
status 0.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np

import compiling
from compiling import assert_same, reference
from deltarule.compile import native
from products import (
    PANELS,
    ahead_program_of,
    panel_program_of,
    product_program_of,
    two_products,
)
from sharing import run_by, split_code
from test_compile_graphs import program_of
from test_compile_products import assert_right

PAGE = mmap.PAGESIZE
C = ctypes.CDLL(None, use_errno=True)
C.mmap.restype = ctypes.c_void_p
C.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
C.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
C.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
HELD: list[tuple[int, int]] = []


def guarded(shape, dtype, at_end: bool, step: int = 1):
    """An array between two pages without access, at the end or the beginning of what lies between.

    It starts at a multiple of ``step`` bytes.
    """
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else shape
    nbytes = int(np.prod(shape)) * dtype.itemsize
    inner = -(-nbytes // PAGE) * PAGE
    start = C.mmap(
        None,
        inner + 2 * PAGE,
        mmap.PROT_READ | mmap.PROT_WRITE,
        mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
        -1,
        0,
    )
    HELD.append((start, inner + 2 * PAGE))
    for page in (start, start + PAGE + inner):
        assert C.mprotect(page, PAGE, 0) == 0
    if nbytes == 0:
        return np.empty(shape, dtype)
    place = start + PAGE + ((inner - nbytes) // step * step if at_end else 0)
    return np.frombuffer((ctypes.c_char * nbytes).from_address(place), dtype).reshape(shape)


class Guarded:
    """NumPy, whose ``empty`` gives guarded arrays."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end

    def empty(self, shape, dtype):
        return guarded(shape, dtype, self.at_end)

    def __getattr__(self, name):
        return getattr(np, name)


def between_pages(run, args, at_end: bool, threads: int):
    """The results of a program whose every array and all of its workspace lie between guards."""

    def aligned(nbytes: int):
        return guarded(nbytes, np.int8, at_end, native.ALIGNMENT)

    given = []
    for x in args:
        given.append(guarded(x.shape, x.dtype, at_end))
        given[-1][...] = x
    usual = native.aligned
    native.np, native.aligned = Guarded(at_end), aligned
    try:
        return [y.copy() for y in run_by(run, threads, given)]
    finally:
        native.np, native.aligned = np, usual


def main(count: int, products: int) -> None:
    for seed in range(count):
        graph, args = program_of(seed)
        for run, threads in ((compiling.native(graph), 1), (split_code(graph, late=False), 3)):
            for at_end in (True, False):
                found = between_pages(run, args, at_end, threads)
                assert_same(found, reference(graph, args), graph)
        let_go()
    large = [
        ahead_program_of(40),
        two_products(),
        *(panel_program_of(*case, "f4") for case in PANELS),
    ]
    for program in (*map(product_program_of, range(products)), *large):
        graph, args = program.graph, program.args
        for run, threads in ((compiling.native(graph), 1), (split_code(graph, late=False), 3)):
            for at_end in (True, False):
                found = between_pages(run, args, at_end, threads)
                assert_right(program, found, "a program between pages")
        let_go()


def let_go() -> None:
    """Give the pages back, when the last helper has left them."""
    with native.TEAM.join(4):
        pass
    while HELD:
        C.munmap(*HELD.pop())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
