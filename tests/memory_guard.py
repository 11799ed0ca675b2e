"""Run generated programs between pages that must not be touched: a stray access kills the process.

In: how many programs. Out: exit status 0.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np

import compiling
from compiling import assert_same, reference
from deltarule.compile import native
from test_compile_graphs import program_of

PAGE = mmap.PAGESIZE
C = ctypes.CDLL(None, use_errno=True)
C.mmap.restype = ctypes.c_void_p
C.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
C.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
C.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
HELD: list[tuple[int, int]] = []


def guarded(shape, dtype, at_end: bool):
    """An array between two pages without access, at the end or the beginning of what lies between."""
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
    place = start + PAGE + (inner - nbytes if at_end else 0)
    return np.frombuffer((ctypes.c_char * nbytes).from_address(place), dtype).reshape(shape)


class Guarded:
    """NumPy, whose ``empty`` gives guarded arrays."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end

    def empty(self, shape, dtype):
        if isinstance(shape, int):  # the workspace: its alignment leaves room at either end
            return np.empty(shape, dtype)
        return guarded(shape, dtype, self.at_end)

    def __getattr__(self, name):
        return getattr(np, name)


def main(count: int) -> None:
    for seed in range(count):
        graph, args = program_of(seed)
        run = compiling.native(graph)
        for at_end in (True, False):
            native.np = Guarded(at_end)
            given = []
            for x in args:
                given.append(guarded(x.shape, x.dtype, at_end))
                given[-1][...] = x
            found = [y.copy() for y in run(given, frozenset())]
            native.np = np
            assert_same(found, reference(graph, args), graph)
        while HELD:
            C.munmap(*HELD.pop())


if __name__ == "__main__":
    main(int(sys.argv[1]))
