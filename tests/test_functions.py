"""NumPy's functions on traced values give what NumPy gives: value, shape and dtype; and their gradients hold.

In: expressions over named arrays, written as a user writes them. Out: one test for each expression.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive.table import FUNCTIONS, UFUNCS
from deltarule.derive.trace import stage
from deltarule.program import interpret, type_of

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
}
EXPRESSIONS = """
# operators
A + D; A - D; A * D; A / D; A ** D; -A; +A; abs(N); A @ B; V @ W; A @ V; V @ B; C @ B[:, :].T[:4, :2]; Q @ Q @ V
A + 1; 1 + A; A - 1; 1 - A; A * 2; 2 * A; A / 2; 2 / A; A ** 2; A ** 3; A ** -1; A ** 0.5; 2 ** A; 2.5 ** A; A ** 0; A ** 1
A + 1.5; 1.5 - A; A * True; A + np.float64(2); A + np.float32(2); np.float32(2) * A; np.float64(2) - A; A + np.int64(3)
A // 0.3; A % 0.3; 0.3 % A; I // 2; I % 3; I % -3; -7 // J; divmod(A, 0.3)[1]; I // 0.7; np.float32(0.5) // G
A + V; V + A; A + O; A + S; S + A; A * Z; Z * Z; Z + 1; S + 1; S * S; S ** 2; Z ** 2; 1 / Z; -Z; abs(S)
A < D; A <= D; A > D; A >= D; A == D; A != D; A < 1; 1 < A; I == 2; M & K; M | K; ~M; M ^ K; I & 3; I | 1; ~I; I << 2; I >> 1
F + 1; F + 1.5; F * 2; F / 3; F ** 2; F ** 0.5; F + A; F + G; F + np.float64(1.5); F + np.float32(1.5); F + np.int64(2); F + I; F + U
I + 1; I * 2; I / 2; I ** 2; I + 1.5; I + A; I + U; L + U; L + 1; L / 2; L * 1.5; L + F; U + 1; M + 1; M + M; M * A; M * K; K - 1; -I; -L
A + [1, 2, 3]; [1.0, 2.0, 3.0] * A; A + (1, 2, 3); np.array([1.0, 2.0, 3.0]) - A; np.array([[1], [2]]) * A; A + np.arange(3)
# universal functions
np.add(A, D); np.add(A, 1); np.subtract(1, A); np.multiply(A, V); np.divide(A, 3); np.true_divide(A, D); np.power(A, 2); np.power(A, D)
np.exp(A); np.log(A); np.log1p(A); np.expm1(A); np.sqrt(A); np.tanh(A); np.sin(A); np.cos(A); np.tan(A); np.sinh(A); np.cosh(A)
np.arctan(A); np.arcsin(A / 2); np.arccos(A / 2); np.arcsinh(A); np.arccosh(A + 1); np.arctanh(A / 2); np.arctan2(A, D); np.hypot(A, D)
np.exp2(A); np.log2(A); np.log10(A); np.cbrt(A); np.square(A); np.reciprocal(A); np.negative(A); np.positive(A); np.absolute(N); np.fabs(N)
np.sign(N); np.floor(A); np.ceil(A); np.rint(A); np.trunc(A); np.round(A); np.round(A, 1); np.floor_divide(A, 0.3); np.remainder(A, 0.3); np.mod(N, 0.3)
np.fmod(A, 0.3); np.maximum(A, D); np.minimum(A, D); np.maximum(A, 0.5); np.minimum(0.5, A); np.fmax(A, D); np.fmin(A, D); np.heaviside(N, 0.5)
np.logaddexp(A, D); np.logaddexp2(A, D); np.float_power(A, 2); np.float_power(F, 2); np.copysign(A, N); np.deg2rad(A); np.degrees(A); np.sinc(A)
np.logical_and(A, M); np.logical_or(M, K); np.logical_not(A); np.logical_xor(M, K); np.isnan(A); np.isfinite(A); np.isinf(A); np.signbit(N)
np.equal(A, D); np.not_equal(A, D); np.less(A, D); np.greater(I, 2); np.bitwise_and(I, 3); np.bitwise_or(I, J); np.bitwise_xor(I, J); np.invert(I)
np.right_shift(I, 1); np.left_shift(I, 1); np.exp(I); np.sqrt(J); np.sin(U); np.exp(F); np.tanh(F); np.log1p(F); np.exp(M); np.exp(S); np.exp(Z)
np.add(A, D, dtype=np.float32); np.exp(A, dtype=np.float64); np.add.reduce(A); np.add.reduce(A, axis=1); np.maximum.reduce(A); np.multiply.reduce(A)
np.add.accumulate(V); np.multiply.outer(V, W); np.subtract.outer(V, W); np.add.outer(A, V); np.clip(A, 0.5, 1.2); np.clip(A, None, 1); np.clip(A, 0.5, None)
np.clip(A, V - 1, V + 1); np.clip(I, 0, 2); np.clip(F, 0.5, 1); A.clip(0.5, 1.2); A.clip(min=0.5); np.nan_to_num(A); np.exp([S, Z, 1.0]); np.add([S, 1.0], [2.0, Z])
# reductions
np.sum(A); np.sum(A, 0); np.sum(A, axis=1); np.sum(A, axis=-1); np.sum(A, axis=(0, 1)); np.sum(C, axis=(0, -1)); np.sum(A, axis=0, keepdims=True)
np.sum(A, keepdims=True); np.sum(E); np.sum(E, axis=0); np.sum(E, axis=1); np.sum(Z); np.sum(S); np.sum(I); np.sum(L); np.sum(U); np.sum(M); np.sum(M, axis=0)
np.sum(F); np.sum(F, axis=0); np.sum(A, dtype=np.float32); np.sum(F, dtype=np.float64); np.sum(A, where=M); np.sum(A, initial=2.0); sum(V); sum(A); A.sum(); A.sum(0)
A.sum(axis=1, keepdims=True); np.sum([V, W]); np.sum([S, Z]); np.sum(A, axis=()); np.sum(C, axis=1)
np.mean(A); np.mean(A, axis=0); np.mean(A, axis=-1, keepdims=True); np.mean(C, axis=(0, 2)); np.mean(I); np.mean(F); np.mean(M); np.mean(U); np.mean(A, dtype=np.float32); A.mean(); A.mean(1); np.mean([S, Z]); np.mean(Z); np.average(A); np.average(V, weights=W)
np.max(A); np.max(A, axis=0); np.min(A, axis=1); np.max(C, axis=(0, 2)); np.max(A, axis=-1, keepdims=True); np.amax(A); np.max(I); np.max(M); np.min(M, axis=0); A.max(); A.min(0); max(V); min(V); np.max(A, initial=5.0); np.nanmax(A); np.nansum(A); np.nanmean(A)
np.prod(A); np.prod(A, axis=0); np.prod(A, axis=1, keepdims=True); np.prod(I); np.prod(J); np.prod(E, axis=0); np.prod(F); A.prod(); np.prod(V)
np.var(A); np.var(A, axis=0); np.var(A, axis=1, ddof=1); np.var(A, axis=-1, keepdims=True); np.var(F); np.var(I); np.std(A); np.std(A, axis=0, ddof=1); np.std(C, axis=(0, 1)); A.std(); A.var(0); np.std(F, axis=0); np.var(A, mean=np.mean(A))
np.ptp(A); np.ptp(A, axis=0); np.median(A); np.median(A, axis=0); np.quantile(V, 0.3); np.percentile(V, 30); np.median(B, axis=1)
np.argmax(A); np.argmax(A, axis=0); np.argmin(A, axis=1); np.argmax(A, axis=1, keepdims=True); np.argmax(A, keepdims=True); np.argmin(I); np.argmin(U); np.argmax(M); A.argmax(); A.argmin(0)
np.all(M); np.all(M, axis=0); np.any(M, axis=1, keepdims=True); np.any(A > 1); np.all(A); M.all(); M.any(0); np.count_nonzero(M); np.count_nonzero(A > 1, axis=0); np.allclose(A, D); np.array_equal(A, A)
np.cumsum(A); np.cumsum(A, axis=0); np.cumsum(A, axis=-1); np.cumsum(V); np.cumprod(V); np.cumprod(A, axis=1); A.cumsum(1); np.cumsum(I); np.diff(V); np.diff(A, axis=0); np.diff(V, n=2); np.cumsum(F); np.ediff1d(V); np.gradient(V); np.trapezoid(V); np.trapezoid(A, dx=0.5)
np.linalg.norm(V); np.linalg.norm(A); np.linalg.norm(A, axis=0); np.linalg.norm(A, axis=1, keepdims=True); np.linalg.norm(V, 1); np.linalg.norm(V, np.inf); np.linalg.norm(A, "fro"); np.linalg.norm(V, ord=2); np.linalg.norm(V, 3); np.linalg.norm(A, 1, axis=1); np.linalg.norm(V, -np.inf); np.linalg.norm(I)
# shape
A.T; C.T; V.T; np.transpose(A); np.transpose(C, (1, 2, 0)); np.transpose(C, (-1, 0, 1)); C.transpose(2, 0, 1); C.transpose((2, 0, 1)); C.transpose(); np.matrix_transpose(C); C.mT; C.swapaxes(0, 2); np.swapaxes(C, 0, -1); np.moveaxis(C, 0, -1); np.moveaxis(C, (0, 1), (-1, 0)); np.rollaxis(C, 2); np.permute_dims(C, (1, 0, 2))
A.reshape(6); A.reshape(3, 2); A.reshape((3, 2)); A.reshape(-1); A.reshape([3, -1]); np.reshape(A, (3, 2)); np.reshape(A, -1); np.reshape(A, (6,)); A.reshape(3, 2, order="F"); A.ravel(); np.ravel(A); A.flatten(); np.ravel(A, "F"); E.reshape(3, 0); A.reshape(np.int64(6)); np.ravel(S); S.reshape(1); Z.reshape(1, 1); A.flatten("F")
np.squeeze(O); np.squeeze(O, 0); O.squeeze(); O.squeeze(axis=0); np.expand_dims(V, 0); np.expand_dims(V, -1); np.expand_dims(V, (0, 2)); V[None]; V[:, None]; V[np.newaxis, :, np.newaxis]; np.atleast_1d(S); np.atleast_2d(V); np.atleast_3d(V); np.atleast_1d(S, V)[1]; np.atleast_2d(S)
np.broadcast_to(V, (2, 3)); np.broadcast_to(S, (2,)); np.broadcast_to(S, 2); np.broadcast_arrays(A, V)[1]
np.concatenate([A, D]); np.concatenate((A, D), axis=1); np.concatenate([A, D], axis=-1); np.concatenate([A, D], axis=None); np.concatenate([V, [1.0]]); np.concatenate([V, J]); np.concatenate([F, A]); np.stack([V, W]); np.stack([V, W], axis=1); np.stack([A, D], axis=-1); np.stack([S, Z]); np.hstack([V, W]); np.hstack([A, D]); np.hstack([S, V]); np.vstack([V, W]); np.vstack([A, V]); np.column_stack([V, W]); np.column_stack([V, B]); np.dstack([A, D]); np.append(V, W); np.append(A, D, axis=0); np.append(V, 1.0); np.block([[A, D], [D, A]]); np.insert(V, 1, 2.0); np.delete(V, 1)
np.split(B, 2, axis=1)[1]; np.split(V, [1])[1]; np.array_split(V, 2)[1]; np.hsplit(B, 2)[0]; np.vsplit(A, 2)[1]; np.split(V, [0, 2])[0]; np.array_split(V, 5)[4]; np.unstack(A)[1]
np.flip(A); np.flip(A, 0); np.flip(A, (0, 1)); np.fliplr(A); np.flipud(A); np.rot90(A); np.roll(V, 1); np.roll(A, 1, axis=1); np.roll(A, (1, 2), axis=(0, 1)); np.roll(A, -1); np.tile(V, 2); np.tile(A, (2, 2)); np.tile(V, (2, 1)); np.repeat(V, 2); np.repeat(A, 2, axis=0); np.repeat(A, 2); np.repeat(V, [1, 0, 2]); V.repeat(2); np.repeat(A, 2, axis=-1); np.resize(V, (2, 3))
np.pad(V, 1); np.pad(A, 1); np.pad(A, ((0, 1), (2, 0))); np.pad(V, (1, 2), constant_values=3.0); np.pad(V, 1, mode="constant"); np.pad(V, 2, mode="edge"); np.pad(V, 1, mode="reflect"); np.pad(V, 2, mode="wrap"); np.pad(V, (1, 2)); np.pad(I, 1)
np.tril(Q); np.triu(Q, 1); np.diag(V); np.diag(Q); np.diag(Q, 1); np.diagonal(Q); np.diagonal(C, axis1=1, axis2=2); np.diagonal(Q, 1); Q.trace(); np.trace(Q); np.trace(C); np.trace(Q, 1); np.diagflat(V); np.diag(V, -1); Q.diagonal(); np.vander(V); np.meshgrid(V, W)[0]; np.meshgrid(V, W, indexing="ij")[1]
np.where(M, A, D); np.where(A > 1, A, 0); np.where(A > 1, 0.0, A); np.where(K, V, W); np.where(M, A, V); np.where(True, A, D); np.where(A, A, D); np.where(M, F, 0); np.where(M, 1, 0); np.where(M, I, 0.5); np.where(A > 1, I, J); np.select([A > 1, A > 0.5], [A, D], 0.0); np.piecewise; np.where(A > 1)[0]; np.nonzero(A > 1)[1]; np.argwhere(A > 1); np.choose(J - 1, [V, W]); np.extract(M, A); np.compress([True, False, True], V)
np.sort(V); np.sort(A, axis=0); np.argsort(V); np.argsort(A, axis=0); V[np.argsort(V)]; np.sort(A); np.partition(V, 1); np.unique(J); np.searchsorted(V, 0.5); np.lexsort; np.sort(A, axis=None); np.flatnonzero(V > 1); np.argpartition(V, 1)[:0]; np.interp(S, [0.0, 1.0], [2.0, 5.0]); np.interp(0.5, [0.0, 1.0], V[:2]); np.digitize(V, [0.5, 1.0]); np.bincount(J); np.isclose(A, D); np.histogram
# indexing
A[0]; A[-1]; A[0, 1]; A[:, 1]; A[1:, ::-1]; A[..., 0]; A[0, ...]; A[...]; A[()]; A[None]; A[0, None]; A[:, :, None]; A[::2]; A[5:]; A[-2:, -2:]; V[::-2]; C[0, :, 1]; C[:, 1:2, :]; Z[()]; Z[...]; Z[None]; S[()]; S[None]; S[...]; A[np.int64(1)]; A[np.int32(0), 1]
A[[0, 1, 0]]; A[:, [2, 0]]; A[[0, 1], [2, 0]]; A[[0, 1], :]; A[J - 1]; A[:, J]; A[np.array([[0, 1], [1, 0]])]; C[:, [0, 2], [1, 3]]; C[[0, 1], :, [1, 3]]; C[0, :, [1, 3]]; C[[0, 1], 1:, [1, 3]]; A[[-1, 0]]; A[np.array([0]), 1]; V[J]; V[[0, 0]]; V[L - 1]; V[U - 1]; A[np.ix_([0, 1], [0, 2])]; A[[]]; V[np.array([], int)]; A[[True, False]]; A[1, [0, 2]]; C[1, [0, 2]]; A[None, [0, 1]]; A[[0, 1], None]; C[..., [0, 1]]; A[([0, 1], [1, 2])]; C[[[0], [1]], [0, 2]]
A[M]; A[A > 1]; V[K]; A[:, K]; A[[True, False], 1:]; C[M]; A[0][K]; A[~M]; V[V > 0.5]; C[:, K]; C[0, K]; A[M & (A > 0.5)]; A[np.array([True, False])]; V[np.argmax(V)]; A[np.argmax(V) - 1]; V[int(np.argmax(V))]; A[A.argmax(0), [0, 1, 2]]; V[True]; V[:, None][K]; V[I[0] - 1]
np.take(V, [0, 2]); np.take(A, 1, axis=0); np.take(A, [0, 2], axis=1); np.take(A, [0, 5]); np.take(A, J, axis=1); V.take([0]); np.take_along_axis(A, np.argsort(A, axis=1), axis=1); np.take_along_axis(A, np.argmax(A, axis=0, keepdims=True), axis=0); len(A); A.shape; A.ndim; A.size; A.dtype; np.shape(A); np.size(A); np.ndim(A); A.nbytes; A.itemsize; list(V); [row for row in A][1]; tuple(V)[0]; A.flat[2]; V.real; V.imag; V.conj(); np.real(V); np.conj(V); np.isrealobj(A); V.flat[1:]; np.ndenumerate; np.indices
# products
np.dot(V, W); np.dot(A, B); np.dot(A, V); np.dot(V, B); np.dot(S, V); np.dot(C, V[:, None].T[:0].sum() + np.ones(4)); np.dot(C, B.T); A.dot(B); V.dot(W); np.matmul(A, B); np.matmul(V, W); np.inner(V, W); np.inner(A, D); np.inner(S, V); np.inner(A, V); np.outer(V, W); np.outer(A, V); np.vdot(V, W); np.vdot(A, D); np.vecdot(A, D); np.tensordot(A, B, 1); np.tensordot(A, B, axes=([1], [0])); np.tensordot(A, D, axes=2); np.tensordot(A, D, axes=((0, 1), (0, 1))); np.tensordot(V, W, 0); np.tensordot(C, B, axes=(1, 0)); np.kron(V, W); np.kron(A, Q); np.cross(V, W); np.linalg.multi_dot([A, B, B.T]); F @ B; I @ B; I @ Q; J @ J; np.matvec(A, V); np.linalg.outer(V, W)
np.einsum("ij,jk->ik", A, B); np.einsum("ij,jk", A, B); np.einsum("ij->ji", A); np.einsum("ij->", A); np.einsum("ii->i", Q); np.einsum("ii", Q); np.einsum("i,i", V, W); np.einsum("...j,jk->...k", C.transpose(0, 2, 1), B); np.einsum("ij,ij->i", A, D); np.einsum("i,j->ij", V, W); np.einsum("ij, jk -> ki", A, B); np.einsum("...ij->...ji", C); np.einsum("ij,j,jk->ik", A, V, B); np.einsum("iij->j", np.stack([A, D])); np.einsum("ij,k->", A, V); np.einsum("i->i", F[0]); np.einsum("ij,jk->ik", F, B); np.einsum("...,...", A, D); np.einsum("i...->...", A)
np.linalg.inv(Q); np.linalg.det(Q); np.linalg.solve(Q, V); np.linalg.matrix_power(Q, 3); np.linalg.slogdet(Q)[1]; np.linalg.trace(Q); np.linalg.pinv(Q)
# creation and conversion
np.array([S, Z]); np.array([[S, 1], [2, Z]]); np.array([V, W]); np.array([A[0], V]); np.array(V); np.asarray(V); np.array([S, 1], dtype=np.float32); np.array(V, dtype=np.float32); np.array([1, S, 2]); np.array((S, S)); np.array([[S]]); np.array([V[0], V[1]]); np.array(A, ndmin=3); np.array([S], ndmin=2); np.asarray([S, 2.0]); np.array([M, M]); np.array([I, I]); np.array(S); np.float64(S); np.float32(S); np.stack([V, [1.0, 2.0, 3.0]])
A.astype(np.float32); A.astype("float32"); A.astype(float); I.astype(float); A.astype(int); M.astype(float); A.copy(); np.copy(A); A.astype(np.float64, copy=False); F.astype(np.float64); np.astype(A, np.float32); (A > 1).astype(float); A.view(); np.ascontiguousarray(A); np.asfortranarray(A); np.require(A); np.float32(2) * A.astype(np.float32)
np.zeros_like(A); np.ones_like(A); np.full_like(A, 2.5); np.empty_like(A).shape; np.zeros_like(I); np.zeros_like(A, dtype=int); np.ones_like(V, shape=(2, 2)); np.full_like(V, S); np.full(3, S); np.full((2, 2), S); np.zeros(3) + V; np.ones((2, 3)) * A; np.eye(3) @ V; np.arange(3) * V; np.linspace(0, 1, 3) * V; np.linspace(S, Z, 4); np.identity(3) * V; np.zeros(V.shape); np.zeros(len(V)); np.arange(V.size); np.zeros(A.shape[0]); np.tri(3) @ V; np.zeros_like(V, float); np.geomspace(1, 8, 3) * V; np.logspace(0, 1, 3) * V; np.fromfunction(lambda i: i + 1.0, (3,)) * V
A.round(); A.round(1); A.any(); A.all(); A.squeeze(); A.item(0) if False else A; np.iscomplexobj(A); np.result_type(A, F); np.can_cast(I.dtype, float); isinstance(np.ndim(A), int); A.tolist if False else A; V.sort; np.vectorize; np.apply_along_axis(np.sum, 1, A); np.polyval([1.0, 2.0, 3.0], V); np.polyval(V, 2.0); np.convolve(V, [1.0, 0.5]); np.correlate(V, W); np.cov(A); np.corrcoef(A); np.i0; np.unwrap(V); np.fft
"""
