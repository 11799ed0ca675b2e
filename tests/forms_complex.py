"""NumPy's functions on complex numbers, as a user writes them, over arrays of all four quadrants."""

from __future__ import annotations

import numpy as np
from scipy import linalg

RNG = np.random.default_rng(11)


def plane(*shape: int) -> np.ndarray:
    """Numbers of all four quadrants, away from the axes and from 0, 1 and i."""
    turn = np.pi / 2 * RNG.integers(0, 4, shape) + RNG.uniform(0.3, 1.2, shape)
    return RNG.uniform(0.3, 0.8, shape) * np.exp(1j * turn)


ARRAYS = {
    "A": plane(2, 3),
    "B": plane(3, 4),
    "D": plane(2, 3),
    "Q": plane(3, 3) + 2 * np.eye(3),
    "V": plane(3),
    "W": plane(3),
    "T": plane(2, 3, 2),
    "V4": plane(4),
    "P": np.array([[0.2, -1.1, 0.3], [0.9, 0.4, -0.5], [0.1, 0.7, 1.3]]),
    "S": plane()[()],
    "Z": np.array(plane()),
    "E": np.zeros((0, 3), complex),
    "C": plane(3).astype(np.complex64),
    "R": RNG.uniform(0.3, 1.5, (2, 3)),
    "X": RNG.uniform(0.3, 1.5, 3),
    "F": RNG.uniform(0.3, 1.5, 3).astype(np.float32),
    "I": np.array([1, 2, -3]),
    "K": np.array([True, False, True]),
}
EXPRESSIONS = """
Q[np.diag_indices_from(Q)]; Q[np.tril_indices_from(Q)]; Q[np.triu_indices_from(Q, k=1)]
A + D; A - D; A * D; A / D; A ** D; -A; +A; abs(A); A @ B; V @ W; A @ V; A + V; A * S; S * Z; S / Z
1 / A; A + R; R + A; A * R; R * A; A / R; R / A; A ** R; R ** A; A ** 2; A ** 3; A ** -1; A ** -2
A ** 0; A ** 7; A ** 0.5; 2 ** A; S ** 2; A + 1; 1 - A; A * 2; A / 2; 2 / A; A * 1j; 1j * R; R + 2j
R * (1 + 2j); I * A; A + I; C + 1; C * 1j; C * F; C / F; F + C; C + V; C ** 2; K * V; A == D; A != A
A == 1; C * np.float64(2); np.exp(A); np.log(A); np.sqrt(A); np.sin(A); np.cos(A); np.tan(A)
np.sinh(A); np.cosh(A); np.tanh(A); np.arcsin(A); np.arccos(A); np.arctan(A); np.arcsinh(A)
np.arccosh(A); np.arctanh(A); np.expm1(A); np.log1p(A); np.log2(A); np.log10(A); np.exp2(A)
np.square(A); np.reciprocal(A); np.power(A, D); np.sign(A); np.positive(A); np.exp(C); np.log(C)
np.sqrt(C); np.tanh(C); np.exp(1j * X); np.exp(-1j * np.pi * R); np.real(A); np.imag(A); A.real
np.correlate(V, W); np.correlate(V, V4); np.correlate(V4, V, "same"); np.correlate(V4, V, "full")
A.imag; A.conj(); np.conj(A); np.conjugate(R); np.abs(A); np.absolute(C); np.angle(A)
np.angle(A, deg=True); np.angle(X); np.angle(-X); np.abs(A) ** 2; A * A.conj(); np.real(R); R.imag
np.isnan(A); np.isinf(A); np.isfinite(A); np.iscomplex(A); np.isreal(R + 0j); np.iscomplexobj(A)
np.isrealobj(R); np.sum(A); np.sum(A, 0); A.mean(); np.mean(A, 1, keepdims=True); np.prod(A, 1)
np.var(A); np.std(A, 0); np.cumsum(A, 1); np.cumprod(V); np.diff(A); np.trapezoid(A)
np.average(A, weights=R); np.sum(E); np.sum(C); np.dot(A, B); np.vdot(V, W); np.vdot(A, D)
np.inner(V, W); np.outer(V, W); np.tensordot(A, B, 1); np.kron(V, W); np.einsum("ij,jk->ik", A, B)
np.einsum("ij,ij->", A, R); np.einsum("i,ij,j->", V, Q, W); np.trace(Q); np.einsum("ij->j", A)
np.matmul(R, B); np.matmul(A, X); np.cross(V, W); np.linalg.norm(V); np.linalg.norm(A)
np.linalg.norm(V, 1); np.linalg.norm(V, np.inf); np.linalg.norm(A, axis=1)
np.linalg.matrix_power(Q, 3); A.T; A.reshape(3, 2); A.ravel(); A[0]; A[:, ::-1]; A[1, 2]
A[[0, 1], [2, 0]]; np.transpose(A); A[..., None]; np.concatenate([A, D]); np.concatenate([A, R])
np.stack([V, X]); np.where(K, V, W); np.where(K, V, 0); np.flip(V); np.pad(V, 1); np.tile(V, 2)
np.repeat(V, 2); np.roll(V, 1); np.diag(V); np.tril(Q); np.broadcast_to(V, (2, 3)); np.zeros_like(A)
np.ones_like(A) * V; np.array([S, 1.0]); np.array([1j, 2.0]) * V[:2]; np.full(3, 1j) * X
A.astype(np.complex64); A.astype(bool); np.any(A == 1); np.logical_not(A); np.all(A)
R.astype(complex) * 2j; np.convolve(V, W); np.polyval(V, S); np.vander(V); np.cov(A)
np.hypot(A.real, A.imag); np.arctan2(V.imag, V.real); np.exp(V).real; np.sort(A.real)
np.gradient(V); np.linspace(S, Z, 3); np.take(V, [2, 0]); np.nan_to_num(V); np.round(V, 1); V.copy()
np.sinc(V)
"""
FOURIER = """
np.fft.fft(V); np.fft.ifft(V); np.fft.fft(X); np.fft.fft(A, axis=0); np.fft.fft(V, 5)
np.fft.fft(V, 2); np.fft.fft(V, norm="ortho"); np.fft.ifft(V, norm="forward")
np.fft.fft(V, norm="forward"); np.fft.ifft(A, 4, 0); np.fft.fft2(A); np.fft.ifft2(A); np.fft.fftn(T)
np.fft.ifftn(T); np.fft.fftn(T, axes=(0, 2)); np.fft.fftn(A, (3, 2), (0, 1))
np.fft.fftn(A, (4,), axes=(0,)); np.fft.fft2(R); np.fft.fftn(A, axes=(1, 1))
np.fft.ifftn(A, norm="ortho"); np.fft.rfft(X); np.fft.rfft(R, 4); np.fft.rfft(R, axis=0)
np.fft.rfft2(R); np.fft.rfftn(R, norm="ortho"); np.fft.irfft(V); np.fft.irfft(V, 3)
np.fft.irfft(A, axis=0); np.fft.irfft(V, 7); np.fft.irfft2(A); np.fft.irfftn(T)
np.fft.irfftn(A, (3, 5), (0, 1)); np.fft.irfft(V, norm="ortho"); np.fft.irfft(np.fft.rfft(X), 3)
np.fft.rfftn(R, (2, 5), (0, 1)); np.fft.hfft(V); np.fft.hfft(V, 5); np.fft.ihfft(X)
np.fft.ihfft(X, 6, norm="ortho"); np.fft.hfft(V, norm="forward"); np.fft.fftshift(V)
np.fft.ifftshift(A, axes=1); np.fft.fftshift(R); np.fft.fft(C); np.fft.rfft(F); np.fft.irfft(C)
np.fft.ifft(np.fft.fft(X) * np.fft.fft(X)).real; np.abs(np.fft.rfft(X)) ** 2; np.fft.fft(I)
np.fft.rfft(I); np.fft.fftfreq(3) * V; np.fft.fft(V * np.exp(2j * np.pi * np.fft.fftfreq(3)))
"""
LINALG = """
np.linalg.solve(Q, V); np.linalg.solve(Q, X); np.linalg.solve(Q, A.T); np.linalg.inv(Q)
np.linalg.det(Q); np.linalg.slogdet(Q)[0]; np.linalg.slogdet(Q)[1]; np.linalg.pinv(A)
np.linalg.pinv(B); np.linalg.lstsq(B.T, V4)[0]; np.linalg.cholesky(Q @ Q.conj().T)
np.linalg.qr(B.T)[0]; np.linalg.qr(B)[1]; np.linalg.eigvals(Q); np.linalg.eig(Q)[1]
np.linalg.eig(P)[0]; np.linalg.eigvals(P); np.linalg.eigh(Q + Q.conj().T)[0]
np.linalg.eigvalsh(Q + Q.conj().T, "U"); np.linalg.svd(A, compute_uv=False); np.linalg.norm(A, 2)
np.linalg.norm(A, "nuc"); np.linalg.norm(A, 1); np.linalg.norm(A, np.inf); np.linalg.norm(V, 3)
np.linalg.cond(Q); np.linalg.matrix_power(Q, -2); np.linalg.multi_dot([A, Q, V])
np.linalg.inv(Q)[0, 1] * np.linalg.det(Q); np.linalg.vecdot(V, W); np.linalg.matrix_rank(A)
np.linalg.tensorsolve(Q, V)
"""
SCIPY = """
linalg.cholesky(Q @ Q.conj().T); linalg.cholesky(Q @ Q.conj().T, lower=True)
linalg.cho_solve(linalg.cho_factor(Q @ Q.conj().T), V); linalg.solve(Q + Q.T, V, assume_a="sym")
linalg.cho_solve(linalg.cho_factor(Q @ Q.conj().T, lower=True), V)
linalg.solve(Q @ Q.conj().T, V, assume_a="her"); linalg.solve_triangular(Q, V, trans="T")
linalg.solve_triangular(Q, V, trans=2); linalg.solve_triangular(Q, V, trans="C", lower=True)
linalg.lu_solve(linalg.lu_factor(Q), V, trans=2); linalg.solveh_banded(A / 9 + 3 * np.eye(2)[:, 1:], V)
"""
CASES = [
    e.strip()
    for line in (EXPRESSIONS + FOURIER + LINALG + SCIPY).splitlines()
    for e in line.split(";")
    if e.strip()
]


def function_of(expression: str):
    names = [name for name in ARRAYS if name in compile(expression, "", "eval").co_names]
    code = compile(expression, "<expression>", "eval")
    modules = {"np": np, "linalg": linalg}
    return lambda *xs: eval(code, modules, dict(zip(names, xs, strict=True))), names


def given(names: list[str]):
    return [ARRAYS[name] for name in names]


def floats(names: list[str]) -> list[int]:
    return [i for i, name in enumerate(names) if ARRAYS[name].dtype.kind in "fc"]


def traced(form: str):
    """A form as a function of its float and complex arrays, and these."""
    f, names = function_of(form)
    values, chosen = given(names), floats(names)

    def of_floats(*xs):
        for i, x in zip(chosen, xs, strict=True):
            values[i] = x
        return f(*values)

    return of_floats, [values[i] for i in chosen]
