"""What this machine can do at most: multiply-adds and memory traffic a second, measured.

In: a dtype and a number of threads. Out: floating point operations, or bytes, a second. They are measured by
machine code that does nothing else, so that no library stands between the number and the processor.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from deltarule.compile.llvm.load import Processor, emit, load, this_processor
from deltarule.compile.llvm.text import ATTRIBUTES, F32, F64, Function, constant
from deltarule.errors import TypeRuleError

ENTRY = "measure"
TRIPS = 1 << 18
UNROLLED = 4  # rounds of all sums in one trip
REPEATS = 40  # short ones: some meet no other program
TRAFFIC = 1 << 28  # bytes: more than caches hold


def measured_peak(dtype: Any = "float32", threads: int = 1) -> float:
    """Floating point operations a second of independent fused multiply-adds, two for each.

    Every thread holds as many sums as registers allow, at full vector width, and adds a product to each in
    turn; nothing is loaded or stored between. The best of a few runs, measured once in a process.

    Parameters
    ----------
    dtype : float32 or float64
        Of the numbers.
    threads : int
        Threads at work at once; the result is of all together.

    Returns
    -------
    float

    Raises
    ------
    TypeRuleError
        For other dtypes, or fewer than one thread.

    Examples
    --------
    >>> 1e8 < measured_peak("float32", threads=1) < 1e14
    True
    """
    kind = np.dtype(dtype)
    if kind not in (F32, F64):
        raise TypeRuleError(f"measured_peak: dtype {kind}; it is measured for float32 and float64")
    return _peak(kind, _at_least_one(threads))


def measured_bandwidth(threads: int = 1) -> float:
    """Bytes a second read from memory, by vector loads from an array larger than the caches.

    Parameters
    ----------
    threads : int
        Threads at work at once, each on its part; the result is of all together.

    Returns
    -------
    float

    Raises
    ------
    TypeRuleError
        For fewer than one thread.

    Examples
    --------
    >>> measured_bandwidth() > 1e8
    True
    """
    return _bandwidth(_at_least_one(threads))


@cache
def _peak(dtype: np.dtype[Any], threads: int) -> float:
    processor = this_processor()
    function, flops = multiply_adds(dtype, processor)
    run = native(function, processor)
    out = np.empty((threads, processor.registers * processor.vector_bytes), np.int8)
    return threads * flops / fastest(run, [row.ctypes.data for row in out])


@cache
def _bandwidth(threads: int) -> float:
    processor = this_processor()
    function, size = reads(TRAFFIC // threads, processor)
    run = native(function, processor)
    data = np.ones((threads, size), np.int8)  # written, so that each page is one of its own
    return threads * size / fastest(run, [row.ctypes.data for row in data])


def multiply_adds(dtype: np.dtype[Any], processor: Processor) -> tuple[Function, int]:
    """A loop of x <- x / 2 + 1 on vectors that do not wait for each other; its operations."""
    lanes = processor.vector_bytes // dtype.itemsize
    count = processor.registers * 3 // 4
    half, one = (constant(value, dtype, lanes) for value in (0.5, 1.0))
    f = Function(["out"])
    starts = [constant(i, dtype, lanes) for i in range(count)]
    with f.loop(TRIPS, starts) as loop:
        sums = loop.carried
        for _ in range(UNROLLED):
            sums = [f.intrinsic("fmuladd", x, half, one) for x in sums]
        loop.next = sums
    for i, x in enumerate(loop.results):
        f.store(x, "%out", str(i * lanes))
    return f, 2 * TRIPS * UNROLLED * count * lanes


def reads(most: int, processor: Processor) -> tuple[Function, int]:
    """A loop that adds up an array of about ``most`` bytes; its size in bytes."""
    lanes = processor.vector_bytes // F32.itemsize
    count = processor.registers // 2
    trip = count * lanes
    trips = max(2, most // (trip * F32.itemsize))
    f = Function(["data"])
    with f.loop(trips, [constant(0, F32, lanes)] * count) as loop:
        start = f.scaled(loop.index, trip)
        places = [f.plus(start, str(i * lanes)) for i in range(count)]
        found = [f.load("%data", place, F32, lanes) for place in places]
        pairs = zip(loop.carried, found, strict=True)
        loop.next = [f.op("fadd", total, x) for total, x in pairs]
    for i, x in enumerate(loop.results):
        f.store(x, "%data", str(i * lanes))
    return f, trips * trip * F32.itemsize


def native(f: Function, processor: Processor) -> Callable[[int], None]:
    """The function as machine code, to be called with the address of its argument."""
    text = f.finish(ENTRY).replace("define internal", "define", 1)
    attributes = f'attributes {ATTRIBUTES} = {{ nounwind "no-builtins" }}\n'
    whole = "\n".join([text, *sorted(f.needs), attributes])
    library = load(emit(whole, processor), (ENTRY,), ())
    return library.function(ENTRY, None, ctypes.c_void_p)  # type: ignore[no-any-return]


def fastest(run: Callable[[int], None], addresses: Sequence[int]) -> float:
    """Seconds from the first start to the last end of one call in each thread; the least of a few."""
    rounds = [threading.Barrier(len(addresses)) for _ in range(REPEATS)]
    times: list[list[tuple[float, float]]] = [[] for _ in addresses]

    def work(number: int, address: int, found: list[tuple[float, float]]) -> None:
        keep_to_core(number)
        for together in rounds:
            together.wait()
            start = time.perf_counter()
            run(address)
            found.append((start, time.perf_counter()))

    threads = [
        threading.Thread(target=work, args=(number, address, found))
        for number, (address, found) in enumerate(zip(addresses, times, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    starts, ends = np.moveaxis(np.array(times), -1, 0)  # (threads, rounds) each
    return float(np.min(ends.max(axis=0) - starts.min(axis=0)))


def keep_to_core(number: int) -> None:
    """Run the calling thread on one core, so that no two share one while another is idle."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def _at_least_one(threads: int) -> int:
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise TypeRuleError(f"threads must be a whole number of at least 1, not {threads!r}")
    return threads
