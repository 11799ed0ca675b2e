"""Forms in which NumPy's and SciPy's functions are used: what the tests run, and what docs/coverage.md lists.

In: nothing. Out: named arrays, and expressions over them by family, written as users write them.
"""

from __future__ import annotations

import re

import numpy as np
from scipy import fft, integrate, linalg, signal, spatial, special, stats
from scipy.special import logsumexp

RNG = np.random.default_rng(7)


def apart(*shape: int) -> np.ndarray:
    """Values in (0.2, 1.9), pairwise different, away from integers and from zero."""
    n = int(np.prod(shape))
    return (RNG.permutation(n) * (1.6 / max(n, 1)) + 0.23 + RNG.uniform(0, 0.01, n)).reshape(shape)


ARRAYS = {
    "A": apart(2, 3),
    "B": apart(3, 4),
    "C": apart(2, 3, 4),
    "D": apart(2, 3),
    "Q": apart(3, 3),
    "V": apart(3),
    "W": apart(3),
    "S": np.float64(0.37),  # a scalar
    "Z": np.array(0.61),  # an array of no axes
    "E": np.zeros((0, 3)),
    "O": apart(1, 3),
    "N": -apart(2, 3),
    "F": apart(2, 3).astype(np.float32),
    "G": apart(3).astype(np.float32),
    "I": np.array([[2, -1, 3], [0, 4, -2]]),
    "J": np.array([1, 2, 2]),
    "L": np.array([3, 1, 2], np.int32),
    "U": np.array([3, 1, 2], np.uint8),
    "M": np.array([[True, False, True], [False, True, True]]),
    "K": np.array([True, False, True]),
    "T": apart(4, 2),
    "X": apart(2, 3, 3) + 2 * np.eye(3),  # matrices with an inverse
    "P": apart(3, 3) + np.diag([1.0, 2.0, 3.0]),
    "H": np.where(np.eye(3, 4) + np.eye(3, 4, 2) > 0, np.nan, apart(3, 4)),
}
MODULES = {
    "np": np,
    "special": special,
    "linalg": linalg,
    "fft": fft,
    "stats": stats,
    "signal": signal,
    "integrate": integrate,
    "spatial": spatial,
    "logsumexp": logsumexp,
    "poly": np.polynomial.polynomial,
    "cheb": np.polynomial.chebyshev,
    "leg": np.polynomial.legendre,
    "herm": np.polynomial.hermite,
    "herme": np.polynomial.hermite_e,
    "lag": np.polynomial.laguerre,
}
FORMS = {
    "operators": """
    A + D; A - D; A * D; A / D; A ** D; -A; +A; abs(N); A @ B; V @ W; A @ V; V @ B; Q @ Q @ V; A + 1
    1 + A; A - 1; 1 - A; A * 2; 2 * A; A / 2; 2 / A; A ** 2; A ** 3; A ** -1; A ** 0.5; 2 ** A
    2.5 ** A; A ** 0; A ** 1; A + 1.5; 1.5 - A; A * True; A + np.float64(2); A + np.float32(2)
    np.float32(2) * A; np.float64(2) - A; A + np.int64(3); A // 0.3; A % 0.3; 0.3 % A; I // 2; I % 3
    I % -3; -7 // J; divmod(A, 0.3)[1]; I // 0.7; np.float32(0.5) // G; A + V; V + A; A + O; A + S
    S + A; A * Z; Z * Z; Z + 1; S + 1; S * S; S ** 2; Z ** 2; 1 / Z; -Z; abs(S); A < D; A <= D
    A > D; A >= D; A == D; A != D; A < 1; 1 < A; I == 2; M & K; M | K; ~M; M ^ K; I & 3; I | 1; ~I
    I << 2; I >> 1; F + 1; F + 1.5; F * 2; F / 3; F ** 2; F ** 0.5; F + A; F + G
    F + np.float64(1.5); F + np.float32(1.5); F + np.int64(2); F + I; F + U; I + 1; I * 2; I / 2
    I ** 2; I + 1.5; I + A; I + U; L + U; L + 1; L / 2; L * 1.5; L + F; U + 1; M + 1; M + M; M * A
    M * K; K - 1; -I; -L; A + [1, 2, 3]; [1.0, 2.0, 3.0] * A; A + (1, 2, 3)
    np.array([1.0, 2.0, 3.0]) - A; np.array([[1], [2]]) * A; A + np.arange(3)
    """,
    "universal functions": """
    np.add(A, D); np.add(A, 1); np.subtract(1, A); np.multiply(A, V); np.divide(A, 3)
    np.true_divide(A, D); np.power(A, 2); np.power(A, D); np.exp(A); np.log(A); np.log1p(A)
    np.expm1(A); np.sqrt(A); np.tanh(A); np.sin(A); np.cos(A); np.tan(A / 2); np.sinh(A); np.cosh(A)
    np.arctan(A); np.arcsin(A / 2); np.arccos(A / 2); np.arcsinh(A); np.arccosh(A + 1)
    np.arctanh(A / 2); np.arctan2(A, D); np.hypot(A, D); np.exp2(A); np.log2(A); np.log10(A)
    np.cbrt(A); np.square(A); np.reciprocal(A); np.negative(A); np.positive(A); np.absolute(N)
    np.fabs(N); np.sign(N); np.floor(A); np.ceil(A); np.rint(A); np.trunc(A); np.round(A)
    np.round(A, 1); np.floor_divide(A, 0.3); np.remainder(A, 0.3); np.mod(N, 0.3); np.fmod(A, 0.3)
    np.maximum(A, D); np.minimum(A, D); np.maximum(A, 0.5); np.minimum(0.5, A); np.fmax(A, D)
    np.fmin(A, D); np.heaviside(N, 0.5); np.logaddexp(A, D); np.logaddexp2(A, D)
    np.float_power(A, 2); np.float_power(F, 2); np.copysign(A, N); np.deg2rad(A); np.rad2deg(A)
    np.degrees(A); np.sinc(A); np.logical_and(A, M); np.logical_or(M, K); np.logical_not(A)
    np.logical_xor(M, K); np.isnan(A); np.isfinite(A); np.isinf(A); np.signbit(N); np.equal(A, D)
    np.not_equal(A, D); np.less(A, D); np.less_equal(A, D); np.greater_equal(A, D)
    np.divmod(A, 0.3)[1]; np.greater(I, 2); np.bitwise_and(I, 3); np.bitwise_or(I, J)
    np.bitwise_xor(I, J); np.invert(I); np.right_shift(I, 1); np.left_shift(I, 1); np.exp(I)
    np.sqrt(J); np.sin(U); np.exp(F); np.tanh(F); np.log1p(F); np.exp(M); np.exp(S); np.exp(Z)
    np.add(A, D, dtype=np.float32); np.exp(A, dtype=np.float64); np.add.reduce(A)
    np.add.reduce(A, axis=1); np.maximum.reduce(A); np.multiply.reduce(A); np.add.accumulate(V)
    np.multiply.outer(V, W); np.subtract.outer(V, W); np.add.outer(A, V); np.clip(A, 0.5, 1.2)
    np.clip(A, None, 1); np.clip(A, 0.5, None); np.clip(A, V - 1, V + 1); np.clip(I, 0, 2)
    np.clip(F, 0.5, 1); A.clip(0.5, 1.2); A.clip(min=0.5); np.nan_to_num(A); np.logaddexp(V, W)
    np.logaddexp2(A, V); np.hypot(V, 3); np.sinc(V); np.sinc(S); np.sinc(0.0 * V)
    np.heaviside(V, 0.5); np.nan_to_num(V); np.nan_to_num(H, nan=1.0); np.conjugate(A); np.angle(V)
    np.angle(N); np.angle(V, deg=True); np.real_if_close(V); np.cbrt(N); np.i0(V); np.ldexp(V, 2)
    np.modf(A)[0]; np.fix(A); np.unwrap(V); np.unwrap(A * 5, axis=0); np.exp2(V)
    np.ldexp(V, [1, 2, 3])
    """,
    "reductions": """
    np.sum(A); np.sum(A, 0); np.sum(A, axis=1); np.sum(A, axis=-1); np.sum(A, axis=(0, 1))
    np.sum(C, axis=(0, -1)); np.sum(A, axis=0, keepdims=True); np.sum(A, keepdims=True); np.sum(E)
    np.sum(E, axis=0); np.sum(E, axis=1); np.sum(Z); np.sum(S); np.sum(I); np.sum(L); np.sum(U)
    np.sum(M); np.sum(M, axis=0); np.sum(F); np.sum(F, axis=0); np.sum(A, dtype=np.float32)
    np.sum(F, dtype=np.float64); np.sum(A, where=M); np.sum(A, initial=2.0); sum(V); sum(A); A.sum()
    A.sum(0); A.sum(axis=1, keepdims=True); np.sum([V, W]); np.sum([S, Z]); np.sum(A, axis=())
    np.sum(C, axis=1); np.mean(A); np.mean(A, axis=0); np.mean(A, axis=-1, keepdims=True)
    np.mean(C, axis=(0, 2)); np.mean(I); np.mean(F); np.mean(M); np.mean(U)
    np.mean(A, dtype=np.float32); A.mean(); A.mean(1); np.mean([S, Z]); np.mean(Z); np.average(A)
    np.average(V, weights=W); np.max(A); np.max(A, axis=0); np.min(A, axis=1)
    np.max(C, axis=(0, 2)); np.max(A, axis=-1, keepdims=True); np.amax(A); np.max(I); np.max(M)
    np.min(M, axis=0); A.max(); A.min(0); max(V); min(V); np.max(A, initial=5.0); np.nanmax(A)
    np.nansum(A); np.nanprod(A); np.nanmin(A); np.nanmean(A); np.prod(A); np.prod(A, axis=0)
    np.prod(A, axis=1, keepdims=True); np.prod(I); np.prod(J); np.prod(E, axis=0); np.prod(F)
    A.prod(); np.prod(V); np.var(A); np.var(A, axis=0); np.var(A, axis=1, ddof=1)
    np.var(A, axis=-1, keepdims=True); np.var(F); np.var(I); np.std(A); np.std(A, axis=0, ddof=1)
    np.std(C, axis=(0, 1)); A.std(); A.var(0); np.std(F, axis=0); np.var(A, mean=np.mean(A))
    np.ptp(A); np.ptp(A, axis=0); np.median(A); np.median(A, axis=0); np.quantile(V, 0.3)
    np.percentile(V, 30); np.median(B, axis=1); np.argmax(A); np.argmax(A, axis=0)
    np.argmin(A, axis=1); np.argmax(A, axis=1, keepdims=True); np.argmax(A, keepdims=True)
    np.argmin(I); np.argmin(U); np.argmax(M); A.argmax(); A.argmin(0); np.all(M); np.all(M, axis=0)
    np.any(M, axis=1, keepdims=True); np.any(A > 1); np.all(A); M.all(); M.any(0)
    np.count_nonzero(M); np.count_nonzero(A > 1, axis=0); np.allclose(A, D); np.array_equal(A, A)
    np.cumsum(A); np.cumsum(A, axis=0); np.cumsum(A, axis=-1); np.cumsum(V); np.cumprod(V)
    np.cumprod(A, axis=1); A.cumsum(1); np.cumsum(I); np.diff(V); np.diff(A, axis=0)
    np.diff(V, n=2); np.cumsum(F); np.ediff1d(V); np.gradient(V); np.trapezoid(V)
    np.trapezoid(A, V); np.trapezoid(A, x=A, axis=0); np.trapezoid(A, dx=0.5); np.linalg.norm(V)
    np.linalg.norm(A); np.linalg.norm(A, axis=0); np.linalg.norm(A, axis=1, keepdims=True)
    np.linalg.norm(V, 1); np.linalg.norm(V, np.inf); np.linalg.norm(A, "fro")
    np.linalg.norm(V, ord=2); np.linalg.norm(V, 3); np.linalg.norm(A, 1, axis=1)
    np.linalg.norm(V, -np.inf); np.linalg.norm(I); np.sum(A, where=[True, False, True])
    np.mean(A, where=A > 0.5, axis=1); np.var(A, where=A > 0.4, axis=1); np.std(A, where=A > 0.4)
    np.max(A, where=A > 0.5, initial=0.0); np.min(A, where=A < 1, initial=9.0)
    np.prod(A, where=A > 0.5); np.prod(A, initial=2.0); np.any(A > 1, where=A > 0.5)
    np.all(A > 1, where=A > 0.5); np.sum(A, initial=S); np.sum(C, axis=(-1, 0), keepdims=True)
    np.prod(C, axis=(0, 2)); np.sum([V, W], axis=0); np.mean([V, W], axis=0); np.max([S, Z])
    np.std([S, Z, 1.0]); np.prod(A, dtype=np.float64); np.cumprod(A); np.cumulative_sum(V)
    np.cumulative_sum(A, axis=1, include_initial=True); np.cumulative_prod(V, include_initial=True)
    A.cumprod(0); A.prod(axis=(0, 1)); A.var(ddof=1); A.std(axis=1, keepdims=True)
    A.mean(axis=1, keepdims=True); A.max(axis=1, initial=0.0); A.sum(where=A > 0.5); A.argsort(0)
    A.argmax(axis=1, keepdims=True); A.round(2); A.nonzero()[0]; A.sum(axis=None); np.sum(A, None)
    np.amax(A, 1); np.std(V, correction=1)
    """,
    "shape": """
    A.T; C.T; V.T; np.transpose(A); np.transpose(C, (1, 2, 0)); np.transpose(C, (-1, 0, 1))
    C.transpose(2, 0, 1); C.transpose((2, 0, 1)); C.transpose(); np.matrix_transpose(C); C.mT
    C.swapaxes(0, 2); np.swapaxes(C, 0, -1); np.moveaxis(C, 0, -1); np.moveaxis(C, (0, 1), (-1, 0))
    np.rollaxis(C, 2); np.permute_dims(C, (1, 0, 2)); A.reshape(6); A.reshape(3, 2)
    A.reshape((3, 2)); A.reshape(-1); A.reshape([3, -1]); np.reshape(A, (3, 2)); np.reshape(A, -1)
    np.reshape(A, (6,)); A.reshape(3, 2, order="F"); A.ravel(); np.ravel(A); A.flatten()
    np.ravel(A, "F"); E.reshape(3, 0); A.reshape(np.int64(6)); np.ravel(S); S.reshape(1)
    Z.reshape(1, 1); A.flatten("F"); np.squeeze(O); np.squeeze(O, 0); O.squeeze(); O.squeeze(axis=0)
    np.expand_dims(V, 0); np.expand_dims(V, -1); np.expand_dims(V, (0, 2)); V[None]; V[:, None]
    V[np.newaxis, :, np.newaxis]; np.atleast_1d(S); np.atleast_2d(V); np.atleast_3d(V)
    np.atleast_1d(S, V)[1]; np.atleast_2d(S); np.broadcast_to(V, (2, 3)); np.broadcast_to(S, (2,))
    np.broadcast_to(S, 2); np.broadcast_arrays(A, V)[1]; np.concatenate([A, D])
    np.concatenate((A, D), axis=1); np.concatenate([A, D], axis=-1)
    np.concatenate([A, D], axis=None); np.concatenate([V, [1.0]]); np.concatenate([V, J])
    np.concatenate([F, A]); np.stack([V, W]); np.stack([V, W], axis=1); np.stack([A, D], axis=-1)
    np.stack([S, Z]); np.hstack([V, W]); np.hstack([A, D]); np.hstack([S, V]); np.vstack([V, W])
    np.vstack([A, V]); np.column_stack([V, W]); np.column_stack([V, B]); np.dstack([A, D])
    np.append(V, W); np.append(A, D, axis=0); np.append(V, 1.0); np.block([[A, D], [D, A]])
    np.delete(V, 1); np.split(B, 2, axis=1)[1]; np.split(V, [1])[1]; np.array_split(V, 2)[1]
    np.hsplit(B, 2)[0]; np.vsplit(A, 2)[1]; np.split(V, [0, 2])[0]; np.array_split(V, 5)[4]
    np.unstack(A)[1]; np.flip(A); np.flip(A, 0); np.flip(A, (0, 1)); np.fliplr(A); np.flipud(A)
    np.rot90(A); np.roll(V, 1); np.roll(A, 1, axis=1); np.roll(A, (1, 2), axis=(0, 1))
    np.roll(A, -1); np.tile(V, 2); np.tile(A, (2, 2)); np.tile(V, (2, 1)); np.repeat(V, 2)
    np.repeat(A, 2, axis=0); np.repeat(A, 2); np.repeat(V, [1, 0, 2]); V.repeat(2)
    np.repeat(A, 2, axis=-1); np.resize(V, (2, 3)); np.pad(V, 1); np.pad(A, 1)
    np.pad(A, ((0, 1), (2, 0))); np.pad(V, (1, 2), constant_values=3.0)
    np.pad(V, 1, mode="constant"); np.pad(V, 2, mode="edge"); np.pad(V, 1, mode="reflect")
    np.pad(V, 2, mode="wrap"); np.pad(V, (1, 2)); np.pad(I, 1); np.tril(Q); np.triu(Q, 1)
    np.diag(V); np.diag(Q); np.diag(Q, 1); np.diagonal(Q); np.diagonal(C, axis1=1, axis2=2)
    np.diagonal(Q, 1); np.trace(Q); np.trace(C); np.trace(Q, 1); np.diagflat(V); np.diag(V, -1)
    Q.diagonal(); np.vander(V); np.meshgrid(V, W)[0]; np.meshgrid(V, W, indexing="ij")[1]
    np.where(M, A, D); np.where(A > 1, A, 0); np.where(A > 1, 0.0, A); np.where(K, V, W)
    np.where(M, A, V); np.where(True, A, D); np.where(A, A, D); np.where(M, F, 0); np.where(M, 1, 0)
    np.where(M, I, 0.5); np.where(A > 1, I, J); np.select([A > 1, A > 0.5], [A, D], 0.0)
    np.where(A > 1)[0]; np.nonzero(A > 1)[1]; np.argwhere(A > 1); np.choose(J - 1, [V, W])
    np.extract(M, A); np.compress([True, False, True], V); np.sort(V); np.sort(A, axis=0)
    np.argsort(V); np.argsort(A, axis=0); V[np.argsort(V)]; np.sort(A); np.unique(J)
    np.searchsorted(np.sort(V), 0.5); np.searchsorted(np.sort(V), W)
    np.searchsorted(np.sort(V), [0.5, 1.0], side="right"); np.sort(A, axis=None)
    np.flatnonzero(V > 1); np.interp(S, [0.0, 1.0], [2.0, 5.0]); np.interp(0.5, [0.0, 1.0], V[:2])
    np.digitize(V, [0.5, 1.0]); np.bincount(J); np.isclose(A, D); np.reshape(A, (3, 2), order="A")
    np.reshape(A.T, (6,), order="F"); A.ravel("K"); A.T.ravel("K"); A.T.ravel("A")
    A.reshape((3, 2), order="F"); A.flatten("K"); np.tile(A, (2, 1, 2)); np.tile(S, 3)
    np.tile(V, [2, 2]); np.repeat(A, [1, 2], axis=0); np.repeat(V, np.array([2, 0, 1]))
    np.repeat(S, 3); np.roll(C, (1, 2), (0, 2)); np.roll(A, 3); np.roll(A, [1, 1], axis=[0, 1])
    np.rot90(A, 2); np.rot90(A, -1); np.rot90(C, axes=(1, 2)); np.flip(A, axis=-1); np.flip([V, W])
    np.flip(S); np.squeeze(O, axis=(0,)); np.expand_dims(A, (0, -1)); np.swapaxes(A, 0, 1)
    np.broadcast_arrays(V, A)[0]; np.ediff1d(V, to_begin=1.0, to_end=[2.0, 3.0]); np.ediff1d(A)
    np.resize(A, (3, 3)); np.trim_zeros(V); np.isclose(V, W); np.array_equiv(V, W)
    np.allclose(V, V); np.iscomplex(V); np.isreal(V); np.isneginf(V); np.isposinf(V); np.isscalar(S)
    np.max(V) - np.min(V); np.clip(V, 0.5, W); V.clip(0.3, 0.9); np.clip(S, 0, 1)
    np.clip([S, Z], 0, 1); np.clip(V, a_min=0.5, a_max=1); np.clip(V, min=0.5); np.round(V, 2)
    np.around(V, 1); np.ceil(V); abs(V); divmod(V, 0.3)[1]; pow(V, 2); V // 0.3; V % 0.3; -V; +V
    [1, 2, 3] @ V; V ** 2.0; 2 ** V; V ** W; V ** (-1); V ** 0
    """,
    "indexing": """
    A[0]; A[-1]; A[0, 1]; A[:, 1]; A[1:, ::-1]; A[..., 0]; A[0, ...]; A[...]; A[()]; A[None]
    A[0, None]; A[:, :, None]; A[::2]; A[5:]; A[-2:, -2:]; V[::-2]; C[0, :, 1]; C[:, 1:2, :]; Z[()]
    Z[...]; Z[None]; S[()]; S[None]; S[...]; A[np.int64(1)]; A[np.int32(0), 1]; A[[0, 1, 0]]
    A[:, [2, 0]]; A[[0, 1], [2, 0]]; A[[0, 1], :]; A[J - 1]; A[:, J]; A[np.array([[0, 1], [1, 0]])]
    C[:, [0, 2], [1, 3]]; C[[0, 1], :, [1, 3]]; C[None][:, [0, 1], :, [1, 3]]
    C[[0, 1], None, [1, 0]]; C[:, None, [0, 2], [1, 3]]; C[0, None, [1, 2]]; C[None, :, [0, 1], 0]
    C[0, :, [1, 3]]; C[[0, 1], 1:, [1, 3]]; A[[-1, 0]]; A[np.array([0]), 1]; V[J]; V[[0, 0]]
    V[L - 1]; V[U - 1]; A[np.ix_([0, 1], [0, 2])]; A[[]]; V[np.array([], int)]; A[[True, False]]
    A[1, [0, 2]]; C[1, [0, 2]]; A[None, [0, 1]]; A[[0, 1], None]; C[..., [0, 1]]
    A[([0, 1], [1, 2])]; C[[[0], [1]], [0, 2]]; A[M]; A[A > 1]; V[K]; A[:, K]; A[[True, False], 1:]
    C[M]; A[0][K]; A[~M]; V[V > 0.5]; C[:, K]; C[0, K]; A[M & (A > 0.5)]; A[np.array([True, False])]
    V[np.argmax(V)]; A[np.argmax(V) - 1]; V[int(np.argmax(V))]; A[A.argmax(0), [0, 1, 2]]
    V[:, None][K]; V[I[0] - 1]; np.take(V, [0, 2]); np.take(A, 1, axis=0)
    np.take(A, [0, 2], axis=1); np.take(A, [0, 5]); np.take(A, J, axis=1); V.take([0])
    np.take_along_axis(A, np.argsort(A, axis=1), axis=1)
    np.take_along_axis(A, np.argmax(A, axis=0, keepdims=True), axis=0); len(A); A.shape; A.ndim
    A.size; A.dtype; np.shape(A); np.size(A); np.ndim(A); A.nbytes; A.itemsize; list(V)
    [row for row in A][1]; tuple(V)[0]; A.flat[2]; V.real; V.imag; V.conj(); np.real(V); np.conj(V)
    np.isrealobj(A); np.imag(V); np.asanyarray(V); np.vecmat(V, B); V.flat[1:]
    """,
    "products": """
    np.dot(V, W); np.dot(A, B); np.dot(A, V); np.dot(V, B); np.dot(S, V)
    np.dot(C, V[:, None].T[:0].sum() + np.ones(4)); np.dot(C, B.T); A.dot(B); V.dot(W)
    np.matmul(A, B); np.matmul(V, W); np.inner(V, W); np.inner(A, D); np.inner(S, V); np.inner(A, V)
    np.outer(V, W); np.outer(A, V); np.vdot(V, W); np.vdot(A, D); np.vecdot(A, D)
    np.tensordot(A, B, 1); np.tensordot(A, B, axes=([1], [0])); np.tensordot(A, D, axes=2)
    np.tensordot(A, D, axes=((0, 1), (0, 1))); np.tensordot(V, W, 0)
    np.tensordot(C, B, axes=(1, 0)); np.kron(V, W); np.kron(A, Q); np.cross(V, W)
    np.linalg.multi_dot([A, B, B.T]); F @ B; I @ B; I @ Q; J @ J; np.matvec(A, V)
    np.linalg.outer(V, W); np.einsum("ij,jk->ik", A, B); np.einsum("ij,jk", A, B)
    np.einsum("ij->ji", A); np.einsum("ij->", A); np.einsum("ii->i", Q); np.einsum("ii", Q)
    np.einsum("i,i", V, W); np.einsum("...j,jk->...k", C.transpose(0, 2, 1), B)
    np.einsum("ij,ij->i", A, D); np.einsum("i,j->ij", V, W); np.einsum("ij, jk -> ki", A, B)
    np.einsum("...ij->...ji", C); np.einsum("ij,j,jk->ik", A, V, B)
    np.einsum("iij->j", np.stack([A, D])); np.einsum("ij,k->", A, V); np.einsum("i->i", F[0])
    np.einsum("ij,jk->ik", F, B); np.einsum("...,...", A, D); np.einsum("i...->...", A)
    np.linalg.matrix_power(Q, 3); np.linalg.trace(Q); np.dot(C, np.ones((4, 2)))
    np.dot(C, np.ones((5, 4, 2))); np.dot(2.0, V); np.dot([1, 2, 3], V); np.inner(C, B)
    np.inner(S, 2); np.outer(V, [1, 2]); np.outer(A, D); np.tensordot(A, B, axes=1)
    np.tensordot(C, A, axes=([0, 1], [0, 1])); np.tensordot(C, A, axes=((1, 0), (1, 0)))
    np.tensordot(C, C, 3); np.tensordot(C, B, axes=([2], [1])); np.tensordot(V, W, axes=1)
    np.einsum("ij->i", A); np.einsum(A, [0, 1], B, [1, 2], [0, 2]); np.einsum(A, [0, 1], B, [1, 2])
    np.einsum(A, [0, 1]); np.einsum(Q, [0, 0]); np.einsum(C, [..., 0], [...])
    np.einsum("ij,kj,jl->ikl", A, D, B, optimize=True)
    np.einsum("ij,jk->ik", A, B, optimize="greedy"); np.einsum("...i,...i", A, D)
    np.einsum("i,j,k->ijk", V, W, V); np.einsum(",i->i", S, V)
    np.einsum("ij,...j->...i", A, C.transpose(0, 2, 1)); np.einsum("ii->", Q)
    np.einsum("ij,ij", A, D); np.einsum("i->", V); np.einsum("iik->ik", X.transpose(1, 2, 0))
    np.einsum("ij,jk->ik", A, B, dtype=float); np.einsum("i,i->i", V, [1, 2, 3])
    np.einsum("ij,jk,kl,lm", A, B, B.T, Q); np.einsum("ij,ij->ij", A, O)
    np.einsum("...ij,...jk", X, Q); np.kron(A, B); np.kron(V, A); np.kron(A, C); np.kron(S, V)
    np.cross(A, D); np.cross(A, V); np.cross(X, X[..., ::-1]); np.cross(B, B[::-1], axis=0)
    np.cross(A.T, D.T, axisa=0, axisb=0, axisc=0); np.linalg.cross(V, W); np.trace(Q, offset=-1)
    np.trace(C, axis1=1, axis2=2); np.trace(X, axis1=-2, axis2=-1); Q.trace(); Q.trace(1)
    np.diag(V, -2); np.diag(A); np.diag(Q, -1); np.diagonal(C, 0, 0, 1); np.diagonal(C, 1, -1, -2)
    Q.diagonal(1); np.diagflat(A, 1); np.tril(A); np.triu(C); np.tril(V); np.triu(Q, -1)
    np.vander(V, 2); np.vander(V, 4, increasing=True)
    """,
    "creation and conversion": """
    np.array([S, Z]); np.array([[S, 1], [2, Z]]); np.array([V, W]); np.array([A[0], V]); np.array(V)
    np.asarray(V); np.array([S, 1], dtype=np.float32); np.array(V, dtype=np.float32)
    np.array([1, S, 2]); np.array((S, S)); np.array([[S]]); np.array([V[0], V[1]])
    np.array(A, ndmin=3); np.array([S], ndmin=2); np.asarray([S, 2.0]); np.array([M, M])
    np.array([I, I]); np.array(S); np.stack([V, [1.0, 2.0, 3.0]]); A.astype(np.float32)
    A.astype("float32"); A.astype(float); I.astype(float); A.astype(int); M.astype(float); A.copy()
    np.copy(A); A.astype(np.float64, copy=False); F.astype(np.float64); np.astype(A, np.float32)
    (A > 1).astype(float); A.view(); np.ascontiguousarray(A); np.asfortranarray(A); np.require(A)
    np.float32(2) * A.astype(np.float32); np.zeros_like(A); np.ones_like(A); np.full_like(A, 2.5)
    np.empty_like(A).shape; np.zeros_like(I); np.zeros_like(A, dtype=int)
    np.ones_like(V, shape=(2, 2)); np.full_like(V, S); np.full(3, S); np.full((2, 2), S)
    np.zeros(3) + V; np.ones((2, 3)) * A; np.eye(3) @ V; np.arange(3) * V; np.linspace(0, 1, 3) * V
    np.linspace(S, Z, 4); np.identity(3) * V; np.zeros(V.shape); np.zeros(len(V)); np.arange(V.size)
    np.zeros(A.shape[0]); np.tri(3) @ V; np.zeros_like(V, float); np.geomspace(1, 8, 3) * V
    np.logspace(0, 1, 3) * V; np.fromfunction(lambda i: i + 1.0, (3,)) * V; A.round(); A.round(1)
    A.any(); A.all(); A.squeeze(); np.iscomplexobj(A); np.result_type(A, F)
    np.can_cast(I.dtype, float); np.polyval([1.0, 2.0, 3.0], V); np.polyval(V, 2.0)
    np.convolve(V, [1.0, 0.5]); np.correlate(V, W); np.correlate(V, V[:2], "same")
    np.correlate(V[:2], V, "full"); np.correlate(V[:2], V); np.convolve(V[:2], V, "same")
    np.convolve(V, W, "valid"); np.gradient(B)[1]; np.gradient(V, 0.5); np.cov(A); np.corrcoef(A)
    np.apply_along_axis(np.sum, 1, A); np.apply_along_axis(lambda v: v ** 2, 0, A)
    np.apply_over_axes(np.sum, C, [0, 2]); np.vectorize(lambda x: x ** 2)(V)
    np.vectorize(lambda x, y: x * y)(V, 2.0); np.array(list(V)); np.array([v * 2 for v in V])
    np.stack([*A]); np.asarray([[S, S], [1, 2]]); np.asarray_chkfinite(V); np.copy(A, order="F")
    np.ascontiguousarray(A.T); np.array([A, D]); np.atleast_2d([V, W]); np.vstack((V, [1, 2, 3]))
    np.hstack([V, 1.0]); np.dstack((V, W)); np.column_stack((V, [1, 2, 3]))
    np.concatenate((V, [S, Z])); np.concat([V, W]); np.dsplit(C, 2)[1]; np.split(V, 3)
    np.array_split(A, 2, axis=1); np.geomspace(S, Z, 4); np.logspace(S, Z, 3); np.linspace(V, W, 3)
    np.linspace(S, 1, 3, endpoint=False); np.linspace(0, S, 5, retstep=True)[1]
    np.linspace(V, W, 3, axis=-1); np.arange(0, 3) * S; np.full((2, 3), V); np.full_like(A, V)
    np.tri(3) * Q; np.ix_([0, 1], [0, 2])[0] * S; np.indices((2, 3))[0] * A
    np.mgrid[0:2, 0:3][0] * A; np.fromfunction(lambda i, j: i * S + j, (2, 3))
    """,
    "quantiles": """
    np.median(A, axis=(0, 1)); np.median(C, axis=(0, 2), keepdims=True); np.median(A, keepdims=True)
    np.median(Z); np.median(S); np.quantile(A, [0.1, 0.5], axis=1, keepdims=True)
    np.quantile(C, 0.3, axis=(0, -1)); np.quantile(V, 0.3, method="lower")
    np.quantile(V, 0.3, method="higher"); np.quantile(V, 0.3, method="nearest")
    np.quantile(V, 0.3, method="midpoint"); np.quantile(V, 0.3, method="hazen")
    np.quantile(V, 0.3, method="weibull"); np.quantile(V, 0.3, method="median_unbiased")
    np.percentile(A, [[10, 20], [30, 40]], axis=0); np.percentile(A, 50, axis=(0, 1))
    np.quantile(V, S); np.quantile(V, 0.3, weights=W, method="inverted_cdf")
    np.percentile(A, [30, 60], axis=0, weights=D, method="inverted_cdf", keepdims=True)
    np.quantile(A, [0.3, 0.6], axis=1, weights=V, method="inverted_cdf")
    np.quantile(A, 0.0, axis=1, weights=[0, 1, 1], method="inverted_cdf")
    np.quantile(A, 1.0, axis=(0, 1), weights=D, method="inverted_cdf", keepdims=True)
    np.quantile(F, 0.4, axis=1, weights=[1, 2, 1], method="inverted_cdf")
    np.quantile(I, 0.4, axis=0, weights=[1, 2], method="inverted_cdf") * S
    np.nanquantile(V, 0.3, weights=W, method="inverted_cdf")
    np.nanpercentile(H, 30, weights=B[:3], method="inverted_cdf")
    """,
    "numbers that are not NaN": """
    np.nansum(H); np.nansum(H, axis=1, keepdims=True); np.nanprod(H, axis=0); np.nanmean(H, axis=1)
    np.nanvar(H, axis=1); np.nanstd(H, axis=1, ddof=1); np.nanmin(H, 0); np.nanmax(H)
    np.nanmedian(H, axis=1); np.nanmedian(H); np.nanquantile(H, 0.3, axis=1)
    np.nanpercentile(H, 30); np.nancumsum(H); np.nancumsum(H, axis=1); np.nancumprod(H, axis=0)
    np.nanargmax(H, axis=1); np.nanargmin(H); np.nansum(A, where=A > 0.5)
    np.nanmean(A, where=A > 0.5); np.nanmax(A, initial=1.0)
    """,
    "statistics": """
    np.average(A, axis=1, weights=V); np.average(A, weights=D)
    np.average(A, axis=0, weights=D, keepdims=True); np.average(A, axis=1, weights=V, returned=True)
    np.average(A, axis=(0, 1)); np.average(C, axis=(0, 1), weights=A)
    np.average(V, weights=[1, 2, 3]); np.ptp(A, axis=(0, 1)); np.ptp(A, axis=1, keepdims=True)
    """,
    "methods of ufuncs": """
    np.maximum.accumulate(V); np.minimum.accumulate(A, axis=1); np.add.accumulate(A)
    np.multiply.accumulate(A, axis=1); np.fmax.accumulate(V); np.subtract.accumulate(V)
    np.logaddexp.accumulate(V); np.subtract.reduce(V); np.logaddexp.reduce(V)
    np.logaddexp.reduce(A, axis=1); np.logaddexp2.reduce(A, axis=0); np.hypot.reduce(V)
    np.divide.reduce(V); np.fmin.reduce(A, axis=None); np.add.reduce(A, axis=None)
    np.add.reduce(A, axis=(0, 1), keepdims=True); np.add.reduce(A, where=A > 0.5)
    np.add.reduce(A, initial=3.0); np.bitwise_or.reduce(np.array([1, 2]))
    np.add.reduceat(V, [0, 1]); np.add.reduceat(A, [0, 2], axis=1); np.multiply.reduceat(V, [0, 2])
    np.maximum.reduceat(V, [0, 2]); np.add.reduceat(V, [0, 2, 1]); np.add.outer(V, W)
    np.power.outer(V, W); np.hypot.outer(V, W)
    """,
    "differences and totals": """
    np.diff(A, prepend=0.0); np.diff(V, append=V[:1]); np.diff(V, prepend=1, append=2)
    np.diff(A, n=0); np.diff(V, n=5); np.diff(A, axis=0, prepend=A[:1])
    np.diff(A, axis=0, prepend=1.0); np.gradient(V, edge_order=2); np.gradient(V, W)
    np.gradient(B, V, axis=0); np.gradient(B, V, 0.5); np.gradient(V, np.array([0.0, 1.0, 3.0]))
    np.gradient(V, np.array([0.0, 1.0, 3.0]), edge_order=2); np.gradient(B, axis=(0, 1))
    np.gradient(B, 2.0, axis=1, edge_order=2); np.gradient(V, S); np.gradient(V, W, edge_order=2)
    np.gradient(B, 0.1, 0.2, edge_order=2); np.trapezoid(B, axis=0); np.trapezoid(B, V, axis=0)
    np.trapezoid(B, B, axis=1); np.trapezoid(B, dx=S); np.trapezoid([V, W], axis=0)
    np.trapezoid(V, [0, 1, 3]); np.trapezoid(A, dx=np.array([1.0, 2.0]))
    """,
    "convolutions, interpolation, polynomials": """
    np.convolve(V, W); np.convolve(V, W, "same"); np.convolve(V, W[:2], mode="full")
    np.convolve(V, 2.0); np.correlate(V, W, "full"); np.convolve([1, 2, 3], V)
    np.convolve(V, [1, 2], "same"); np.interp(V, [0, 1, 2], [1, 2, 5])
    np.interp(V, np.array([0.0, 1.0, 2.0]), W); np.interp(V, [0, 1, 2], W, left=0, right=1)
    np.interp(V, [0.0, 1.0, 2.0], W, period=1.5); np.interp(S, [0, 1], [1, 2])
    np.interp(A, [0, 1, 2], V); np.interp(0.5, np.cumsum(V), W); np.interp(V, [0.5], [2.0])
    np.polyval(V, W); np.polyval(V, A); np.polyder(V); np.polyint(V); np.polymul(V, W)
    np.polyadd(V, W[:2]); np.polysub(V, W); np.polyfit([0.0, 1.0, 2.0, 3.0], B[0], 1)
    np.cov(A, rowvar=False); np.cov(V, W); np.cov(A, ddof=0); np.cov(A, aweights=[1.0, 2, 3])
    np.corrcoef(B); np.corrcoef(V, W); np.cov(V); np.cov(A, bias=True)
    np.cov(A, fweights=[1, 2, 3]); np.polydiv(B[0], V); np.polydiv(V, W); np.polydiv(W[:1], V)
    np.poly(V); np.poly(Q); np.poly(A[0, :1]); np.roots(V).real; np.roots(np.array([1, -6, 11, -6]) * S).real
    np.roots(np.stack([S, Z, 0 * Z])).real; np.poly1d(V)(2.0); np.poly1d(V)(W); np.poly1d([1, 2])(V)
    (np.poly1d(V) * np.poly1d(W)).deriv()(S); np.poly1d(V, True).coeffs; np.common_type(A, I)
    """,
    "padding": """
    np.pad(A, 1, mode="edge"); np.pad(A, ((1, 2), (0, 1)), mode="reflect")
    np.pad(A, 1, mode="symmetric"); np.pad(V, 4, mode="wrap"); np.pad(V, 1, mode="linear_ramp")
    np.pad(V, 2, mode="linear_ramp", end_values=(1, 2)); np.pad(A, 1, mode="maximum")
    np.pad(A, 1, mode="mean"); np.pad(A, 2, mode="mean", stat_length=1); np.pad(A, 1, mode="median")
    np.pad(A, 1, mode="minimum"); np.pad(A, 1, constant_values=((1, 2), (3, 4)))
    np.pad(V, 1, constant_values=(1, 2)); np.pad(A, {-1: (1, 2)})
    np.pad(V, 2, mode="reflect", reflect_type="odd"); np.pad(V, (1,)); np.pad(A, [(1, 1)])
    np.pad(V, 0); np.pad(V, 1, constant_values=S)
    np.pad(V, 2, mode="symmetric", reflect_type="odd")
    """,
    "joining and editing": """
    np.meshgrid(V, W); np.meshgrid(V, W, sparse=True); np.meshgrid(V, W, S, indexing="ij")
    np.block([V, W]); np.block([[A], [D]]); np.block([[S, V], [Z, W]]); np.block(V); np.append(V, S)
    np.append([1, 2], V); np.append(A, D, axis=1); np.insert(V, 1, 2.0)
    np.insert(V, [0, 2], [5.0, 6.0]); np.insert(V, 1, W); np.insert(A, 1, 5.0, axis=0)
    np.insert(A, 1, V, axis=0); np.insert(A, [1], [[1.0], [2.0]], axis=1); np.insert(A, 2, S)
    np.insert(V, slice(0, 2), 1.0); np.insert(V, -1, 9.0); np.insert(V, 3, S)
    np.insert([1.0, 2.0], 1, S); np.insert(V, np.array([True, False, True]), 7.0); np.delete(A, 1)
    np.delete(A, 0, axis=1); np.delete(A, [0, 2], axis=1)
    np.delete(A, slice(None, None, 2), axis=1); np.delete(V, np.array([True, False, True]))
    np.delete(V, -1); np.delete([V, W], 0, axis=0)
    """,
    "choosing": """
    np.choose([0, 1, 0], [V, W]); np.choose(np.array([0, 1, 2]), [V, W, 1.0], mode="clip")
    np.choose([0, 3, 1], [V, W], mode="wrap"); np.select([V > 1, V > 0.5], [V, W], default=S)
    np.select([V > 1], [V]); np.piecewise(V, [V < 1, V >= 1], [lambda x: x ** 2, lambda x: 3 * x])
    np.piecewise(V, [V < 1], [lambda x: x ** 2, 5.0]); np.piecewise(V, [V < 0.5, V > 1], [1, 2])
    np.piecewise(V, V < 1, [lambda x: -x, lambda x: x])
    np.piecewise(S, [S < 1, S >= 1], [lambda x: x ** 2, lambda x: 3 * x])
    np.piecewise(V, [V < 1], [lambda x, a: x * a, lambda x, a: x], 2.0); np.where(V > 1, V, 0)
    np.where([True, False, True], V, W); np.where(V > 1, [1.0, 2.0, 3.0], W); np.where(True, S, 0.0)
    np.take(V, [0, -1]); np.take(V, [0, 4], mode="wrap"); np.take(V, [0, 4], mode="clip")
    np.take(V, [-4, 5], mode="clip"); np.take(A, [[0, 1], [1, 0]], axis=0)
    np.take([V, W], 1, axis=0); np.take(V, 1); np.take_along_axis(V, np.array([2, 0]), 0)
    np.take_along_axis(A, np.array([[0, 1]]), axis=1)
    np.take_along_axis(A, np.array([[0], [1]]), 1); np.take_along_axis(A, np.array([5, 0]), None)
    np.compress([1, 0, 1], V); np.compress([True, False], A, axis=0); np.extract(V > 0.5, V)
    V.compress([True, False, True]); A.compress([True], axis=1)
    """,
    "sorting and looking up": """
    np.union1d(V, V + 3); np.intersect1d([1.0, 2.0], [2.0, 3.0]) * V
    np.histogram_bin_edges(I, 3) * S; np.sort(A, kind="stable"); np.sort([3.0, 1.0, 2.0]) * V
    np.argsort(V)[::-1]; np.partition(V, 1); np.partition(A, 1, axis=0); np.argpartition(V, 1)
    np.partition(V, [0, 2]); np.lexsort((V, W)); np.unique(V); np.unique(A); np.unique(A, axis=0)
    np.unique(V, return_index=True)[0]; np.unique(V, return_inverse=True, return_counts=True)
    np.unique_values(V); np.searchsorted(np.sort(V), [0.5, 1]); np.searchsorted([0.0, 1.0, 2.0], V)
    np.searchsorted(V, 0.5, sorter=np.argsort(V)); np.digitize(V, [0, 1, 2])
    np.digitize(V, [2, 1, 0]); np.histogram(V, bins=3)[0]; np.histogram(V, bins=[0, 1, 2])[0]
    np.histogram(V, bins=[0, 1, 2], weights=W)[0]; np.bincount([0, 1, 1], weights=V)
    np.bincount(np.array([0, 1, 1]), V, minlength=4); np.isin(V, W)
    """,
    "linear algebra": """
    np.linalg.tensorinv(Q.reshape(3, 3, 1)[:, :, 0], ind=1); np.linalg.solve(Q, V)
    np.linalg.solve(Q, np.eye(3)); np.linalg.solve(X, Q); np.linalg.solve(X, V); np.linalg.inv(Q)
    np.linalg.inv(X); np.linalg.det(Q); np.linalg.det(X); np.linalg.slogdet(Q)
    np.linalg.slogdet(Q)[1]; np.linalg.slogdet(Q).logabsdet; np.linalg.slogdet(-X)
    np.linalg.pinv(A); np.linalg.pinv(T); np.linalg.pinv(X); np.linalg.pinv(A, rcond=1e-10)
    np.linalg.cholesky(P + P.T); np.linalg.cholesky(P @ P.T, upper=True); np.linalg.eigh(P + P.T)
    np.linalg.eigh(P + P.T, "U").eigenvectors; np.linalg.eigvalsh(P + P.T); np.linalg.svd(Q)
    np.linalg.svd(A, full_matrices=False); np.linalg.svd(T, full_matrices=False)
    np.linalg.svd(A, compute_uv=False); np.linalg.svdvals(A); np.linalg.qr(Q); np.linalg.qr(T)
    np.linalg.qr(A); np.linalg.qr(T, mode="r"); np.linalg.qr(A, mode="complete"); np.linalg.qr(X)
    np.linalg.lstsq(T, B[0], rcond=None); np.linalg.lstsq(T, B.T, rcond=None)[0]
    np.linalg.lstsq(A, [1.0, 2.0])[0]; np.linalg.tensorsolve(Q, V); np.linalg.norm(A, "nuc")
    np.linalg.norm(A, 2); np.linalg.norm(A, -2); np.linalg.norm(A, 1); np.linalg.norm(A, -1)
    np.linalg.norm(A, np.inf); np.linalg.norm(A, -np.inf); np.linalg.norm(C, axis=(0, 2))
    np.linalg.norm(C, 1, axis=(2, 0)); np.linalg.norm(C, "nuc", axis=(0, 1), keepdims=True)
    np.linalg.norm(V, 3.5); np.linalg.norm(V, -2); np.linalg.norm(V, 0)
    np.linalg.norm(A, 3, axis=0, keepdims=True); np.linalg.norm(A, "fro", axis=(0, 1))
    np.linalg.norm(C); np.linalg.norm(C, axis=-1); np.linalg.norm(C, ord=2, axis=(1, 2))
    np.linalg.vector_norm(C, axis=(0, 1)); np.linalg.vector_norm(A, ord=1); np.linalg.matrix_norm(C)
    np.linalg.matrix_norm(C, ord="nuc", keepdims=True); np.linalg.cond(Q); np.linalg.cond(Q, 1)
    np.linalg.cond(Q, "fro"); np.linalg.cond(Q, -2); np.linalg.cond(X); np.linalg.matrix_rank(Q)
    np.linalg.matrix_rank(X); np.linalg.matrix_power(Q, -2); np.linalg.matrix_power(Q, 0)
    np.linalg.matrix_power(X, 5); np.linalg.multi_dot([A, B, B.T, Q])
    np.linalg.multi_dot([V, Q, W]); np.linalg.vecdot(A, D); np.linalg.matmul(A, B)
    np.linalg.tensordot(A, B, axes=1); np.linalg.diagonal(X); np.linalg.trace(X)
    np.linalg.matrix_transpose(X); np.linalg.svd(T)[1]; np.linalg.svd(T[:3]); np.linalg.svd(A)
    np.linalg.svd(T)[0][:, 2:] @ np.linalg.svd(T)[0][:, 2:].T; np.linalg.svd(X[:, :2])
    np.linalg.qr(T, mode="complete")[1]; np.linalg.qr(T[:3], mode="complete")
    np.linalg.svd(P + P.T, hermitian=True); np.linalg.svd(P + P.T - 5 * np.eye(3), False, False, True)
    np.linalg.pinv(P + P.T, hermitian=True)
    """,
    "classes of polynomials": """
    poly.polyval(V, W); poly.polyval(2.0, V); poly.polyval(V, [1.0, 2, 3]); poly.polyval(V, B)
    poly.polyval(V, B[:, :3], tensor=False); poly.polyval2d(V, W, A); poly.polygrid2d(V, W, A)
    poly.polyval3d(V, W, V, C); poly.polyder(V); poly.polyder(V, 2); poly.polyder(A, axis=1)
    poly.polyint(V); poly.polyint(V, 2, k=[1, 2], lbnd=1, scl=2); poly.polyadd(V, W[:2])
    poly.polysub(V, W[:2]); poly.polymul(V, W); poly.polymulx(V); poly.polymulx(V[:1])
    poly.polydiv(B[0], V); poly.polypow(V, 3); poly.polyroots(V).real; poly.polyfromroots(V)
    poly.polyvander(V, 3); poly.polyvander2d(V, W, [1, 2]); poly.polyfit(V, W, 1)
    poly.polyfit(V, W, [0, 2], w=V); poly.polycompanion(V); poly.polyvalfromroots(V, W)
    poly.polyline(S, Z); cheb.chebval(V, W); cheb.chebval(2.0, V); cheb.chebval(V, B)
    cheb.chebval2d(V, W, A); cheb.chebder(B[:, 0], 2); cheb.chebint(V); cheb.chebadd(V, W)
    cheb.chebmul(V, W); cheb.chebmulx(V[:1]); cheb.chebdiv(B[0], V); cheb.chebpow(V, 2)
    cheb.chebvander(V, 3); cheb.chebfit(V, W, 1); cheb.chebroots(V).real; cheb.cheb2poly(V)
    cheb.poly2cheb(V); cheb.chebweight(V / 2); cheb.chebfromroots(V); cheb.chebgauss(3)[0] @ V
    leg.legval(V, W); leg.legval(V, B); leg.legder(V); leg.legint(V); leg.legmul(V, W)
    leg.legvander(V, 3); leg.legfit(V, W, 1); leg.leg2poly(V); leg.legmulx(V[:1]); leg.legline(S, Z)
    herm.hermval(V, W); herm.hermval(V, B); herm.hermder(V); herm.hermmul(V, W)
    herm.hermvander(V, 3); herm.hermweight(V); herm.poly2herm(V); herm.hermline(S, Z)
    herme.hermeval(V, W); herme.hermeval(V, B); herme.hermemul(V, W); herme.hermevander(V, 3)
    cheb.chebline(S, Z); herme.hermeline(S, Z); herme.hermemulx(V); herm.hermmulx(V[:1]); leg.legmulx(V)
    lag.lagval(V, W); lag.lagval(V, B); lag.lagmul(V, W); lag.lagvander(V, 3); lag.lagline(S, Z)
    lag.lagmulx(V[:1]); np.polynomial.Polynomial([1, 2, 3])(V); np.polynomial.Polynomial(V)(2.0)
    np.polynomial.Polynomial(V)(W); np.polynomial.Polynomial([S, Z, 1.0])(V)
    np.polynomial.Polynomial(V).deriv()(W); np.polynomial.Polynomial(V).integ()(W)
    (np.polynomial.Polynomial(V) * np.polynomial.Polynomial(W) + 1)(2.0)
    (np.polynomial.Polynomial(V) ** 2 - np.polynomial.Polynomial(W)).coef
    np.polynomial.Polynomial(V, domain=[0, 2], window=[-1, 1])(W)
    np.polynomial.Polynomial.fit(V, W, 1, domain=[0, 2])(V); np.polynomial.Polynomial(V).linspace(4)[1]
    np.polynomial.Polynomial.fromroots(V).coef; np.polynomial.Polynomial(V).degree()
    np.polynomial.Chebyshev(V)(W); np.polynomial.Chebyshev(V).deriv()(W)
    np.polynomial.Legendre(V)(W); np.polynomial.Hermite(V)(W); np.polynomial.HermiteE(V)(W)
    np.polynomial.Laguerre(V)(W); np.polynomial.Chebyshev.interpolate(np.exp, 3)(V)
    """,
    "scipy.special": """
    special.k0e(V); special.k1e(V); special.kve(2, V); special.yv(0.5, V); special.softplus(V)
    special.erf(V); special.erfc(V); special.erfcx(V); special.erfinv(V / 2); special.erfcinv(V)
    special.gamma(V); special.gammaln(V); special.psi(V); special.digamma(V)
    special.polygamma(1, V); special.polygamma([1, 2, 3], V); special.rgamma(V); special.loggamma(V)
    special.gammasgn(V); special.expit(V); special.expit(N); special.logit(V / 2)
    special.xlogy(V, W); special.xlogy(2, V); special.xlog1py(V, W); special.entr(V)
    special.rel_entr(V, W); special.kl_div(V, W); special.j0(V); special.j1(V); special.y0(V)
    special.y1(V); special.i0(V); special.i1(V); special.i0e(V); special.i1e(V); special.i0e(N)
    special.jn(2, V); special.jv(1.5, V); special.yn(1, V); special.iv(2, V); special.ive(2, V)
    special.kv(1, V); special.k0(V); special.k1(V); special.kn(2, V); special.ndtr(V)
    special.log_ndtr(N); special.ndtri(V / 2); special.log_expit(V); special.betaln(V, W)
    special.beta(V, W); special.gammainc(2.0, V); special.gammaincc(np.array([1, 2, 3]), V)
    special.betainc(1.5, 2.0, V / 2); special.exprel(V); special.boxcox(V, W); special.boxcox(V, S)
    special.boxcox1p(V, 0.5); special.huber(1.0, V); special.pseudo_huber(W, V); special.expn(2, V)
    special.exp1(V); special.expi(V); special.exp10(V); special.log1p(V); special.expm1(V)
    special.cbrt(V); special.exp2(V); special.sinc(V); special.erf(S); special.erf(Z)
    special.gammaln(np.array([1, 2, 3])) * V; special.erf(1.0) * V; special.multigammaln(V + 3, 3)
    special.erfi(V); special.ndtri_exp(-V); special.cosm1(V); special.wrightomega(V); special.spence(V)
    special.ellipk(V / 2); special.ellipe(V / 2); special.ellipkm1(V / 2); special.owens_t(V, W)
    special.poch(V, W); special.binom(V + 2, W); special.powm1(V, W); special.sici(V); special.sici(V)[1]
    special.fresnel(V); special.airy(N); special.airy(V)[2]; special.struve(1, V); special.modstruve(0, V)
    special.gammaincinv(2, V / 2); special.gammainccinv(1.5, V / 2)
    special.betaincc(2, 3, V / 2); special.betaincinv(2, 3, V / 2); special.betainccinv(1, 2, V / 2)
    special.stdtr(3, V); special.stdtrit(3, V / 2); special.fdtr(2, 3, V); special.fdtrc(2, 3, V)
    special.fdtri(2, 3, V / 2); special.bdtr(2, 5, V / 2); special.bdtrc(2, 5, V / 2)
    special.bdtr(5, 5, V / 2)
    special.nbdtr(2, 3, V / 2); special.nbdtrc(2, 3, V / 2); special.pdtr(2, V); special.pdtrc(2, V)
    special.chdtr(3, V); special.chdtrc(3, V); special.chdtri(3, V / 2); special.gdtr(2.0, 1.5, V)
    special.gdtrc(2.0, 1.5, V); special.eval_legendre(3, V / 2); special.eval_legendre(np.array([0, 1, 2]), V)
    special.eval_chebyt(2, V / 2); special.eval_chebyu(3, V / 2); special.eval_hermite(3, V)
    special.eval_hermitenorm(2, V); special.eval_laguerre(2, V); special.eval_genlaguerre(2, 0.5, V)
    special.eval_gegenbauer(2, 1.5, V / 2); special.eval_jacobi(2, 0.5, 1.5, V / 2)
    special.eval_legendre(2.0, V)
    special.spherical_jn(2, V); special.spherical_jn(1, N); special.spherical_jn(2, V, derivative=True)
    special.spherical_yn(1, V); special.spherical_yn(0, V, derivative=True); special.spherical_in(2, V)
    special.spherical_in(1, -V, derivative=True); special.inv_boxcox(V, W); special.inv_boxcox(V, 0.0)
    special.inv_boxcox1p(V, 0.5); special.comb(V + 2, 1.5); special.comb(4, W); special.perm(V + 3, 2)
    special.comb(V + 2, 2, repetition=True); special.factorial(V); special.jvp(1, V); special.kvp(2, V)
    special.zeta(2.5, V); special.zeta(np.array([2, 3, 4]), V)
    special.dawsn(V); special.logsumexp(V); special.logsumexp(A, axis=0)
    special.logsumexp(A, axis=1, keepdims=True); special.logsumexp(A, axis=(0, 1))
    special.logsumexp(A, b=D); special.logsumexp(V, b=-W, return_sign=True); logsumexp(A, axis=-1)
    logsumexp([S, Z]); special.softmax(A); special.softmax(A, axis=1)
    special.log_softmax(A, axis=0); special.softmax([S, Z]); logsumexp(V * 1000)
    """,
    "scipy.linalg": """
    linalg.inv(X[0]); linalg.block_diag(V, Q); linalg.solve(Q, V)
    linalg.solve(P @ P.T, V, assume_a="pos"); linalg.solve(P + P.T, B, assume_a="sym")
    linalg.solve(Q, B); linalg.solve_triangular(Q, V); linalg.solve_triangular(Q, B, lower=True)
    linalg.solve_triangular(Q, V, trans=1); linalg.solve_triangular(Q, V, trans="T", lower=True)
    linalg.solve_triangular(Q, V, unit_diagonal=True)
    linalg.cho_solve(linalg.cho_factor(P @ P.T), V)
    linalg.cho_solve(linalg.cho_factor(P @ P.T, lower=True), B)
    linalg.cho_solve((np.linalg.cholesky(P @ P.T), True), V); linalg.inv(Q); linalg.det(Q)
    linalg.pinv(A); linalg.lstsq(T, B[0])[0]; linalg.norm(A, axis=1); linalg.norm(A, "nuc")
    linalg.norm(A, 1, axis=(0, 1)); linalg.cholesky(P @ P.T); linalg.cholesky(P @ P.T, lower=True)
    linalg.eigh(P + P.T)[0]; np.abs(linalg.eigh(P + P.T)[1]); linalg.eigvalsh(P + P.T)
    linalg.eigh(P + P.T, eigvals_only=True); linalg.svd(Q); linalg.svd(A, full_matrices=False)
    linalg.svdvals(A); linalg.qr(Q); linalg.qr(T, mode="economic"); linalg.qr(Q, mode="r")
    linalg.expm(Q); linalg.expm(X); linalg.block_diag(A, Q); linalg.toeplitz(V)
    linalg.toeplitz(V, W); linalg.circulant(V); linalg.hankel(V); linalg.hankel(V, W)
    linalg.solve(Q, V, transposed=True); linalg.cho_factor(P @ P.T)
    linalg.lu(Q); linalg.lu(P); linalg.lu(T); linalg.lu(A); linalg.lu(Q, permute_l=True); linalg.lu(X)
    linalg.lu(Q, p_indices=True); linalg.lu_factor(Q); linalg.lu_factor(T)
    linalg.lu_solve(linalg.lu_factor(Q), V)
    linalg.lu_solve(linalg.lu_factor(P), B, trans=1); linalg.solve(P, V, assume_a="diagonal")
    linalg.solve(P, V, assume_a="tridiagonal"); linalg.solve(P, V, assume_a="upper triangular")
    linalg.solve_banded((1, 1), P, V); linalg.solve_banded((0, 1), A, V)
    linalg.solve_banded((1, 1), B.T[:3] + 1, B.T[:3, :2]); linalg.solveh_banded(A + [[0], [3]], V)
    linalg.solveh_banded(A + [[3], [0]], V, lower=True); linalg.solve_toeplitz(V + [3, 0, 0], W)
    linalg.solve_toeplitz((V + [3, 0, 0], W), A.T); linalg.solve_circulant(V + [3, 0, 0], W)
    linalg.matmul_toeplitz((V, W), W); linalg.toeplitz(A); linalg.circulant(A); linalg.companion(V)
    linalg.fiedler(V); linalg.leslie(V, W[:2]); linalg.convolution_matrix(V, 4)
    linalg.convolution_matrix(V, 4, mode="same"); linalg.convolution_matrix(V, 2, mode="valid")
    linalg.diagsvd(V, 3, 4); linalg.khatri_rao(A, D); linalg.solve_sylvester(P, Q + 2 * np.eye(3), X[0])
    linalg.solve_continuous_lyapunov(P, Q); linalg.solve_discrete_lyapunov(P / 10, Q)
    linalg.solve_discrete_lyapunov(P / 10, Q, method="bilinear"); linalg.sqrtm(P @ P.T); linalg.sqrtm(P)
    linalg.logm(P @ P.T); linalg.logm(P); linalg.fractional_matrix_power(P, 0.5)
    linalg.fractional_matrix_power(P, 2); linalg.fractional_matrix_power(P, -0.7); linalg.expm_frechet(Q, P)
    linalg.expm_frechet(Q, P, compute_expm=False); linalg.cosm(Q); linalg.sinm(Q); linalg.tanm(Q / 4)
    linalg.coshm(Q); linalg.sinhm(Q); linalg.tanhm(Q); linalg.polar(P); linalg.polar(T); linalg.polar(A)
    linalg.polar(P, side="left"); linalg.polar(np.eye(3) * S); linalg.orthogonal_procrustes(P, Q)
    linalg.eigh(P + P.T, P @ P.T)[0]; np.abs(linalg.eigh(P + P.T, P @ P.T)[1])
    np.abs(linalg.eigh(P + P.T, P @ P.T, type=2)[1]); np.abs(linalg.eigh(P + P.T, P @ P.T, type=3)[1])
    linalg.eigvalsh(P + P.T, P @ P.T, type=2); linalg.eigh(P + P.T, subset_by_index=[0, 1])[0]
    linalg.eigvalsh(P + P.T, subset_by_index=[1, 2]); linalg.eig(P + P.T)[0].real; linalg.eigvals(P).real
    linalg.eig(P, Q)[0].real; np.abs(linalg.eig(P)[1]); linalg.eigvalsh_tridiagonal(V, W[:2])
    np.abs(linalg.eigh_tridiagonal(V, W[:2])[1]); linalg.svd(T)[1]; linalg.svd(T[:3]); linalg.qr(T)[1]
    linalg.qr(T[:3]); linalg.qr(A); linalg.qr(A, mode="r"); linalg.qr(T, mode="r")
    linalg.orth(T) @ linalg.orth(T).T
    linalg.null_space(A); linalg.pinv(A, return_rank=True)[0]; linalg.pinvh(P + P.T)
    linalg.inv(P @ P.T, assume_a="pos"); linalg.inv(P, assume_a="upper triangular")
    linalg.lstsq(T, T[:, 0] + [1, 0, 0, 1])[1]
    """,
    "scipy.stats": """
    stats.norm.pdf(V); stats.norm.logpdf(V, 1.0, 2.0); stats.norm.logpdf(V, loc=W, scale=D[0])
    stats.norm.cdf(V, S, Z); stats.norm.sf(V); stats.norm.logcdf(-V); stats.norm.logsf(V)
    stats.norm.ppf(V / 2); stats.norm.isf(V / 2, S, Z); stats.norm(S, Z).pdf(V); stats.norm(S, Z).logpdf(V)
    stats.norm.interval(0.9, S, Z); stats.norm.logpdf([S, Z]); stats.norm.pdf(F, 0.5); stats.norm.pdf(J, S, Z)
    stats.norm.pdf(0.3, S); stats.norm.cdf(np.array([-np.inf, 0.5, np.inf]), S)
    stats.t.pdf(V, 3.0); stats.t.logpdf(V, W + 2, 0.5, S); stats.t.cdf(V, 4.0); stats.t.logcdf(V, 4.0)
    stats.t.cdf(0 * V, 4.0); stats.gennorm.cdf(V - V, 1.5)
    stats.gennorm.ppf(V / 2, 1.5); stats.gennorm.isf(V / 2, 1.5); stats.beta.ppf(V / 2, 2.0, 3.0)
    stats.cauchy.ppf(V / 2, V, W); stats.cauchy.isf(1 - V / 4)
    stats.t.sf(V - 1, 4.0); stats.gamma.pdf(V, 2.0)
    stats.gamma.logpdf(V, W, scale=S)
    stats.gamma.cdf(V, 2.0); stats.gamma(2.0, scale=S).cdf(V); stats.gamma.sf(V - 1, 2.0)
    stats.beta.pdf(V / 2, 2.0, 3.0); stats.beta.logpdf(V / 2, W, D[0]); stats.beta.cdf(V / 2, 2.0, 3.0)
    stats.beta.sf(V / 2, 2.0, 3.0); stats.expon.logpdf(V); stats.expon.pdf(V - 0.7, scale=S)
    stats.expon.cdf(V - 1.0); stats.poisson.pmf(J, V); stats.poisson.logpmf(J, V); stats.poisson.cdf(J, V)
    stats.poisson.sf(J, V); stats.poisson.pmf(J + 0.5, V); stats.binom.logpmf(J, 4, V / 2)
    stats.binom.pmf(J, 4, V / 2); stats.binom.cdf(J, 4, V / 2); stats.nbinom.logpmf(J, 3, V / 2)
    stats.nbinom.cdf(J, 3, V / 2); stats.bernoulli.logpmf(K * 1, V / 2); stats.geom.logpmf(J, V / 2)
    stats.poisson.logcdf(J, V); stats.poisson.logsf(J, V); stats.chi2.logpdf(V, 3.0); stats.chi2.cdf(V, 3)
    stats.chi2.logsf(V, 3); stats.uniform.pdf(V / 2); stats.laplace.logpdf(V, S, Z); stats.logistic.logpdf(V)
    stats.cauchy.logpdf(V); stats.lognorm.logpdf(V, 0.5); stats.invgamma.logpdf(V, 2.0)
    stats.f.logpdf(V, 2.0, 3.0); stats.weibull_min.logpdf(V, 1.5); stats.gumbel_r.logpdf(V)
    stats.halfnorm.logpdf(V); stats.pareto.logpdf(V + 1, 2.0); stats.truncnorm.logpdf(V / 2, -2, 2)
    stats.rayleigh.logpdf(V); stats.genpareto.logpdf(V, 0.3); stats.skewnorm.logpdf(V, 1.0)
    stats.multivariate_normal.logpdf(V, W, P @ P.T); stats.multivariate_normal.pdf(V, W, P @ P.T)
    stats.multivariate_normal.logpdf(A, V, P @ P.T); stats.multivariate_normal(V, P @ P.T).logpdf(A)
    stats.multivariate_normal.logpdf(A, V); stats.multivariate_normal.logpdf(A, V, 2.0)
    stats.multivariate_normal.logpdf(A, V, W); stats.multivariate_normal.logpdf(V, S, Z)
    stats.multivariate_normal(np.zeros(3), np.eye(3)).logpdf(A); stats.multivariate_normal(V, P @ P.T).pdf(A)
    stats.multivariate_t.logpdf(V, W, P @ P.T, 3); stats.multivariate_t.pdf(A, V, P @ P.T, 3)
    stats.dirichlet.logpdf(V / np.sum(V), W); stats.dirichlet.pdf(V[:2] / 5, W)
    """,
    "scipy.signal, integrate, spatial, fft": """
    signal.convolve(V, W); signal.convolve(V, W[:2], mode="same"); signal.convolve(B, A[:, :2], mode="valid")
    signal.convolve(W[:2], V, mode="same"); signal.convolve(W[:2], V, mode="valid"); signal.convolve(S, Z)
    signal.convolve(V, W, method="fft"); signal.convolve(F, F); signal.convolve(I, I) * S
    signal.fftconvolve(V, W); signal.fftconvolve(A, D, mode="same"); signal.fftconvolve(A, D, axes=1)
    signal.oaconvolve(V, W); signal.correlate(V, W); signal.correlate(B, A[:, :2], mode="valid")
    signal.correlate(V, W[:2], mode="same"); signal.correlate(V + 1j * W, W * 1j).real
    signal.convolve2d(B, A[:, :2]); signal.convolve2d(B, A[:, :2], "same", "wrap")
    signal.convolve2d(B, A[:, :2], boundary="symm"); signal.convolve2d(B, A[:, :2], fillvalue=2)
    signal.correlate2d(B, A[:, :2]); signal.correlate2d(B, A[:, :2], "same", "symm")
    integrate.trapezoid(V); integrate.trapezoid(V, W); integrate.trapezoid(A, dx=0.5, axis=0)
    integrate.simpson(V); integrate.simpson(B[0], x=np.cumsum(B[1])); integrate.simpson(A, axis=0)
    integrate.simpson(B, x=np.cumsum(D[0]), axis=0); integrate.simpson(C, x=np.cumsum(C, axis=1), axis=1)
    integrate.simpson(I, dx=S); integrate.simpson(B[0], x=[0, 1, 1, 2.0]); integrate.simpson(A, dx=0.5)
    integrate.cumulative_trapezoid(V); integrate.cumulative_trapezoid(V, W, initial=0)
    integrate.cumulative_trapezoid(A, axis=0); integrate.fixed_quad(lambda t: t * S, 0, 1)[0]
    spatial.distance.cdist(A, D); spatial.distance.cdist(A, A); spatial.distance.cdist(A, D, "sqeuclidean")
    spatial.distance.cdist(A, D, "cityblock"); spatial.distance.cdist(A, D, "chebyshev")
    spatial.distance.cdist(A, D, "cosine"); spatial.distance.cdist(A, D, "correlation")
    spatial.distance.cdist(A, D, "minkowski", p=3); spatial.distance.cdist(A, D, "minkowski", p=3, w=V)
    spatial.distance.cdist(A, D, "mahalanobis", VI=P @ P.T); spatial.distance.cdist(Q, T.T @ B.T[:, :3])
    spatial.distance.cdist(B, X[0] @ B, "mahalanobis", VI=np.eye(4)); spatial.distance.pdist(T, "mahalanobis")
    spatial.distance.cdist(A, D, "seuclidean", V=V); spatial.distance.cdist(A, D, "seuclidean")
    spatial.distance.cdist(A, D, "canberra"); spatial.distance.cdist(A, D, "braycurtis")
    spatial.distance.cdist(A, D, "jensenshannon"); spatial.distance.cdist(F, D); spatial.distance.pdist(Q)
    spatial.distance.pdist(Q, "sqeuclidean"); spatial.distance.squareform(V)
    spatial.distance.squareform(spatial.distance.squareform(V))
    spatial.distance.squareform(Q + Q.T, checks=False)
    spatial.distance.euclidean(V, W) * S; spatial.distance.sqeuclidean(V, W); spatial.distance.cosine(V, W)
    spatial.distance.cityblock(V, W); spatial.distance.chebyshev(V, W)
    spatial.distance.minkowski(V, W, 3) * S
    spatial.distance.mahalanobis(V, W, P); spatial.distance.correlation(V, W) * S
    spatial.distance.braycurtis(V, W); spatial.distance.canberra(V, W); spatial.distance.jensenshannon(V, W)
    spatial.distance.seuclidean(V, W, V) * S; spatial.distance_matrix(A, D); spatial.distance_matrix(A, D, 1)
    fft.fft(V).real; fft.ifft(V).real; fft.rfft(V).imag; fft.irfft(V + 0j); fft.fft2(A).real
    fft.ifft2(A).real; fft.fftn(A).real; fft.ifftn(A).imag; fft.rfftn(A).real; fft.irfftn(A + 0j)
    fft.rfft2(A).real; fft.irfft2(A + 0j); fft.hfft(V + 0j); fft.ihfft(V).real; fft.fftshift(V)
    fft.fft(V, 5, norm="ortho").real; fft.fft(F).real; fft.fftfreq(3) * V; fft.dct(V); fft.dct(V, type=1)
    fft.dct(V, type=3); fft.dct(V, type=4); fft.dct(V, norm="ortho"); fft.dct(A, axis=0, norm="ortho")
    fft.dct(V, type=1, norm="ortho"); fft.dct(V, type=3, norm="ortho"); fft.dct(V, type=4, norm="ortho")
    fft.dct(V, n=5); fft.dct(V, n=2); fft.dct(F); fft.dct(V, norm="forward"); fft.dct(V, orthogonalize=True)
    fft.idct(V); fft.idct(V, norm="ortho"); fft.idct(V, norm="forward"); fft.idct(V, type=1); fft.dst(V)
    fft.dst(V, type=1); fft.dst(V, type=3); fft.dst(V, type=4); fft.dst(V, norm="ortho")
    fft.dst(V, type=3, norm="ortho"); fft.idst(V); fft.idst(V, type=1, norm="forward"); fft.dctn(A)
    fft.dctn(A, s=(3, 2), norm="ortho"); fft.idctn(A, axes=[1]); fft.dstn(A); fft.idstn(A, type=4)
    fft.dct(I) * S
    """,
    "lists of numbers": """
    np.concatenate([[S, Z], [1.0]]); np.stack([[S, Z], [1, 2]]); np.column_stack([[S, Z], [1, 2]])
    np.einsum("i,i", [S, Z], [1, 2]); np.meshgrid([S, Z], [1, 2])[0]; np.broadcast_arrays([S, Z], 1)[0]
    np.flipud([S, Z]); np.vander([S, Z]); np.sinc([S, Z]); np.ediff1d([S, Z]); np.rot90([[S, Z]])
    np.average(np.ones(2), weights=[S, Z]); np.interp(0.5, [0, 1], fp=[S, Z])
    np.polyfit([0, 1, 2], [S, Z, 1], 1)
    np.linalg.vector_norm([S, Z]); np.fft.fft([S, Z, 1]).real; np.fft.rfft([S, Z, 1]).imag
    np.trapezoid([1, 2.0], x=[S, Z * 2]); np.matrix_transpose([[S, Z]]); np.nanprod([S, Z])
    np.r_[V, S, 1]; np.r_[S, V]; np.r_[0:3, V]; np.r_[G, 1.0]; np.c_[V, W]; np.c_[A, V[:2]]; np.c_[S, Z]
    np.pad(V, 2, "constant", constant_values=(S, Z)); np.pad(A, 1, constant_values=[[S, Z], [1, 2]])
    """,
    "edges of forms": """
    np.max(E, axis=0, initial=0.0); np.max(E, initial=S); np.max(V, initial=S)
    np.max(V, initial=5.0, where=K)
    np.min(E, axis=0, initial=Z, keepdims=True); np.min(V, initial=0.9, where=K); np.sum(V, initial=S)
    np.sum(G, initial=Z); np.max(J, initial=7, where=K); A[True]; V[True]; V[False]; Z[True]; S * V[np.True_]
    A[True, 0]; A[0, True]; A[False, 0]; A[True, :, 1]; A[True, [0, 1]]; A[None, True]; V[True, ...]
    A[:, True]; C[:, None, [0, 1], True]; A[True, True]; C[True, None, 0]; A[np.True_, [[0], [1]]]
    np.real_if_close(V + 0); np.gradient(G); np.gradient(G, 0.5); np.gradient(G, np.float64(0.5))
    np.linspace(G[0], 2, 3); np.linspace(S, 2, 3); np.cov(F); np.corrcoef(F); np.cov(F, dtype=np.float32)
    [v * (k[0] + 1) for k, v in np.ndenumerate(V)]; sum(v for _, v in np.ndenumerate(A))
    """,
    "views by strides, and of einsum": """
    np.lib.stride_tricks.sliding_window_view(V, 2); np.lib.stride_tricks.sliding_window_view(C, 3, axis=-1)
    np.lib.stride_tricks.sliding_window_view(B, (2, 2)).sum((-1, -2))
    np.lib.stride_tricks.as_strided(V, (2, 2), (8, 8)); np.einsum("ijk->kji", C); np.einsum("...ii->...i", X)
    np.correlate(V, T[:, 0], "same"); np.correlate(W, B[0], "same"); np.correlate(W, B[0], "full")
    A.copy("F"); np.linalg.matrix_rank(P + P.T, hermitian=True); np.log10(A * 100); np.cbrt(V * V * V)
    """,
}
CASES = [
    expression.strip()
    for text in FORMS.values()
    for line in text.splitlines()
    for expression in line.split("; ")
    if expression.strip()
    and ("softplus" not in expression or hasattr(special, "softplus"))
    and (hasattr(np, "matvec") or not re.search(r"np\.(matvec|vecmat)", expression))  # 2.2
]
# Kinks, steps and integers: the value is compared, the gradient is not.
STEPS = """
    np.floor np.ceil np.rint np.trunc np.round A.round np.sign np.floor_divide // np.heaviside
    astype(int) np.signbit np.nan_to_num np.exp(M) np.where(A, np.array_equal np.allclose np.isclose
""".split()
# These depend on values while they are traced: a mask or a count decides the shape.
BY_VALUE = """
    A[M] | A[A | A[M & | A[~M] | A[0][K] | A[:, K] | A[[True, False] | A[np.array([True, False])] | V[K]
    V[V | V[int( | V[:, None][K] | C[M] | C[:, K] | C[0, K] | np.where(A > 1)[ | np.argwhere | np.nonzero
    np.flatnonzero | .nonzero | np.extract | np.compress | np.bincount | np.unique | np.count_nonzero(M)
    np.allclose | np.array_equal | max(V) | min(V) | np.histogram | np.lexsort | np.trim_zeros | np.union1d
    np.array_equiv | np.searchsorted(V, 0.5, sorter | linalg.orth( | linalg.null_space
    poly.polydiv | cheb.chebdiv | np.roots(np.stack
"""
BY_VALUE = [
    word.strip() for line in BY_VALUE.split("\n") for word in line.split(" | ") if word.strip()
]


def names_of(expression):
    return [name for name in ARRAYS if re.search(rf"\b{name}\b", expression)]


def floats_of(expression):
    return [name for name in names_of(expression) if ARRAYS[name].dtype.kind == "f"]


def function_of(expression):
    """The expression as a function of its float arrays; the others enter as known constants."""
    code = compile(expression, "<expression>", "eval")
    names, floats = names_of(expression), floats_of(expression)

    def f(*xs):
        constants = {name: np.copy(ARRAYS[name]) for name in names if name not in floats}
        return eval(code, MODULES | constants | dict(zip(floats, xs, strict=True)))

    return f


def by_value(expression: str) -> bool:
    """Whether a form needs values while it is traced."""
    return any(word in expression for word in BY_VALUE)


def name_of(function) -> str:
    """A function as forms write it: np.sum, np.linalg.norm, special.erf, linalg.expm."""
    name = function.__name__
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else f"special.{name}"
    known = {
        "np": np,
        "np.linalg": np.linalg,
        "np.fft": np.fft,
        "np.lib.stride_tricks": np.lib.stride_tricks,
        "poly": MODULES["poly"],
    }
    for prefix, module in known.items():
        if getattr(module, name, None) is function:
            return f"{prefix}.{name}"
    return name


ALIASES = {MODULES[name].__name__: name for name in ("poly", "cheb", "leg", "herm", "herme", "lag")}
# Exchanged functions that users do not call: they stand inside those that users do.
INNER = """
    array_api_extra.apply_where stats.rv_generic stats.multivariate_normal_gen
""".split()


def public(name: str) -> str:
    """An exchanged function as forms write it: ``scipy.linalg._basic.solve`` is ``linalg.solve``."""
    module, _, last = name.rpartition(".")
    whole = ".".join(part for part in name.split(".") if not part.startswith("_"))
    return f"{ALIASES[module]}.{last}" if module in ALIASES else whole.removeprefix("scipy.")


def exchanged(names) -> dict[str, str]:
    """Those functions that users call, by the names that forms have for them."""
    found = {public(name): name for name in names}
    inner = [name for name in found if name.startswith("numpy.") or name in INNER]
    return {name: key for name, key in found.items() if name not in inner}


def traced(form):
    """A form as a function of its float arrays, and these."""
    return function_of(form), [ARRAYS[name] for name in floats_of(form)]


# Checks that are made for every primitive or form, and left out here, each with its reason; at most 10.
SWITCHED_OFF = {
    "central differences of forms named in `STEPS`": "they are taken over jumps there",
    "forms named in `BY_VALUE`, on types alone": "the shape of their result follows from values",
    "the primitive `input`": "its value is given from outside",
    "the primitive `result`": "it is proven with the operations that have several results",
    "the primitive `foreign`": "it stands for Python code; the tests of `dr.custom_vjp` prove it",
    "`eigh` by SciPy's driver `evr`": "the signs of its vectors jump under small changes",
    "`eigh`, `svd` and `complement` of complex matrices": "the phases of their vectors are any; tested "
    "on what does not depend on them",
}
