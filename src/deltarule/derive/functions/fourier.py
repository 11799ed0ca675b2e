"""NumPy's Fourier transforms: lengths, norms and axes, around the transforms without scale.

In: real or complex arrays. Out: transforms along one axis or several, cut or filled with zeros first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_float, axis_of, part
from deltarule.derive.table import NUMPY, rule
from deltarule.program import ops
from deltarule.program.ops.complex import COMPLEX

NORMS = {"backward": (0.0, 1.0), "ortho": (0.5, 0.5), "forward": (1.0, 0.0)}


def share(norm: str | None, inverse: bool) -> float:
    """The power of 1/n that scales a transform."""
    if norm is not None and norm not in NORMS:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return NORMS[norm or "backward"][inverse]


def scaled(y: Any, n: int, norm: str | None, inverse: bool) -> Any:
    """The transform of n numbers, scaled."""
    power = share(norm, inverse)
    return y * y.dtype.type(float(n) ** -power) if power else y


def as_complex(x: Any) -> Any:
    """Anything as complex numbers; single precision stays single."""
    x = as_float(x)
    return x if x.dtype.kind == "c" else ops.cast(x, dtype=COMPLEX[x.dtype])


def sized(x: Any, axis: int, n: int) -> Any:
    """Cut to n elements along an axis, or filled with zeros up to them."""
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    have = x.shape[axis]
    if n <= have:
        return x if n == have else part(x, axis, 0, n)
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    return ops.pad(x, shape=shape, start=(0,) * x.ndim, step=(1,) * x.ndim)


def places(x: Any, s: Any, axes: Axis | Sequence[int]) -> tuple[list[int], list[int]]:
    """Axes and lengths of a transform along several."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(-len(s), 0)
    chosen = [axis_of(a, x.ndim) for a in axes]  # type: ignore[union-attr]
    lengths = [x.shape[a] for a in chosen] if s is None else list(s)
    if len(lengths) != len(chosen):
        raise ValueError("Shape and axes have different lengths.")
    return chosen, [x.shape[a] if n == -1 else n for a, n in zip(chosen, lengths, strict=True)]


def several(x: Any, s: Any, axes: Any, norm: str | None, inverse: bool) -> Any:
    """The complex transform along axes, each once for each time it is named."""
    z = as_complex(x)
    chosen, lengths = places(z, s, axes)
    for axis, n in zip(chosen, lengths, strict=True):
        z = sized(z, axis, n)
    if len(set(chosen)) == len(chosen):
        z = ops.fft(z, axes=tuple(sorted(chosen)), inverse=inverse) if chosen else z
    else:
        for axis in reversed(chosen):
            z = ops.fft(z, axes=(axis,), inverse=inverse)
    return scaled(z, math.prod(z.shape[a] for a in chosen), norm, inverse)


def line(inverse: bool) -> Callable[..., Any]:
    """fft or ifft."""

    def transform(
        a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
    ) -> Any:
        return several(a, None if n is None else (n,), (axis,), norm, inverse)

    return transform


def grid(inverse: bool, plane: Any = None) -> Callable[..., Any]:
    """fftn or ifftn, or over two axes."""

    def transform(
        a: Any, s: Any = None, axes: Any = plane, norm: str | None = None, out: Any = None
    ) -> Any:
        return several(a, s, axes, norm, inverse)

    return transform


rule(np.fft.fft)(line(False))
rule(np.fft.ifft)(line(True))
rule(np.fft.fftn)(grid(False))
rule(np.fft.ifftn)(grid(True))
rule(np.fft.fft2)(grid(False, (-2, -1)))
rule(np.fft.ifft2)(grid(True, (-2, -1)))


# --- of real numbers ---


@rule(np.fft.rfft)
def _rfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Any:
    return _rfftn(a, None if n is None else (n,), (axis,), norm)


@rule(np.fft.rfftn)
def _rfftn(
    a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None
) -> Any:
    x = as_float(a)
    if x.dtype.kind == "c":
        raise TypeError(f"the transform of real numbers was given {x.dtype}: use np.fft.fft")
    chosen, lengths = places(x, s, axes)
    for axis, n in zip(chosen, lengths, strict=True):
        x = sized(x, axis, n)
    *rest, last = chosen
    y = ops.rfft(x, axis=last)
    if rest:
        y = ops.fft(y, axes=tuple(sorted(rest)), inverse=False)
    return scaled(y, math.prod(lengths), norm, False)


@rule(np.fft.rfft2)
def _rfft2(
    a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None, out: Any = None
) -> Any:
    return _rfftn(a, s, axes, norm)


@rule(np.fft.irfft)
def _irfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Any:
    z = as_complex(a)
    n = 2 * (z.shape[axis_of(axis, z.ndim)] - 1) if n is None else n
    return _irfftn(z, (n,), (axis,), norm)


@rule(np.fft.irfftn)
def _irfftn(
    a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None
) -> Any:
    z = as_complex(a)
    chosen, lengths = places(z, s, axes)
    *rest, last = chosen
    if s is None or s[-1] == -1:
        lengths[-1] = 2 * (z.shape[last] - 1)
    for axis, n in zip(rest, lengths, strict=False):
        z = sized(z, axis, n)
    if rest:
        z = ops.fft(z, axes=tuple(sorted(rest)), inverse=True)
    n = lengths[-1]
    y = ops.irfft(sized(z, last, n // 2 + 1), axis=last, n=n)
    return scaled(y, math.prod(lengths), norm, True)


@rule(np.fft.irfft2)
def _irfft2(
    a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None, out: Any = None
) -> Any:
    return _irfftn(a, s, axes, norm)


SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@rule(np.fft.hfft)
def _hfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Any:
    share(norm, False)
    return _irfft(NUMPY["conj"](as_complex(a)), n, axis, SWAPPED[norm])


@rule(np.fft.ihfft)
def _ihfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
) -> Any:
    share(norm, True)
    return NUMPY["conj"](_rfft(a, n, axis, SWAPPED[norm]))


def _shift(x: Any, axes: Any, half: Callable[[int], int]) -> Any:
    chosen = range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes
    chosen = tuple(axis_of(a, x.ndim) for a in chosen)
    return NUMPY["roll"](x, tuple(half(x.shape[a]) for a in chosen), chosen)


@rule(np.fft.fftshift)
def _fftshift(x: Any, axes: Any = None) -> Any:
    return _shift(as_float(x), axes, lambda n: n // 2)


@rule(np.fft.ifftshift)
def _ifftshift(x: Any, axes: Any = None) -> Any:
    return _shift(as_float(x), axes, lambda n: -(n // 2))
