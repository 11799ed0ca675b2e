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
from deltarule.errors import NoRuleError, TracedValueError
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
A + D; A - D; A * D; A / D; A ** D; -A; +A; abs(N); A @ B; V @ W; A @ V; V @ B; Q @ Q @ V
A + 1; 1 + A; A - 1; 1 - A; A * 2; 2 * A; A / 2; 2 / A; A ** 2; A ** 3; A ** -1; A ** 0.5; 2 ** A; 2.5 ** A
A ** 0; A ** 1
A + 1.5; 1.5 - A; A * True; A + np.float64(2); A + np.float32(2); np.float32(2) * A; np.float64(2) - A
A + np.int64(3)
A // 0.3; A % 0.3; 0.3 % A; I // 2; I % 3; I % -3; -7 // J; divmod(A, 0.3)[1]; I // 0.7
np.float32(0.5) // G
A + V; V + A; A + O; A + S; S + A; A * Z; Z * Z; Z + 1; S + 1; S * S; S ** 2; Z ** 2; 1 / Z; -Z; abs(S)
A < D; A <= D; A > D; A >= D; A == D; A != D; A < 1; 1 < A; I == 2; M & K; M | K; ~M; M ^ K; I & 3; I | 1
~I; I << 2; I >> 1
F + 1; F + 1.5; F * 2; F / 3; F ** 2; F ** 0.5; F + A; F + G; F + np.float64(1.5); F + np.float32(1.5)
F + np.int64(2); F + I; F + U
I + 1; I * 2; I / 2; I ** 2; I + 1.5; I + A; I + U; L + U; L + 1; L / 2; L * 1.5; L + F; U + 1; M + 1; M + M
M * A; M * K; K - 1; -I; -L
A + [1, 2, 3]; [1.0, 2.0, 3.0] * A; A + (1, 2, 3); np.array([1.0, 2.0, 3.0]) - A; np.array([[1], [2]]) * A
A + np.arange(3)
# universal functions
np.add(A, D); np.add(A, 1); np.subtract(1, A); np.multiply(A, V); np.divide(A, 3); np.true_divide(A, D)
np.power(A, 2); np.power(A, D)
np.exp(A); np.log(A); np.log1p(A); np.expm1(A); np.sqrt(A); np.tanh(A); np.sin(A); np.cos(A); np.tan(A / 2)
np.sinh(A); np.cosh(A)
np.arctan(A); np.arcsin(A / 2); np.arccos(A / 2); np.arcsinh(A); np.arccosh(A + 1); np.arctanh(A / 2)
np.arctan2(A, D); np.hypot(A, D)
np.exp2(A); np.log2(A); np.log10(A); np.cbrt(A); np.square(A); np.reciprocal(A); np.negative(A)
np.positive(A); np.absolute(N); np.fabs(N)
np.sign(N); np.floor(A); np.ceil(A); np.rint(A); np.trunc(A); np.round(A); np.round(A, 1)
np.floor_divide(A, 0.3); np.remainder(A, 0.3); np.mod(N, 0.3)
np.fmod(A, 0.3); np.maximum(A, D); np.minimum(A, D); np.maximum(A, 0.5); np.minimum(0.5, A); np.fmax(A, D)
np.fmin(A, D); np.heaviside(N, 0.5)
np.logaddexp(A, D); np.logaddexp2(A, D); np.float_power(A, 2); np.float_power(F, 2); np.copysign(A, N)
np.deg2rad(A); np.degrees(A); np.sinc(A)
np.logical_and(A, M); np.logical_or(M, K); np.logical_not(A); np.logical_xor(M, K); np.isnan(A)
np.isfinite(A); np.isinf(A); np.signbit(N)
np.equal(A, D); np.not_equal(A, D); np.less(A, D); np.less_equal(A, D); np.greater_equal(A, D)
np.divmod(A, 0.3)[1]; np.greater(I, 2); np.bitwise_and(I, 3)
np.bitwise_or(I, J); np.bitwise_xor(I, J); np.invert(I)
np.right_shift(I, 1); np.left_shift(I, 1); np.exp(I); np.sqrt(J); np.sin(U); np.exp(F); np.tanh(F)
np.log1p(F); np.exp(M); np.exp(S); np.exp(Z)
np.add(A, D, dtype=np.float32); np.exp(A, dtype=np.float64); np.add.reduce(A); np.add.reduce(A, axis=1)
np.maximum.reduce(A); np.multiply.reduce(A)
np.add.accumulate(V); np.multiply.outer(V, W); np.subtract.outer(V, W); np.add.outer(A, V)
np.clip(A, 0.5, 1.2); np.clip(A, None, 1); np.clip(A, 0.5, None)
np.clip(A, V - 1, V + 1); np.clip(I, 0, 2); np.clip(F, 0.5, 1); A.clip(0.5, 1.2); A.clip(min=0.5)
np.nan_to_num(A)
# reductions
np.sum(A); np.sum(A, 0); np.sum(A, axis=1); np.sum(A, axis=-1); np.sum(A, axis=(0, 1))
np.sum(C, axis=(0, -1)); np.sum(A, axis=0, keepdims=True)
np.sum(A, keepdims=True); np.sum(E); np.sum(E, axis=0); np.sum(E, axis=1); np.sum(Z); np.sum(S); np.sum(I)
np.sum(L); np.sum(U); np.sum(M); np.sum(M, axis=0)
np.sum(F); np.sum(F, axis=0); np.sum(A, dtype=np.float32); np.sum(F, dtype=np.float64); np.sum(A, where=M)
np.sum(A, initial=2.0); sum(V); sum(A); A.sum(); A.sum(0)
A.sum(axis=1, keepdims=True); np.sum([V, W]); np.sum([S, Z]); np.sum(A, axis=()); np.sum(C, axis=1)
np.mean(A); np.mean(A, axis=0); np.mean(A, axis=-1, keepdims=True); np.mean(C, axis=(0, 2)); np.mean(I)
np.mean(F); np.mean(M); np.mean(U); np.mean(A, dtype=np.float32); A.mean(); A.mean(1); np.mean([S, Z])
np.mean(Z); np.average(A); np.average(V, weights=W)
np.max(A); np.max(A, axis=0); np.min(A, axis=1); np.max(C, axis=(0, 2)); np.max(A, axis=-1, keepdims=True)
np.amax(A); np.max(I); np.max(M); np.min(M, axis=0); A.max(); A.min(0); max(V); min(V)
np.max(A, initial=5.0); np.nanmax(A); np.nansum(A); np.nanprod(A); np.nanmin(A); np.nanmean(A)
np.prod(A); np.prod(A, axis=0); np.prod(A, axis=1, keepdims=True); np.prod(I); np.prod(J)
np.prod(E, axis=0); np.prod(F); A.prod(); np.prod(V)
np.var(A); np.var(A, axis=0); np.var(A, axis=1, ddof=1); np.var(A, axis=-1, keepdims=True); np.var(F)
np.var(I); np.std(A); np.std(A, axis=0, ddof=1); np.std(C, axis=(0, 1)); A.std(); A.var(0)
np.std(F, axis=0); np.var(A, mean=np.mean(A))
np.ptp(A); np.ptp(A, axis=0); np.median(A); np.median(A, axis=0); np.quantile(V, 0.3); np.percentile(V, 30)
np.median(B, axis=1)
np.argmax(A); np.argmax(A, axis=0); np.argmin(A, axis=1); np.argmax(A, axis=1, keepdims=True)
np.argmax(A, keepdims=True); np.argmin(I); np.argmin(U); np.argmax(M); A.argmax(); A.argmin(0)
np.all(M); np.all(M, axis=0); np.any(M, axis=1, keepdims=True); np.any(A > 1); np.all(A); M.all(); M.any(0)
np.count_nonzero(M); np.count_nonzero(A > 1, axis=0); np.allclose(A, D); np.array_equal(A, A)
np.cumsum(A); np.cumsum(A, axis=0); np.cumsum(A, axis=-1); np.cumsum(V); np.cumprod(V)
np.cumprod(A, axis=1); A.cumsum(1); np.cumsum(I); np.diff(V); np.diff(A, axis=0); np.diff(V, n=2)
np.cumsum(F); np.ediff1d(V); np.gradient(V); np.trapezoid(V); np.trapezoid(A, V)
np.trapezoid(A, x=A, axis=0); np.trapezoid(A, dx=0.5)
np.linalg.norm(V); np.linalg.norm(A); np.linalg.norm(A, axis=0); np.linalg.norm(A, axis=1, keepdims=True)
np.linalg.norm(V, 1); np.linalg.norm(V, np.inf); np.linalg.norm(A, "fro"); np.linalg.norm(V, ord=2)
np.linalg.norm(V, 3); np.linalg.norm(A, 1, axis=1); np.linalg.norm(V, -np.inf); np.linalg.norm(I)
# shape
A.T; C.T; V.T; np.transpose(A); np.transpose(C, (1, 2, 0)); np.transpose(C, (-1, 0, 1))
C.transpose(2, 0, 1); C.transpose((2, 0, 1)); C.transpose(); np.matrix_transpose(C); C.mT; C.swapaxes(0, 2)
np.swapaxes(C, 0, -1); np.moveaxis(C, 0, -1); np.moveaxis(C, (0, 1), (-1, 0)); np.rollaxis(C, 2)
np.permute_dims(C, (1, 0, 2))
A.reshape(6); A.reshape(3, 2); A.reshape((3, 2)); A.reshape(-1); A.reshape([3, -1]); np.reshape(A, (3, 2))
np.reshape(A, -1); np.reshape(A, (6,)); A.reshape(3, 2, order="F"); A.ravel(); np.ravel(A); A.flatten()
np.ravel(A, "F"); E.reshape(3, 0); A.reshape(np.int64(6)); np.ravel(S); S.reshape(1); Z.reshape(1, 1)
A.flatten("F")
np.squeeze(O); np.squeeze(O, 0); O.squeeze(); O.squeeze(axis=0); np.expand_dims(V, 0); np.expand_dims(V, -1)
np.expand_dims(V, (0, 2)); V[None]; V[:, None]; V[np.newaxis, :, np.newaxis]; np.atleast_1d(S)
np.atleast_2d(V); np.atleast_3d(V); np.atleast_1d(S, V)[1]; np.atleast_2d(S)
np.broadcast_to(V, (2, 3)); np.broadcast_to(S, (2,)); np.broadcast_to(S, 2); np.broadcast_arrays(A, V)[1]
np.concatenate([A, D]); np.concatenate((A, D), axis=1); np.concatenate([A, D], axis=-1)
np.concatenate([A, D], axis=None); np.concatenate([V, [1.0]]); np.concatenate([V, J])
np.concatenate([F, A]); np.stack([V, W]); np.stack([V, W], axis=1); np.stack([A, D], axis=-1)
np.stack([S, Z]); np.hstack([V, W]); np.hstack([A, D]); np.hstack([S, V]); np.vstack([V, W])
np.vstack([A, V]); np.column_stack([V, W]); np.column_stack([V, B]); np.dstack([A, D]); np.append(V, W)
np.append(A, D, axis=0); np.append(V, 1.0); np.block([[A, D], [D, A]]); np.delete(V, 1)
np.split(B, 2, axis=1)[1]; np.split(V, [1])[1]; np.array_split(V, 2)[1]; np.hsplit(B, 2)[0]
np.vsplit(A, 2)[1]; np.split(V, [0, 2])[0]; np.array_split(V, 5)[4]; np.unstack(A)[1]
np.flip(A); np.flip(A, 0); np.flip(A, (0, 1)); np.fliplr(A); np.flipud(A); np.rot90(A); np.roll(V, 1)
np.roll(A, 1, axis=1); np.roll(A, (1, 2), axis=(0, 1)); np.roll(A, -1); np.tile(V, 2); np.tile(A, (2, 2))
np.tile(V, (2, 1)); np.repeat(V, 2); np.repeat(A, 2, axis=0); np.repeat(A, 2); np.repeat(V, [1, 0, 2])
V.repeat(2); np.repeat(A, 2, axis=-1); np.resize(V, (2, 3))
np.pad(V, 1); np.pad(A, 1); np.pad(A, ((0, 1), (2, 0))); np.pad(V, (1, 2), constant_values=3.0)
np.pad(V, 1, mode="constant"); np.pad(V, 2, mode="edge"); np.pad(V, 1, mode="reflect")
np.pad(V, 2, mode="wrap"); np.pad(V, (1, 2)); np.pad(I, 1)
np.tril(Q); np.triu(Q, 1); np.diag(V); np.diag(Q); np.diag(Q, 1); np.diagonal(Q)
np.diagonal(C, axis1=1, axis2=2); np.diagonal(Q, 1); np.trace(Q); np.trace(C); np.trace(Q, 1)
np.diagflat(V); np.diag(V, -1); Q.diagonal(); np.vander(V); np.meshgrid(V, W)[0]
np.meshgrid(V, W, indexing="ij")[1]
np.where(M, A, D); np.where(A > 1, A, 0); np.where(A > 1, 0.0, A); np.where(K, V, W); np.where(M, A, V)
np.where(True, A, D); np.where(A, A, D); np.where(M, F, 0); np.where(M, 1, 0); np.where(M, I, 0.5)
np.where(A > 1, I, J); np.select([A > 1, A > 0.5], [A, D], 0.0); np.where(A > 1)[0]; np.nonzero(A > 1)[1]
np.argwhere(A > 1); np.choose(J - 1, [V, W]); np.extract(M, A); np.compress([True, False, True], V)
np.sort(V); np.sort(A, axis=0); np.argsort(V); np.argsort(A, axis=0); V[np.argsort(V)]; np.sort(A)
np.unique(J); np.searchsorted(np.sort(V), 0.5); np.searchsorted(np.sort(V), W)
np.searchsorted(np.sort(V), [0.5, 1.0], side="right"); np.sort(A, axis=None); np.flatnonzero(V > 1)
np.interp(S, [0.0, 1.0], [2.0, 5.0]); np.interp(0.5, [0.0, 1.0], V[:2]); np.digitize(V, [0.5, 1.0])
np.bincount(J); np.isclose(A, D)
# indexing
A[0]; A[-1]; A[0, 1]; A[:, 1]; A[1:, ::-1]; A[..., 0]; A[0, ...]; A[...]; A[()]; A[None]; A[0, None]
A[:, :, None]; A[::2]; A[5:]; A[-2:, -2:]; V[::-2]; C[0, :, 1]; C[:, 1:2, :]; Z[()]; Z[...]; Z[None]; S[()]
S[None]; S[...]; A[np.int64(1)]; A[np.int32(0), 1]
A[[0, 1, 0]]; A[:, [2, 0]]; A[[0, 1], [2, 0]]; A[[0, 1], :]; A[J - 1]; A[:, J]
A[np.array([[0, 1], [1, 0]])]; C[:, [0, 2], [1, 3]]; C[[0, 1], :, [1, 3]]; C[None][:, [0, 1], :, [1, 3]]
C[[0, 1], None, [1, 0]]; C[:, None, [0, 2], [1, 3]]; C[0, None, [1, 2]]; C[None, :, [0, 1], 0]
C[0, :, [1, 3]]
C[[0, 1], 1:, [1, 3]]; A[[-1, 0]]; A[np.array([0]), 1]; V[J]; V[[0, 0]]; V[L - 1]; V[U - 1]
A[np.ix_([0, 1], [0, 2])]; A[[]]; V[np.array([], int)]; A[[True, False]]; A[1, [0, 2]]; C[1, [0, 2]]
A[None, [0, 1]]; A[[0, 1], None]; C[..., [0, 1]]; A[([0, 1], [1, 2])]; C[[[0], [1]], [0, 2]]
A[M]; A[A > 1]; V[K]; A[:, K]; A[[True, False], 1:]; C[M]; A[0][K]; A[~M]; V[V > 0.5]; C[:, K]; C[0, K]
A[M & (A > 0.5)]; A[np.array([True, False])]; V[np.argmax(V)]; A[np.argmax(V) - 1]; V[int(np.argmax(V))]
A[A.argmax(0), [0, 1, 2]]; V[:, None][K]; V[I[0] - 1]
np.take(V, [0, 2]); np.take(A, 1, axis=0); np.take(A, [0, 2], axis=1); np.take(A, [0, 5])
np.take(A, J, axis=1); V.take([0]); np.take_along_axis(A, np.argsort(A, axis=1), axis=1)
np.take_along_axis(A, np.argmax(A, axis=0, keepdims=True), axis=0); len(A); A.shape; A.ndim; A.size; A.dtype
np.shape(A); np.size(A); np.ndim(A); A.nbytes; A.itemsize; list(V); [row for row in A][1]; tuple(V)[0]
A.flat[2]; V.real; V.imag; V.conj(); np.real(V); np.conj(V); np.isrealobj(A); np.imag(V); np.asanyarray(V)
np.vecmat(V, B); V.flat[1:]
# products
np.dot(V, W); np.dot(A, B); np.dot(A, V); np.dot(V, B); np.dot(S, V)
np.dot(C, V[:, None].T[:0].sum() + np.ones(4)); np.dot(C, B.T); A.dot(B); V.dot(W); np.matmul(A, B)
np.matmul(V, W); np.inner(V, W); np.inner(A, D); np.inner(S, V); np.inner(A, V); np.outer(V, W)
np.outer(A, V); np.vdot(V, W); np.vdot(A, D); np.vecdot(A, D); np.tensordot(A, B, 1)
np.tensordot(A, B, axes=([1], [0])); np.tensordot(A, D, axes=2); np.tensordot(A, D, axes=((0, 1), (0, 1)))
np.tensordot(V, W, 0); np.tensordot(C, B, axes=(1, 0)); np.kron(V, W); np.kron(A, Q); np.cross(V, W)
np.linalg.multi_dot([A, B, B.T]); F @ B; I @ B; I @ Q; J @ J; np.matvec(A, V); np.linalg.outer(V, W)
np.einsum("ij,jk->ik", A, B); np.einsum("ij,jk", A, B); np.einsum("ij->ji", A); np.einsum("ij->", A)
np.einsum("ii->i", Q); np.einsum("ii", Q); np.einsum("i,i", V, W)
np.einsum("...j,jk->...k", C.transpose(0, 2, 1), B); np.einsum("ij,ij->i", A, D); np.einsum("i,j->ij", V, W)
np.einsum("ij, jk -> ki", A, B); np.einsum("...ij->...ji", C); np.einsum("ij,j,jk->ik", A, V, B)
np.einsum("iij->j", np.stack([A, D])); np.einsum("ij,k->", A, V); np.einsum("i->i", F[0])
np.einsum("ij,jk->ik", F, B); np.einsum("...,...", A, D); np.einsum("i...->...", A)
np.linalg.matrix_power(Q, 3); np.linalg.trace(Q)
# creation and conversion
np.array([S, Z]); np.array([[S, 1], [2, Z]]); np.array([V, W]); np.array([A[0], V]); np.array(V)
np.asarray(V); np.array([S, 1], dtype=np.float32); np.array(V, dtype=np.float32); np.array([1, S, 2])
np.array((S, S)); np.array([[S]]); np.array([V[0], V[1]]); np.array(A, ndmin=3); np.array([S], ndmin=2)
np.asarray([S, 2.0]); np.array([M, M]); np.array([I, I]); np.array(S); np.stack([V, [1.0, 2.0, 3.0]])
A.astype(np.float32); A.astype("float32"); A.astype(float); I.astype(float); A.astype(int); M.astype(float)
A.copy(); np.copy(A); A.astype(np.float64, copy=False); F.astype(np.float64); np.astype(A, np.float32)
(A > 1).astype(float); A.view(); np.ascontiguousarray(A); np.asfortranarray(A); np.require(A)
np.float32(2) * A.astype(np.float32)
np.zeros_like(A); np.ones_like(A); np.full_like(A, 2.5); np.empty_like(A).shape; np.zeros_like(I)
np.zeros_like(A, dtype=int); np.ones_like(V, shape=(2, 2)); np.full_like(V, S); np.full(3, S)
np.full((2, 2), S); np.zeros(3) + V; np.ones((2, 3)) * A; np.eye(3) @ V; np.arange(3) * V
np.linspace(0, 1, 3) * V; np.linspace(S, Z, 4); np.identity(3) * V; np.zeros(V.shape); np.zeros(len(V))
np.arange(V.size); np.zeros(A.shape[0]); np.tri(3) @ V; np.zeros_like(V, float); np.geomspace(1, 8, 3) * V
np.logspace(0, 1, 3) * V; np.fromfunction(lambda i: i + 1.0, (3,)) * V
A.round(); A.round(1); A.any(); A.all(); A.squeeze(); np.iscomplexobj(A); np.result_type(A, F)
np.can_cast(I.dtype, float); np.polyval([1.0, 2.0, 3.0], V); np.polyval(V, 2.0); np.convolve(V, [1.0, 0.5])
np.correlate(V, W); np.correlate(V, V[:2], "same"); np.correlate(V[:2], V, "full"); np.correlate(V[:2], V)
np.convolve(V[:2], V, "same")
 np.convolve(V, W, "valid"); np.gradient(B)[1]; np.gradient(V, 0.5); np.cov(A); np.corrcoef(A)
"""

CASES = [
    expression.strip()
    for line in EXPRESSIONS.splitlines()
    if line and not line.startswith("#")
    for expression in line.split("; ")
    if hasattr(np, "matvec") or not re.search(r"np\.(matvec|vecmat)", expression)  # NumPy 2.2
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
    np.flatnonzero | np.extract | np.compress | np.bincount | np.unique | np.count_nonzero(M)
    np.allclose | np.array_equal | max(V) | min(V)
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
        return eval(code, {"np": np}, constants | dict(zip(floats, xs, strict=True)))

    return f


def leaves(y):
    return [leaf for item in y for leaf in leaves(item)] if isinstance(y, (list, tuple)) else [y]


def compare(found, expected):
    """Equal types, nearly equal numbers; what is no array must be equal."""
    assert len(leaves(found)) == len(leaves(expected))
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        if not isinstance(b, (np.ndarray, np.generic)):
            assert a == b
            continue
        assert type_of(a) == type_of(b)
        rtol = {2: 1e-2, 4: 2e-6}.get(b.dtype.itemsize, 1e-12) if b.dtype.kind == "f" else 0
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def numbers(y):
    return [dr.value(leaf) for leaf in leaves(y)]


@pytest.mark.parametrize("expression", CASES)
def test_value_and_type_are_those_of_numpy(expression):
    f = function_of(expression)
    given = [ARRAYS[name] for name in floats_of(expression)]
    kept = []
    dr.grad(
        lambda *xs: kept.append(numbers(f(*xs[1:]))) or xs[0], argnums=tuple(range(len(given) + 1))
    )(1.0, *given)
    compare(kept[0], f(*given))


@pytest.mark.parametrize(
    "expression", [e for e in CASES if not any(word in e for word in BY_VALUE)]
)
def test_the_same_on_types_alone(expression):
    f = function_of(expression)
    given = [ARRAYS[name] for name in floats_of(expression)]
    expected = f(*given)
    plain = [not isinstance(y, (np.ndarray, np.generic)) for y in leaves(expected)]
    fixed = []

    def arrays(*xs):
        ys = leaves(f(*xs))
        fixed.extend(y for y, skip in zip(ys, plain, strict=True) if skip)
        return [y for y, skip in zip(ys, plain, strict=True) if not skip]

    whole = stage(arrays, [type_of(x) for x in given])
    found = interpret(whole.graph.check(), *given, *whole.captured)
    compare(list(found), [y for y, skip in zip(leaves(expected), plain, strict=True) if not skip])
    assert fixed == [y for y, skip in zip(leaves(expected), plain, strict=True) if skip]


def smooth(expression):
    given = [ARRAYS[name] for name in floats_of(expression)]
    if (
        not given
        or any(x.dtype != np.float64 for x in given)
        or any(word in expression for word in STEPS)
    ):
        return False
    found = leaves(function_of(expression)(*given))
    return any(getattr(y, "dtype", None) == np.float64 for y in found)


@pytest.mark.parametrize("expression", [e for e in CASES if smooth(e)])
def test_gradient(expression):
    f = function_of(expression)
    given = [ARRAYS[name] for name in floats_of(expression)]
    chosen = lambda *xs: [y for y in leaves(f(*xs)) if getattr(y, "dtype", None) == np.float64]  # noqa: E731
    dr.check_grads(chosen, *given, order=1)


def test_every_rule_of_a_function_is_in_some_expression():
    text = EXPRESSIONS + WRITERS + COMPLEX
    names = {f"np.{f.__name__}" for f in (*FUNCTIONS, *UFUNCS)} | {
        f"np.linalg.{f.__name__}" for f in FUNCTIONS
    }
    named = {name for name in names if re.search(rf"{re.escape(name)}\b", text)}
    methods = {f.__name__ for f in FUNCTIONS if re.search(rf"\.{f.__name__}\(", text)}
    aliases = {
        "amin",
        "fix",
        "around",
        "radians",
        "rad2deg",
        "conjugate",
        "true_divide",
        "bitwise_not",
    }
    missing = [
        f.__name__
        for f in (*FUNCTIONS, *UFUNCS)
        if not {f"np.{f.__name__}", f"np.linalg.{f.__name__}"} & named
        and f.__name__ not in methods | aliases
    ]
    assert missing == []


# In test_complex.py.
COMPLEX = """
    np.angle np.iscomplex np.isreal np.fft np.ifft np.fftn np.ifftn np.fft2 np.ifft2 np.rfft np.irfft
    np.linalg.eig np.linalg.eigvals
    np.rfft2 np.irfft2 np.rfftn np.irfftn np.hfft np.ihfft np.fftshift np.ifftshift
"""

# In test_inplace.py.
WRITERS = """
    np.copyto np.putmask np.place np.fill_diagonal np.put np.put_along_axis
    np.shares_memory np.may_share_memory
"""


# --- dtypes ---

DTYPES = ["bool", "int8", "uint8", "int32", "uint32", "int64", "float16", "float32", "float64"]
NUMBERS = [True, 2, 1.5, np.float32(1.5), np.float64(1.5), np.int8(2), np.int64(2), np.uint8(2)]
BINARY = [
    np.add,
    np.multiply,
    np.subtract,
    np.divide,
    np.power,
    np.maximum,
    np.floor_divide,
    np.less,
    np.arctan2,
    np.bitwise_or,
]
UNARY = [
    np.exp,
    np.sqrt,
    np.negative,
    np.absolute,
    np.sign,
    np.floor,
    np.square,
    np.isnan,
    np.logical_not,
    np.invert,
    np.sum,
    np.mean,
    np.max,
    np.prod,
    np.var,
    np.cumsum,
    np.round,
]


def type_or_error(f, *args):
    try:
        with np.errstate(all="ignore"):
            return type_of(f(*args))
    except (TypeError, ValueError) as error:
        return type(error)


def traced_type(f, *args):
    """The result type while tracing, of arguments that are constants of the trace."""
    found = []

    def run(_):
        given = [np.copy(x) if isinstance(x, np.ndarray) else x for x in args]
        found.append(type_or_error(lambda *xs: dr.value(f(*xs)), *given))
        return 0.0

    dr.grad(run)(1.0)
    return found[0]


def same_type(f, *args):
    expected, found = type_or_error(f, *args), traced_type(f, *args)
    if isinstance(expected, type):
        assert isinstance(found, type) and issubclass(found, (TypeError, ValueError)), (
            f,
            args,
            found,
        )
    else:
        assert found == expected, (f, [getattr(x, "dtype", x) for x in args], found, expected)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda f: f.__name__)
def test_result_dtypes_of_two_arrays_are_those_of_numpy(ufunc):
    for a in DTYPES:
        for b in DTYPES:
            same_type(ufunc, np.ones(2, a), np.ones(2, b))


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda f: f.__name__)
def test_result_dtypes_with_numbers_are_those_of_numpy(ufunc):
    for a in DTYPES:
        for number in NUMBERS:
            same_type(ufunc, np.ones(2, a), number)
            same_type(ufunc, number, np.ones(2, a))


@pytest.mark.parametrize("f", UNARY, ids=lambda f: f.__name__)
def test_result_dtypes_of_one_array_are_those_of_numpy(f):
    for a in DTYPES:
        same_type(f, np.ones(2, a))


# --- axes ---

REDUCTIONS = """
    sum mean max min prod var std ptp argmax argmin any all cumsum cumprod sort argsort median
    flip diff count_nonzero nansum squeeze linalg.norm
""".split()


def outcome(f, *args, **kwargs):
    try:
        return f(*args, **kwargs)
    except (TypeError, ValueError, IndexError, NoRuleError) as error:
        return error


def traced_outcome(f, x, kwargs):
    found = []
    dr.grad(lambda _, x: found.append(outcome(lambda: dr.value(f(x, **kwargs)))) or _)(1.0, x)
    return found[0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (3,), (0, 3), (3, 0), (1, 1), (2, 3), (2, 1, 3)], ids=str
)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_axes_and_shapes_are_those_of_numpy(name, shape):
    f = np.linalg.norm if name == "linalg.norm" else getattr(np, name)
    x = RNG.permutation(int(np.prod(shape))).reshape(shape) * 0.3 + 0.1
    for axis in ("none", None, 0, -1, 1, -3, (0,), (0, 1), (-1, 0), (0, 0)):
        for keepdims in ({}, {"keepdims": True}, {"keepdims": False}):
            kwargs = keepdims if axis == "none" else {"axis": axis, **keepdims}
            found = traced_outcome(f, x, kwargs)
            expected = outcome(f, x, **kwargs)
            if isinstance(found, NoRuleError):  # several axes at once, an unknown keyword
                assert isinstance(axis, tuple) or keepdims
            elif isinstance(expected, Exception):
                assert isinstance(found, (type(expected), TypeError, ValueError))
            elif x.size == 0 and isinstance(found, (TypeError, IndexError)):
                assert np.isnan(expected).all()  # of no elements: NumPy warns
            else:
                compare(found, expected)


# --- refused ---


@pytest.mark.parametrize(
    "expression",
    [
        "np.linalg.inv(Q)",
        "np.partition(V, 1)",
        "np.insert(V, 1, 2.0)",
        "np.unwrap(V)",
        "np.apply_along_axis(np.sum, 1, A)",
        "V.byteswap()",
        "Q.trace()",
        "np.add.reduceat(V, [0, 1])",
        "np.linalg.norm(A, 'nuc')",
        "np.sqrt(V, where=K)",
        "np.pad(V, 1, mode='mean')",
        "np.sum(V, nothing=1)",
        "np.quantile(V, 0.3, method='lower')",
        "np.exp(V, dtype=complex)",
        "np.fromiter(V, float)",
        "V.view(np.int64)",
    ],
)
def test_forms_without_a_rule_say_so(expression):
    f = function_of(expression)
    with pytest.raises((NoRuleError, TracedValueError, TypeError)) as caught:
        dr.grad(lambda *xs: np.sum(f(*xs)))(*(ARRAYS[name] for name in floats_of(expression)))
    if isinstance(caught.value, NoRuleError):
        assert "<expression>:1" in str(caught.value) or "with" in str(caught.value)


def test_a_method_without_a_rule_is_not_there_for_hasattr():
    found = []
    dr.grad(
        lambda x: (
            found.append((hasattr(x, "byteswap"), hasattr(x, "todense"), hasattr(x, "sum")))
            or x.sum()
        )
    )(np.ones(2))
    assert found == [(False, False, True)]


def test_integers_without_a_gradient_take_any_function():
    def f(x, labels):
        counts = np.bincount(labels, minlength=3)
        kinds = np.unique(labels)
        names = {0: 1.0, 1: 2.0, 2: 3.0}
        return (x * counts[:2]).sum() * len(kinds) * names[labels[1]] * [1, 2, 3][labels[0]]

    labels = np.array([0, 2, 2])
    np.testing.assert_array_equal(dr.grad(f)(np.ones(2), labels), [6, 0])
