"""The table of docs/conventions.md: the derivative at each kink and singular point, in both modes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special

import deltarule as dr

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"
S = np.array([[2.0, 1.0], [1.0, 3.0]])
CASES = {
    "abs(x)": (abs, 0.0, 0.0),
    "np.sign": (lambda x: np.sum(np.sign(x) + np.floor(x) + np.round(x)), [0.0, 2.0], [0, 0]),
    "x ** 0": (lambda x: x**0.0, 0.0, 0.0),
    "0 ** n": (lambda n: 0.0**n, 2.0, 0.0),
    "sqrt(x)": (np.sqrt, 0.0, np.inf),
    "np.linalg.norm(x)": (lambda x: np.linalg.norm(x) + np.hypot(x[0], x[1]), [0.0, 0], [0, 0]),
    "np.std(x)": (np.std, [2.0, 2.0, 2.0], [0, 0, 0]),
    "np.max": (lambda x: np.max(x) + np.min(x), [3.0, 1.0, 3.0, 1.0], [0.5, 0.5, 0.5, 0.5]),
    "np.maximum(a, b)": (lambda x: np.maximum(x[0], x[1]), [1.0, 1.0], [0.5, 0.5]),
    "np.sort": (lambda x: np.sort(x, kind="stable") @ [1.0, 2.0], [1.0, 1.0], [1, 2]),
    "np.clip": (lambda x: np.sum(np.clip(x, 0.0, 1.0)), [0.0, 0.5, 1.0, 2.0], [1, 1, 1, 0]),
    "np.unique": (lambda x: np.sum(np.unique(x)), [2.0, 1.0, 2.0], [1, 1, 0]),
    "np.interp": (lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 3.0]), 1.0, 2.0),
    "np.linalg.det": (np.linalg.det, [[2.0, 0.0], [0.0, 0.0]], [[0, 0], [0, 2]]),
    "np.linalg.cholesky": (
        lambda x: np.linalg.cholesky(x)[1, 0],
        S,
        [[-(2**-1.5) / 2, 2**-1.5], [2**-1.5, 0]],
    ),
    "vectors of equal eigenvalues": (lambda x: np.sum(np.linalg.eigh(x)[0]), np.eye(2), np.eye(2)),
    "special.xlogy(0, 0)": (lambda y: special.xlogy(0.0, y), 0.0, 0.0),
    "masked": (lambda x: np.sum(np.where(x > 0, np.log(x), x)), [0.0, 2.0], [1, 0.5]),
}

H = np.array([[2.0, 1j], [-1j, 3.0]])


def vector_stays(eigen, x, t):
    """The turn of each vector along a direction: Im(v* dv), and that of its largest component."""
    v, dv = dr.jvp(lambda x: eigen(x)[1], (x,), (t,))
    largest = np.argmax(np.abs(v), axis=0), np.arange(len(v))
    return np.sum(np.conj(v) * dv, axis=0).imag, dv[largest].imag


def completed(x):
    """How far the columns that complete u and q turn among themselves."""
    t = np.arange(8.0).reshape(4, 2) ** 2 / 50
    pairs = [dr.jvp(lambda x: np.linalg.svd(x)[0][:, 2:], (x,), (t,))]
    pairs.append(dr.jvp(lambda x: np.linalg.qr(x, mode="complete")[0][:, 2:], (x,), (t,)))
    return [y.T @ dy for y, dy in pairs]


def stripped():
    """The derivative of a polynomial by its highest coefficient, which is 0."""
    made = np.polynomial.Polynomial
    return dr.grad(lambda c: (made([1.0, 2.0, c]) + made([0.0, 1.0]))(3.0))(0.0)


COMPLEX = {
    "columns that complete": lambda: (completed(np.tri(4, 2) + np.eye(4, 2)), np.zeros((2, 2, 2))),
    "highest coefficient": lambda: (stripped(), 9.0),
    "real f of complex z": lambda: (dr.grad(lambda z: np.real(z * z))(1 + 2j), 2 + 4j),
    "`np.abs(z)`": lambda: (dr.grad(np.abs)(0j), 0),
    "phases of complex eigenvectors": lambda: (
        [*vector_stays(np.linalg.eigh, H, H @ H)[0], *vector_stays(np.linalg.eig, H, H.T)[1]],
        [0, 0, 0, 0],
    ),
}


@pytest.mark.parametrize("row", COMPLEX)
def test_the_derivative_in_the_plane_is_that_of_the_page(row):
    found, expected = COMPLEX[row]()
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", CASES)
def test_the_derivative_is_that_of_the_page(row):
    f, x, expected = CASES[row]
    x = np.asarray(x, float)[()]
    np.testing.assert_allclose(dr.grad(f)(x), expected, rtol=1e-12, atol=1e-15)
    found = [dr.jvp(f, (x,), (unit.reshape(x.shape)[()],))[1] for unit in np.eye(x.size)]
    np.testing.assert_allclose(np.reshape(found, x.shape), expected, rtol=1e-12, atol=1e-15)


def test_every_row_of_the_page_has_a_case():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(CASES) + len(COMPLEX)
    assert [row for row in (*CASES, *COMPLEX) if not any(row in line for line in rows)] == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_vectors_of_equal_eigenvalues_are_loud():
    assert not np.isfinite(dr.grad(lambda x: np.sum(np.linalg.eigh(x)[1][0]))(np.eye(2))).all()
