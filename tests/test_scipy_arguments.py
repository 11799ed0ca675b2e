"""SciPy's functions with arguments that decide what is computed: complex matrices, weights, axes.

In: calls as people write them. Out: SciPy's numbers, traced and compiled.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, linalg
from scipy.spatial import distance

import deltarule as dr

MATRIX = np.array([[3 + 1j, 1 - 2j, 0.5j], [0.3, 4 - 1j, 1 + 1j], [1 - 1j, 2j, 5.0]])
RIGHT = np.array([1.0, 2j, 3 - 1j])
SYSTEMS = {
    "cholesky": lambda a: linalg.cholesky(a @ a.conj().T),
    "cho_factor": lambda a: linalg.cho_factor(a @ a.conj().T)[0],
    "cho_solve": lambda a: linalg.cho_solve(linalg.cho_factor(a @ a.conj().T), RIGHT),
    "cho_solve lower": lambda a: linalg.cho_solve(
        linalg.cho_factor(a @ a.conj().T, lower=True), RIGHT
    ),
    "symmetric": lambda a: linalg.solve(a + a.T, RIGHT, assume_a="sym"),
    "hermitian": lambda a: linalg.solve(a + a.conj().T, RIGHT, assume_a="her"),
    "symmetric inverse": lambda a: linalg.inv(a + a.T, assume_a="sym"),
} | {
    f"trans={way!r}": lambda a, way=way: linalg.solve_triangular(a, RIGHT, trans=way)
    for way in (0, 1, 2, "N", "T", "C")
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_complex_systems_as_scipy_solves_them(name):
    f = SYSTEMS[name]
    np.testing.assert_allclose(dr.vjp(f, MATRIX)[0], f(MATRIX), rtol=1e-12)
    np.testing.assert_allclose(dr.compile(f)(MATRIX), f(MATRIX), rtol=1e-12)
    dr.check_grads(f, MATRIX, order=1)


def test_a_way_of_turning_that_scipy_has_not_is_refused():
    with pytest.raises(ValueError, match="trans is one of"):
        dr.grad(lambda a: linalg.solve_triangular(a, np.ones(2), trans=3).sum())(np.eye(2))


WEIGHTS = np.array([0.0, 2.0, 0.0, 1.0])
MEASURED = {
    "minkowski": lambda u, v: distance.minkowski(u, v, np.inf, WEIGHTS),
    "chebyshev": lambda u, v: distance.chebyshev(u, v, WEIGHTS),
    "cdist": lambda u, v: distance.cdist(u[None], v[None], "chebyshev", w=WEIGHTS),
}


@pytest.mark.parametrize("name", MEASURED)
def test_weights_of_the_largest_difference_tell_what_counts(name):
    u, v = np.array([5.0, 1.0, 2.0, 0.5]), np.array([0.0, 0.2, 1.0, 1.0])
    expected = MEASURED[name](u, v)
    np.testing.assert_allclose(dr.vjp(MEASURED[name], u, v)[0], expected)
    assert float(np.ravel(expected)[0]) == 0.8


def test_simpson_of_two_samples_at_places_of_several_axes():
    y, x = np.array([[1.0, 2.0], [4.0, 3.0]]), np.array([[0.0, 0.0], [1.0, 3.0]])

    def f(y):
        return integrate.simpson(y, x=x, axis=0)

    np.testing.assert_allclose(dr.vjp(f, y)[0], f(y))
