"""The vector functions against exact values: 2 ulp in float32, 4 ulp in float64, edges and subnormals too.

The same number has the same bits in every lane, in vectors of every width, and in what is left over.
"""

from __future__ import annotations

import functools
import platform
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from compiling import compiled, graph_of, native
from deltarule.program import lookup
from test_compile_processors import SMALLER, processor_of

MOST = {"f4": 2.0, "f8": 4.0}
ROUNDED = {"sqrt", "remainder"}  # these are exact but for one rounding
PI = [(-10, 10), (-1e-3, 1e-3), (-1e5, 1e5), (1e6, 1e30)]
UNIT = [(-1, 1), (-1e-3, 1e-3), (0.45, 0.55), (0.99, 1)]
RANGES = {
    "arccos": [*UNIT, (-1, -0.99)],
    "arcsin": UNIT,
    "arctan": [(-1, 1), (-1e-3, 1e-3), (0.9, 1.1), (-50, 50), (1e5, 1e30)],
    "cos": PI,
    "erf": [(-6, 6), (-1, 1), (-1e-3, 1e-3), (0.9, 1.1)],
    "exp": [(-104, 89), (-1, 1), (-104, -87), (-745.2, 709.8), (-746, -708)],
    "expm1": [(-30, 89), (-1, 1), (-1e-3, 1e-3), (-40, 709), (0.3, 0.4)],
    "log": [(1e-45, 1e-37), (0.4, 2.5), (0.9, 1.1), (1e-30, 1e30), (5e-324, 1e-300)],
    "log1p": [(-0.9999, 3), (-1e-3, 1e-3), (1e-12, 1e-6), (1, 1e30), (-0.3, -0.28)],
    "sigmoid": [(-100, 100), (-5, 5), (-1e-3, 1e-3), (-104, -87), (-745, -708)],
    "sin": PI,
    "sqrt": [(0, 1e-40), (0, 10), (1e30, 1e38)],
    "tanh": [(-10, 10), (-1, 1), (-1e-3, 1e-3), (-25, 25), (0.6, 0.65)],
}
PAIRS = {
    "arctan2": [((-5, 5), (-5, 5)), ((-1, 1), (-1e6, 1e6)), ((1e-38, 1e-30), (1, 1e8))],
    "power": [
        ((0.01, 100), (-20, 20)),
        ((0.99, 1.01), (-8000, 8000)),
        ((1e-38, 1e38), (-1.1, 1.1)),
        ((2, 3), (-149, -100)),
        ((2, 2.1), (-1074, 1020)),
    ],
    "remainder": [((-100, 100), (-3, 3)), ((-1e9, 1e9), (0.1, 9)), ((1e20, 1e30), (-9, -0.1))],
}
EDGES = [sign * x for x in (0.0, 0.5, 1.0, 2.0, 3.0, 1e30, np.inf, np.nan) for sign in (1, -1)]
TINY = {"f4": 1e-45, "f8": 5e-324}
MPMATH = {"arccos": "acos", "arcsin": "asin", "arctan": "atan", "arctan2": "atan2"}


def exact(name: str, *args: float) -> mpmath.mpf:
    x = [mpmath.mpf(arg) for arg in args]
    if name == "sigmoid":
        return 1 / (1 + mpmath.exp(-x[0]))
    if name == "remainder":
        return x[0] - x[1] * mpmath.floor(x[0] / x[1])
    return getattr(mpmath, MPMATH.get(name, name))(*x)


def spread(low: float, high: float, count: int, rng: np.random.Generator):
    if low > 0:
        return np.exp(rng.uniform(np.log(low), np.log(high), count))
    return rng.uniform(low, high, count)


def angles(dtype: str):
    """Numbers next to multiples of pi / 2, up to the largest; among them the nearest of all."""
    with mpmath.workprec(1300):
        quarter = mpmath.pi / 2
        top = 127 if dtype == "f4" else 1023
        whole = [2**n + 12345 % 2**n for n in range(top)] + list(range(1, 60))
        near = [float(n * quarter) for n in whole]
    hardest = float.fromhex("0x1.47d0fep34" if dtype == "f4" else "0x1.6ac5b262ca1ffp849")
    return np.array([*near, hardest, 1e6, np.nextafter(1e6, 0)])


@functools.cache
def points(name: str, dtype: str):
    """The arguments a function is tried on: in its ranges, at hard places, in all binades."""
    rng = np.random.default_rng(4)
    if name in PAIRS:
        both = [(spread(*a, 300, rng), spread(*b, 300, rng)) for a, b in PAIRS[name]]
        args = [np.concatenate(x) for x in zip(*both, strict=True)]
    else:
        x = np.concatenate([spread(*ends, 200, rng) for ends in RANGES[name]])
        info = np.finfo(dtype)
        binades = 2.0 ** rng.uniform(info.minexp - info.nmant + 1, info.maxexp, 200)
        x = np.concatenate([x, binades, -binades])
        args = [np.concatenate([x, angles(dtype)]) if name in ("sin", "cos") else x]
    with np.errstate(over="ignore"):
        args = [x.astype(dtype) for x in args]
    with np.errstate(all="ignore"):
        y = lookup(name).evaluate(*args)
    keep = np.isfinite(y) & np.all(np.isfinite(args), axis=0)
    return tuple(x[keep] for x in args)


def ulps(found: float, true: mpmath.mpf, dtype: str) -> float:
    """The distance, in units of the last place that a number of this size has."""
    info = np.finfo(dtype)
    exponent = info.minexp if true == 0 else max(int(mpmath.frexp(true)[1]) - 1, info.minexp)
    return float(abs(mpmath.mpf(found) - true) / mpmath.ldexp(1, exponent - info.nmant))


def processors():
    """This one, and of its kind older ones: without AVX-512, without FMA."""
    from deltarule.compile.llvm.load import this_processor

    yield this_processor()
    if platform.machine() == "x86_64":
        yield from map(processor_of, SMALLER)


def made_for(processor, name: str, args):
    """A function of arrays like these, in the code of a processor."""
    run = native(graph_of(lookup(name), args, {}), processor)
    return lambda *args: run(list(args), frozenset())[0]


@pytest.mark.native
@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("name", [*RANGES, *PAIRS])
def test_within_its_bound_of_the_exact_value(name, dtype):
    args = points(name, dtype)
    assert len(args[0]) > 500
    most = 0.5 if name in ROUNDED else MOST[dtype]
    with mpmath.workprec(160):
        true = [exact(name, *given) for given in zip(*(x.tolist() for x in args), strict=True)]
        for processor in processors():
            y = made_for(processor, name, args)(*args)
            for i, (found, wanted) in enumerate(zip(y.tolist(), true, strict=True)):
                apart = ulps(found, wanted, dtype)
                what = f"{name}{[float(x[i]) for x in args]} = {found!r}, not {float(wanted)!r}"
                assert apart <= most, f"{what}: {apart:.2f} ulp, on {processor.name}"


@pytest.mark.native
@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("name", [*RANGES, *PAIRS, "floor_divide"])
def test_the_same_bits_in_every_lane_of_every_width(name, dtype):
    from deltarule.compile.llvm.load import this_processor

    edges = EDGES if name in RANGES else [x.ravel() for x in np.meshgrid(EDGES, EDGES)]
    args = points("remainder" if name == "floor_divide" else name, dtype)
    args = [
        np.concatenate([x[:: len(x) // 200], np.array(edge, dtype)])
        for x, edge in zip(args, np.atleast_2d(edges), strict=True)
    ]
    (whole,) = compiled(graph_of(lookup(name), tuple(args), {}), args)

    def bits(y):
        y[np.isnan(y)] = np.nan  # its payload is nobody's
        return y.view("u4" if dtype == "f4" else "u8")

    whole = bits(whole)
    narrow = replace(this_processor(), vector_bytes=16)
    for count in (1, 2, 3, 7, 31):
        starts = range(0, len(whole) - count, max(count, 37))
        parts = [[np.ascontiguousarray(x[i : i + count]) for x in args] for i in starts]
        for processor in (this_processor(), narrow):
            f = made_for(processor, name, tuple(parts[0]))
            for start, part in zip(starts, parts, strict=True):
                np.testing.assert_array_equal(bits(f(*part)), whole[start : start + count])


@pytest.mark.native
@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("name", [*RANGES, *PAIRS, "floor_divide"])
def test_edges_are_those_of_numpy(name, dtype):
    most = float(np.finfo(dtype).max)
    x = np.array([*EDGES, TINY[dtype], -TINY[dtype], most, -most], dtype)
    args = (x,) if name in RANGES else tuple(a.ravel() for a in np.meshgrid(x, x))
    with np.errstate(all="ignore"):
        wanted = lookup(name).evaluate(*args)
    (found,) = compiled(graph_of(lookup(name), args, {}), args)
    plain = np.isfinite(wanted) & (wanted != 0)
    np.testing.assert_array_equal(found[~plain], wanted[~plain])
    np.testing.assert_allclose(
        found[plain], wanted[plain], rtol=8 * np.finfo(dtype).eps, atol=TINY[dtype]
    )
    zero = wanted == 0
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]))
