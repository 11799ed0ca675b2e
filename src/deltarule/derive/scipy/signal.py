"""``scipy.signal`` on traced values: convolutions and correlations, directly or by Fourier transforms.

In: signals of any number of axes. Out: sums of products of neighbours, all of them or the part that a mode
keeps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import signal

from deltarule.derive.functions.arguments import as_array, axes_of, same_dtype
from deltarule.derive.library import library_rule
from deltarule.derive.table import FUNCTIONS, NUMPY, UFUNCS
from deltarule.program import ops

_rfftn, _irfftn = FUNCTIONS[np.fft.rfftn], FUNCTIONS[np.fft.irfftn]
_fftn, _ifftn = FUNCTIONS[np.fft.fftn], FUNCTIONS[np.fft.ifftn]
FEW = 64  # products for one element, above which the transform pays


def _directly(
    a: Any,
    v: Any,
) -> Any:
    """All shifts of the larger array, times each element of the smaller one."""
    if a.size < v.size:
        a, v = v, a
    full = tuple(n + m - 1 for n, m in zip(a.shape, v.shape, strict=True))
    terms = [
        ops.pad(a * v[place], shape=full, start=place, step=(1,) * a.ndim)
        for place in np.ndindex(v.shape)
    ]
    found = terms[0]
    for term in terms[1:]:
        found = found + term
    return found


def _by_transform(
    a: Any,
    v: Any,
    axes: tuple[int, ...],
) -> Any:
    """The product of the transforms is that of the convolution."""
    sizes = [a.shape[i] + v.shape[i] - 1 for i in axes]
    if a.dtype.kind == "c":
        return _ifftn(_fftn(a, sizes, axes) * _fftn(v, sizes, axes), sizes, axes)
    return _irfftn(_rfftn(a, sizes, axes) * _rfftn(v, sizes, axes), sizes, axes)


def _kept(
    full: Any,
    mode: str,
    first: Any,
    second: Any,
    axes: tuple[int, ...],
    later: int = 0,
) -> Any:
    """The part of all results that a mode keeps, from the middle; of two the later, if so asked."""
    if mode == "full":
        return full
    if mode not in ("same", "valid"):
        raise ValueError(f"mode is 'full', 'same' or 'valid', not {mode!r}")
    sizes = {
        i: first.shape[i] if mode == "same" else abs(first.shape[i] - second.shape[i]) + 1
        for i in axes
    }
    starts = {i: (full.shape[i] - n + later) // 2 for i, n in sizes.items()}
    key = [
        slice(starts[i], starts[i] + sizes[i]) if i in sizes else slice(None)
        for i in range(full.ndim)
    ]
    return full[tuple(key)]


def _pair(
    in1: Any,
    in2: Any,
) -> list[Any]:
    a, v = same_dtype([as_array(in1), as_array(in2)])
    if a.ndim != v.ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    return [a, v]


@library_rule(signal.convolve)
def _convolve(
    in1: Any,
    in2: Any,
    mode: str = "full",
    method: str = "auto",
) -> Any:
    a, v = _pair(in1, in2)
    if not a.ndim:
        return a * v
    exact = a.dtype.kind in "biu" or method == "direct"
    few = exact or min(math.prod(a.shape), math.prod(v.shape)) <= FEW
    axes = tuple(range(a.ndim))
    full = _directly(a, v) if few and method != "fft" else _by_transform(a, v, axes)
    return _kept(full, mode, a, v, axes)


@library_rule(signal.fftconvolve)
def _fftconvolve(
    in1: Any,
    in2: Any,
    mode: str = "full",
    axes: Any = None,
) -> Any:
    a, v = _pair(in1, in2)
    if not a.ndim:
        return a * v
    chosen = axes_of(axes, a.ndim)
    return _kept(_by_transform(a, v, chosen), mode, a, v, chosen)


@library_rule(signal.oaconvolve)
def _oaconvolve(
    in1: Any,
    in2: Any,
    mode: str = "full",
    axes: Any = None,
) -> Any:
    return _fftconvolve(in1, in2, mode, axes)


def _turned(x: Any) -> Any:
    """Backwards along all axes, conjugated."""
    return UFUNCS[np.conjugate](NUMPY["flip"](as_array(x)))


@library_rule(signal.correlate)
def _correlate(
    in1: Any,
    in2: Any,
    mode: str = "full",
    method: str = "auto",
) -> Any:
    return _convolve(in1, _turned(in2), mode, method)


def _plane(
    a: Any,
    v: Any,
    mode: str,
    boundary: str,
    fillvalue: Any,
    later: int,
) -> Any:
    """The convolution of a plane that goes on in some way beyond its ends."""
    ways = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}
    if boundary not in ways:
        raise ValueError(f"boundary is 'fill', 'wrap' or 'symm', not {boundary!r}")
    if mode == "valid":
        return _convolve(a, v, mode, "direct")
    reach = [(n - 1, n - 1) for n in v.shape]
    value = {"constant_values": fillvalue} if boundary == "fill" else {}
    wide = NUMPY["pad"](a, reach, mode=ways[boundary], **value)
    return _kept(_convolve(wide, v, "valid", "direct"), mode, a, v, (0, 1), later)


@library_rule(signal.convolve2d)
def _convolve2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: Any = 0,
) -> Any:
    a, v = _pair(in1, in2)
    return _plane(a, v, mode, boundary, fillvalue, 0)


@library_rule(signal.correlate2d)
def _correlate2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: Any = 0,
) -> Any:
    a, v = _pair(in1, _turned(in2))
    return _plane(a, v, mode, boundary, fillvalue, 1)
