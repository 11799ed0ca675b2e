"""Discrete Fourier transforms, without their scale: each is a symmetric matrix, its own transpose.

In: complex arrays, or real ones for the two halves that spare the mirror image. Out: the transform along
axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import jointly_linear
from deltarule.program.lowering import Opaque
from deltarule.program.ops.complex import COMPLEX, REAL, complex_, imag, real
from deltarule.program.ops.shape import pad
from deltarule.program.primitive import ErrorSample, Primitive, Sample
from deltarule.program.types import ArrayType

WHY = Opaque("fast Fourier transforms are NumPy's")


def _check_axes(name: str, x: ArrayType, axes: Sequence[int]) -> None:
    if list(axes) != sorted(set(axes)) or not all(0 <= a < len(x.shape) for a in axes):
        raise TypeRuleError(f"{name}: {tuple(axes)} are not axes of {x!r}")
    if any(x.shape[a] == 0 for a in axes):
        raise TypeRuleError(f"{name}: {x!r} has no elements along {tuple(axes)}")


def _fft_type(z: ArrayType, axes: tuple[int, ...], inverse: bool) -> ArrayType:
    _check_axes("fft", z, axes)
    if z.dtype not in REAL:
        raise TypeRuleError(f"fft takes complex numbers, not {z!r}")
    return z


def _fft(z: Any, axes: tuple[int, ...], inverse: bool) -> Any:
    found = np.fft.ifftn(z, axes=axes, norm="forward") if inverse else np.fft.fftn(z, axes=axes)
    return found.astype(z.dtype, copy=False)


def _plane(*shape: int, **attrs: Any) -> Any:
    def sample(rng: np.random.Generator) -> Sample:
        return Sample((rng.normal(size=shape) + 1j * rng.normal(size=shape),), attrs)

    return sample


fft: Primitive = Primitive(
    "fft",
    "Fourier transform along axes, y_k = sum_j z_j e^(-2 pi i j k / n); its inverse, n times, has e^(+...).",
    type_rule=_fft_type,
    evaluate=_fft,
    vjp=lambda i, ct, y, z, axes, inverse: fft(ct, axes=axes, inverse=inverse),
    jvp=jointly_linear("fft"),
    batch=lambda size, batched, z, axes, inverse: fft(
        z, axes=tuple(a + 1 for a in axes), inverse=inverse
    ),
    lowering=WHY,
    notation=r"\mathcal{{F}}\,{0}",
    samples=lambda rng: [
        make(rng)
        for make in (
            _plane(5, axes=(0,), inverse=False),
            _plane(2, 4, axes=(1,), inverse=True),
            _plane(2, 3, 4, axes=(0, 2), inverse=False),
            _plane(1, axes=(0,), inverse=True),
        )
    ],
    errors=(
        ErrorSample((np.ones(2),), {"axes": (0,), "inverse": False}, "takes complex"),
        ErrorSample((np.ones(2, complex),), {"axes": (1,), "inverse": False}, "are not axes"),
        ErrorSample((np.ones(0, complex),), {"axes": (0,), "inverse": False}, "no elements"),
    ),
)


def _resized(shape: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    return (*shape[:axis], n, *shape[axis + 1 :])


def _rfft_type(x: ArrayType, axis: int) -> ArrayType:
    _check_axes("rfft", x, (axis,))
    if x.dtype not in COMPLEX:
        raise TypeRuleError(f"rfft takes floats, not {x!r}")
    return ArrayType(_resized(x.shape, axis, x.shape[axis] // 2 + 1), COMPLEX[x.dtype])


def _rfft(x: Any, axis: int) -> Any:
    return np.fft.rfft(x, axis=axis).astype(COMPLEX[x.dtype], copy=False)


def _rfft_vjp(i: int, ct: Any, y: Any, x: Any, axis: int) -> Any:
    none = (0,) * len(x.shape)
    whole = pad(ct, shape=x.shape, start=none, step=(1,) * len(x.shape))
    return real(fft(whole, axes=(axis,), inverse=False))


rfft: Primitive = Primitive(
    "rfft",
    "The first half of the Fourier transform of real numbers along an axis; the rest is its mirror image.",
    type_rule=_rfft_type,
    evaluate=_rfft,
    vjp=_rfft_vjp,
    jvp=jointly_linear("rfft"),
    batch=lambda size, batched, x, axis: rfft(x, axis=axis + 1),
    lowering=WHY,
    notation=r"\mathcal{{F}}\,{0}",
    samples=lambda rng: [
        Sample((rng.normal(size=shape),), {"axis": axis})
        for shape, axis in (((5,), 0), ((6,), 0), ((2, 4), 1), ((3, 2, 4), 0), ((1,), 0))
    ],
    errors=(
        ErrorSample((np.ones(2, complex),), {"axis": 0}, "takes floats"),
        ErrorSample((np.ones(2),), {"axis": 1}, "are not axes"),
    ),
)


def _irfft_type(z: ArrayType, axis: int, n: int) -> ArrayType:
    _check_axes("irfft", z, (axis,))
    if z.dtype not in REAL or z.shape[axis] != n // 2 + 1:
        raise TypeRuleError(
            f"irfft to {n} numbers takes {n // 2 + 1} complex ones along axis {axis}, not {z!r}"
        )
    return ArrayType(_resized(z.shape, axis, n), REAL[z.dtype])


def _irfft(z: Any, axis: int, n: int) -> Any:
    return np.fft.irfft(z, n, axis=axis, norm="forward").astype(REAL[z.dtype], copy=False)


def _irfft_vjp(i: int, ct: Any, y: Any, z: Any, axis: int, n: int) -> Any:
    """Each number of the half counts twice, but those that are their own mirror image."""
    own = [2.0] * z.shape[axis]
    own[0] = 1.0
    if n % 2 == 0:
        own[-1] = 1.0
    shape = [1] * len(z.shape)
    shape[axis] = -1
    weight = np.array(own, ct.dtype).reshape(shape)
    half = rfft(ct, axis=axis)
    return complex_(real(half) * weight, -imag(half) * weight)


irfft: Primitive = Primitive(
    "irfft",
    "n times the real numbers along an axis whose Fourier transform begins with z.",
    type_rule=_irfft_type,
    evaluate=_irfft,
    vjp=_irfft_vjp,
    jvp=jointly_linear("irfft"),
    batch=lambda size, batched, z, axis, n: irfft(z, axis=axis + 1, n=n),
    lowering=WHY,
    notation=r"\mathcal{{F}}^{{-1}}\,{0}",
    samples=lambda rng: [
        make(rng)
        for make in (
            _plane(3, axis=0, n=5),
            _plane(4, axis=0, n=6),
            _plane(2, 3, axis=1, n=4),
            _plane(2, 3, 2, axis=0, n=3),
            _plane(1, axis=0, n=1),
        )
    ],
    errors=(
        ErrorSample((np.ones(3),), {"axis": 0, "n": 4}, "takes 3 complex"),
        ErrorSample((np.ones(3, complex),), {"axis": 0, "n": 8}, "takes 5 complex"),
    ),
)
