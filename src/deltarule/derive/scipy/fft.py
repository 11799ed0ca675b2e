"""``scipy.fft`` on traced values: NumPy's transforms under SciPy's arguments, and those of cosines and sines.

In: signals. Out: transforms along axes. ``overwrite_x`` and ``workers`` change no value and are let pass. The
sums of cosines and sines are parts of Fourier transforms of twice the length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.fft import _basic_backend, _realtransforms_backend

from deltarule.derive.functions.arguments import as_float, axis_of
from deltarule.derive.functions.fourier import places, sized
from deltarule.derive.library import library_rule
from deltarule.derive.table import FUNCTIONS, NUMPY

_fft, _rfft = FUNCTIONS[np.fft.fft], FUNCTIONS[np.fft.rfft]
LINE = "fft ifft rfft irfft hfft ihfft".split()
GRID = "fftn ifftn rfftn irfftn".split()
PLANE = "fft2 ifft2 rfft2 irfft2".split()


def _along(name: str) -> Callable[..., Any]:
    rule = FUNCTIONS[getattr(np.fft, name)]

    def transform(
        x: Any,
        n: Any = None,
        axis: int = -1,
        norm: Any = None,
        overwrite_x: bool = False,
        workers: Any = None,
        *,
        plan: Any = None,
    ) -> Any:
        return rule(x, n, axis, norm)

    return transform


def _over(
    name: str,
    given: Any,
) -> Callable[..., Any]:
    rule = FUNCTIONS[getattr(np.fft, name)]

    def transform(
        x: Any,
        s: Any = None,
        axes: Any = given,
        norm: Any = None,
        overwrite_x: bool = False,
        workers: Any = None,
        *,
        plan: Any = None,
    ) -> Any:
        return rule(x, s, axes, norm)

    return transform


for _name in LINE:
    library_rule(getattr(_basic_backend, _name))(_along(_name))
for _name in GRID:
    library_rule(getattr(_basic_backend, _name))(_over(_name, None))
for _name in PLANE:
    library_rule(getattr(_basic_backend, _name))(_over(_name, (-2, -1)))

# --- cosines and sines, along the last axis ---


def _waves(
    x: Any,
    angle: Any,
) -> Any:
    """e^(i angle) in the precision of x."""
    return np.exp(1j * angle).astype(np.result_type(x.dtype, np.complex64))


def _cosines(
    x: Any,
    kind: int,
) -> Any:
    """SciPy's four kinds, without a norm."""
    n = x.shape[-1]
    k = np.arange(n)
    if kind == 1:
        if n < 2:
            raise ValueError("a cosine transform of type 1 takes at least two numbers")
        return NUMPY["real"](_rfft(NUMPY["concatenate"]([x, x[..., -2:0:-1]], -1)))
    if kind == 2:
        whole = _rfft(NUMPY["concatenate"]([x, x[..., ::-1]], -1))[..., :n]
        return NUMPY["real"](whole * _waves(x, -np.pi * k / (2 * n)))
    turned = x * _waves(x, -np.pi * k / (2 * n))
    if kind == 3:
        whole = _fft(turned, 2 * n)[..., :n]
        return 2 * NUMPY["real"](whole) - x[..., :1]
    whole = _fft(turned, 2 * n)[..., :n]
    return 2 * NUMPY["real"](whole * _waves(x, -np.pi * (2 * k + 1) / (4 * n)))


def _sines(
    x: Any,
    kind: int,
) -> Any:
    """By cosines of the numbers backwards, or with alternating signs."""
    n = x.shape[-1]
    if kind == 1:
        none = 0 * x[..., :1]
        odd = NUMPY["concatenate"]([none, x, none, -x[..., ::-1]], -1)
        return -NUMPY["imag"](_rfft(odd))[..., 1 : n + 1]
    signs = (1 - 2 * (np.arange(n) % 2)).astype(x.dtype)
    if kind == 2:
        return _cosines(x * signs, 2)[..., ::-1]
    return signs * _cosines(x[..., ::-1], kind)


def _at_ends(
    x: Any,
    ends: tuple[int, ...],
    factor: float,
) -> Any:
    """The numbers at some ends scaled."""
    scale = np.ones(x.shape[-1], x.dtype)
    scale[list(ends)] = factor
    return x * scale


ENDS = {  # of the numbers given and found, which an orthogonal transform scales by sqrt(2)
    ("cosines", 1): ((0, -1), (0, -1)),
    ("cosines", 2): ((), (0,)),
    ("cosines", 3): ((0,), ()),
    ("sines", 2): ((), (-1,)),
    ("sines", 3): ((-1,), ()),
}
OPPOSITE = {1: 1, 2: 3, 3: 2, 4: 4}


def _transformed(
    x: Any,
    family: str,
    kind: int,
    axis: int,
    norm: Any,
    orthogonal: Any,
    inverse: bool,
) -> Any:
    if kind not in OPPOSITE:
        raise ValueError(f"a transform is of type 1 to 4, not {kind!r}")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"norm is 'backward', 'ortho' or 'forward', not {norm!r}")
    kind = OPPOSITE[kind] if inverse else kind
    moved = NUMPY["moveaxis"](x, axis, -1)
    length = 2 * (moved.shape[-1] + {"cosines": -1, "sines": 1}[family] * (kind == 1))
    given, found = ENDS.get((family, kind), ((), ()))
    turn = norm == "ortho" if orthogonal is None else orthogonal
    if turn and given:
        moved = _at_ends(moved, given, 2**0.5)
    y = (_cosines if family == "cosines" else _sines)(moved, kind)
    if turn and found:
        y = _at_ends(y, found, 0.5**0.5)
    if norm == "ortho":
        y = y / float(length) ** 0.5
    elif (norm == "forward") != inverse:
        y = y / length
    return NUMPY["moveaxis"](y, -1, axis)


def _real(
    family: str,
    inverse: bool,
) -> Callable[..., Any]:
    def transform(
        x: Any,
        type: int = 2,
        n: Any = None,
        axis: int = -1,
        norm: Any = None,
        overwrite_x: bool = False,
        workers: Any = None,
        orthogonalize: Any = None,
    ) -> Any:
        x = as_float(x)
        axis = axis_of(axis, x.ndim)
        x = x if n is None else sized(x, axis, n)
        return _transformed(x, family, type, axis, norm, orthogonalize, inverse)

    return transform


def _real_over(
    family: str,
    inverse: bool,
) -> Callable[..., Any]:
    def transform(
        x: Any,
        type: int = 2,
        s: Any = None,
        axes: Any = None,
        norm: Any = None,
        overwrite_x: bool = False,
        workers: Any = None,
        orthogonalize: Any = None,
    ) -> Any:
        x = as_float(x)
        for axis, n in zip(*places(x, s, axes), strict=True):
            x = sized(x, axis, n)
            x = _transformed(x, family, type, axis, norm, orthogonalize, inverse)
        return x

    return transform


for _name, _family, _inverse in (
    ("dct", "cosines", False),
    ("idct", "cosines", True),
    ("dst", "sines", False),
    ("idst", "sines", True),
):
    library_rule(getattr(_realtransforms_backend, _name))(_real(_family, _inverse))
    library_rule(getattr(_realtransforms_backend, _name + "n"))(_real_over(_family, _inverse))
