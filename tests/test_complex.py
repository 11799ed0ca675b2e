"""Complex numbers: NumPy's functions on them, their derivatives, and the same as machine code.

In: expressions over named complex and real arrays. Out: one test for each expression.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import deltarule as dr
from deltarule.derive.trace import stage
from deltarule.errors import GradientError
from deltarule.program import type_of
from forms_complex import ARRAYS, CASES, floats, function_of, given, plane


@pytest.mark.parametrize("expression", CASES)
def test_value_is_that_of_numpy(expression):
    f, names = function_of(expression)
    found = []

    def run(*xs):
        found.append(dr.value(f(*xs)))
        return 0.0

    dr.grad(run, tuple(floats(names)))(*given(names))
    expected = f(*given(names))
    if isinstance(expected, bool):
        assert found[0] is expected
        return
    assert type_of(np.asarray(found[0])) == type_of(np.asarray(expected))
    tight = 1e-13 if np.asarray(expected).dtype.char in "dDliqb?" else 1e-5
    np.testing.assert_allclose(found[0], expected, rtol=tight, atol=tight)


def smooth(expression: str) -> bool:
    f, names = function_of(expression)
    y = f(*given(names))
    kinds = {ARRAYS[names[i]].dtype.char for i in floats(names)}
    return np.asarray(y).dtype.char in "dD" and not kinds & set("fF")


@pytest.mark.parametrize("expression", [e for e in CASES if smooth(e) and "round" not in e])
def test_gradient(expression):
    f, names = function_of(expression)
    values, chosen = given(names), floats(names)

    def g(*xs):
        for i, x in zip(chosen, xs, strict=True):
            values[i] = x
        return f(*values)

    dr.check_grads(g, *(values[i] for i in chosen))


@pytest.mark.parametrize("expression", CASES)
def test_compiled_is_interpreted(expression):
    f, names = function_of(expression)
    arrays = given(names)
    expected = f(*arrays)
    if isinstance(expected, bool):
        return
    compiled = dr.compile(f)
    found = compiled(*arrays)
    assert type_of(np.asarray(found)) == type_of(np.asarray(expected))
    single = any(x.dtype.char in "fF" for x in (np.asarray(expected), *map(np.asarray, arrays)))
    tight = 1e-5 if single else 1e-13
    np.testing.assert_allclose(found, expected, rtol=tight, atol=tight)
    transforms = expression.count("fft(") + expression.count("fft2(") + expression.count("fftn(")
    opaque = [kernel.nodes[0].primitive.name for kernel in compiled.plan.opaque]
    allowed = 2 * transforms + 2 * expression.count("sort") + 4 * expression.count("linalg")
    assert len(opaque) <= allowed, opaque


def hermitian(z):
    return z @ z.conj().T + np.diag([1.0, 3.0, 6.0])


def test_vectors_hold_where_their_phases_do_not_count():
    q = ARRAYS["Q"]

    def projections(z):
        values, vectors = np.linalg.eigh(hermitian(z))
        return np.abs(vectors) ** 2, (vectors * values**2) @ vectors.conj().T

    dr.check_grads(projections, q)

    def low_rank(z):
        u, s, vh = np.linalg.svd(z, full_matrices=False)
        return (u[:, :1] * s[:1] ** 2) @ vh[:1], np.abs(u[0]) ** 2

    for z in (q, ARRAYS["B"], ARRAYS["B"].T):
        dr.check_grads(low_rank, z, rtol=1e-4)


def test_a_square_root_of_a_matrix_from_its_eigenvalues():
    def root(x):
        values, vectors = np.linalg.eig(x)
        return ((vectors * np.sqrt(values + 0j)) @ np.linalg.inv(vectors)).real

    x = ARRAYS["P"] @ ARRAYS["P"] + 3 * np.eye(3)
    np.testing.assert_allclose(root(x) @ root(x), x, atol=1e-12)
    dr.check_grads(root, x)
    assert dr.compile(dr.jacobian(root))(x).shape == (3, 3, 3, 3)


def test_real_eigenvalues_of_real_matrices_are_real_where_they_are_known():
    kinds = []
    dr.grad(lambda x: kinds.append(np.linalg.eigvals(x).dtype) or 0.0 * np.sum(x))(np.eye(2))
    assert kinds == [np.dtype(float)]
    assert dr.compile(np.linalg.eigvals)(np.diag([1.0, 2.0])).dtype == complex


def test_the_gradient_of_a_real_function_is_the_conjugate_of_the_steepest_ascent():
    z = 3 + 4j
    assert dr.grad(lambda z: np.abs(z))(z) == pytest.approx(0.6 - 0.8j)
    assert dr.grad(lambda z: np.real(z * z))(z) == pytest.approx(2 * z)
    assert dr.grad(lambda z: np.imag(z))(z) == -1j
    assert dr.grad(lambda z: np.abs(z) ** 2)(z) == pytest.approx(2 * np.conj(z))


def test_a_step_against_the_conjugate_of_the_gradient_descends():
    goal, z = np.array([1 + 2j, -1j]), np.zeros(2, complex)

    def loss(z):
        return np.sum(np.abs(z - goal) ** 2)

    for _ in range(60):
        z = z - 0.2 * np.conj(dr.grad(loss)(z))
    np.testing.assert_allclose(z, goal, atol=1e-9)


def test_a_complex_result_has_no_gradient_but_a_tangent():
    with pytest.raises(GradientError, match="complex"):
        dr.grad(lambda z: z * z)(1 + 1j)
    y, dy = dr.jvp(lambda z: z**3, (1 + 1j,), (1.0,))
    assert dy == pytest.approx(3 * (1 + 1j) ** 2) and y == pytest.approx((1 + 1j) ** 3)


def test_jacobians_of_complex_results_of_real_arguments():
    x = np.array([0.3, 0.7])
    found = dr.jacobian(lambda x: np.exp(1j * x) * x[0])(x)
    step = 1e-6
    columns = [
        (
            np.exp(1j * (x + step * e)) * (x + step * e)[0]
            - np.exp(1j * (x - step * e)) * (x - step * e)[0]
        )
        / (2 * step)
        for e in np.eye(2)
    ]
    np.testing.assert_allclose(found, np.transpose(columns), rtol=1e-8)
    pair = dr.jacobian(lambda x: (x * 1j, x * x))(x)
    np.testing.assert_allclose(pair[0], 1j * np.eye(2))
    np.testing.assert_allclose(pair[1], np.diag(2 * x))
    assert pair[1].dtype == float
    with pytest.raises(GradientError, match="holomorphic"):
        dr.jacobian(lambda z: z * z)(x + 0j)


def test_real_and_imaginary_parts_are_views_that_can_be_written():
    def f(x, z):
        a = np.zeros(3, complex)
        a.real = x
        a.imag[1:] = 2 * x[:2]
        a[0] += z
        a.real[2] *= 3
        return np.sum(np.abs(a * a.T.conj()) ** 2) + a[1].imag

    x, z = np.array([0.4, 0.9, -0.7]), 0.3 - 0.2j
    a = x.astype(complex)
    a.imag[1:] = 2 * x[:2]
    a[0] += z
    a.real[2] *= 3
    assert f(x, z) == pytest.approx(np.sum(np.abs(a) ** 4) + a[1].imag)
    dr.check_grads(f, x, z)
    np.testing.assert_allclose(dr.compile(f)(x, np.complex128(z)), f(x, z))


@pytest.mark.native
def test_complex_loops_compile():
    def f(z, c):
        def step(z, c):
            z = z * z + c
            return z, np.abs(z)

        return dr.scan(step, z, c)

    rng = np.random.default_rng(3)
    z = 0.5 * (rng.normal(size=2) + 1j * rng.normal(size=2))
    c = 0.5 * (rng.normal(size=(5, 2)) + 1j * rng.normal(size=(5, 2)))
    last, sizes = f(z, c)
    found, all_sizes = dr.compile(f)(z, c)
    np.testing.assert_allclose(found, last)
    np.testing.assert_allclose(all_sizes, sizes)
    dr.check_grads(lambda z, c: f(z, c)[1], z, c)
    gradient = dr.compile(dr.grad(lambda z, c: np.sum(f(z, c)[1] ** 2), (0, 1)))
    for a, b in zip(
        gradient(z, c), dr.grad(lambda z, c: np.sum(f(z, c)[1] ** 2), (0, 1))(z, c), strict=True
    ):
        np.testing.assert_allclose(a, b)
    assert gradient.plan.native == 1.0


@pytest.mark.native
def test_complex_loops_of_unknown_length_and_choices_compile():
    def escape(z, c):
        def step(state):
            return state[0] ** 2 + c, state[1] + 1

        return dr.while_loop(lambda state: np.max(np.abs(state[0])) < 4, step, (z, np.int64(0)))

    z, c = np.array([0.1 + 0.2j, 0.3j]), np.array([0.4 + 0.3j, 0.35j])
    compiled = dr.compile(escape)
    for a, b in zip(compiled(z, c), escape(z, c), strict=True):
        np.testing.assert_allclose(a, b)
    assert compiled.plan.native == 1.0

    def choose(z, t):
        return dr.cond(t > 0, lambda z: np.sin(z) * 1j, lambda z: z**2, z)

    compiled = dr.compile(choose)
    for t in (1.0, -1.0):
        np.testing.assert_allclose(compiled(z, t), choose(z, t))
        dr.check_grads(lambda z, t=t: choose(z, t), z)
    assert compiled.plan.native == 1.0


def test_vmap_and_second_derivatives_of_complex_functions():
    z = plane(4, 3)
    found = dr.vmap(dr.grad(lambda z: np.sum(np.abs(np.sin(z)))))(z)
    np.testing.assert_allclose(found[2], dr.grad(lambda z: np.sum(np.abs(np.sin(z))))(z[2]))
    x = np.array([0.2, 0.5])
    hessian = dr.hessian(lambda x: np.abs(np.exp(1j * x[0]) + x[1]) ** 2)(x)
    exact = [[-2 * x[1] * np.cos(x[0]), -2 * np.sin(x[0])], [-2 * np.sin(x[0]), 2.0]]
    np.testing.assert_allclose(hessian, exact, atol=1e-12)


def test_at_zero_the_absolute_value_has_derivative_zero():
    assert dr.grad(lambda z: np.abs(z))(0j) == 0
    assert dr.grad(lambda z: np.linalg.norm(z))(np.zeros(2, complex)).tolist() == [0, 0]


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "cos", "tanh", "arcsin", "arccos", "arctan"]
)
def test_compiled_functions_hold_over_the_plane_and_on_the_axes(name):
    f = getattr(np, name)
    sizes = [0.0, 1e-300, 1e-9, 0.1, 0.7, 1.3, 5.0, 30.0]
    z = np.array([a + 1j * b for a in sizes for b in sizes if name not in ("log", "arctan") or a])
    z = np.concatenate([z, -z, np.conj(z), -np.conj(z)])
    found, expected = dr.compile(f)(z), f(z)
    np.testing.assert_allclose(
        found, expected, rtol=3e-14, atol=1e-300 if name == "sqrt" else 3e-15
    )


def test_division_neither_overflows_nor_loses_small_numbers():
    big, small = 1e300 * (1 + 1j), 1e-300 * (1 - 1j)
    a, b = np.array([big, small, big, 1 + 2j]), np.array([big, small, 1j * big, 3 + 0j])
    np.testing.assert_allclose(dr.compile(np.divide)(a, b), a / b, rtol=1e-15)


def test_staged_complex_graphs_keep_their_text():
    z = ARRAYS["A"]
    graph = stage(lambda z: [np.exp(z) * (1 + 2j)], [type_of(z)]).graph
    assert type(graph).from_text(graph.to_text()).to_text() == graph.to_text()


def test_logsumexp_of_complex_numbers():
    z = np.array([[0.3 + 1.2j, -0.4 - 2.1j], [1.5 + 0.7j, 0.2 - 0.3j]])
    found = dr.vjp(lambda z: special.logsumexp(z, axis=1), z)[0]
    np.testing.assert_allclose(found, special.logsumexp(z, axis=1), rtol=1e-12)
    size, sign = dr.vjp(lambda z: special.logsumexp(z, return_sign=True), z)[0]
    expected = special.logsumexp(z, return_sign=True)
    np.testing.assert_allclose(size, expected[0], rtol=1e-12)
    np.testing.assert_allclose(sign, expected[1], rtol=1e-12)
    dr.check_grads(lambda z: np.abs(special.logsumexp(z, axis=1)), z)


def test_jacobians_of_holomorphic_functions():
    z = np.array([1 + 2j, 0.5 - 1j])

    def f(z):
        return np.array([z[0] * z[1], np.exp(z[0])])

    expected = [[z[1], z[0]], [np.exp(z[0]), 0]]
    jacobian = dr.jacobian(f, holomorphic=True)
    np.testing.assert_allclose(jacobian(z), expected)
    np.testing.assert_allclose(dr.compile(jacobian)(z), expected)
    for wrong in (np.conj, np.abs, lambda z: abs(z) * z, lambda z: z.real + 1j):
        with pytest.raises(GradientError, match=r"not holomorphic here|must be complex"):
            dr.jacobian(wrong, holomorphic=True)(z)
    with pytest.raises(GradientError, match="must be complex, these are f64"):
        dr.jacobian(f, holomorphic=True)(z.real)


def test_what_completes_complex_factors_has_the_derivative_of_the_space():
    """The columns themselves are any; the projection on what they span is not."""
    rng = np.random.default_rng(3)
    x, t = (rng.normal(size=(4, 2)) + 1j * rng.normal(size=(4, 2)) for _ in range(2))
    spaces = {
        "u": lambda x: np.linalg.svd(x)[0][:, 2:],
        "v": lambda x: np.linalg.svd(x.conj().T)[2][2:].conj().T,
        "q": lambda x: np.linalg.qr(x, mode="complete")[0][:, 2:],
    }
    for columns in spaces.values():

        def projection(x, columns=columns):
            y = columns(x)
            return y @ y.conj().T

        moved = dr.jvp(projection, (x,), (t,))[1]
        step = 1e-6
        difference = (projection(x + step * t) - projection(x - step * t)) / (2 * step)
        np.testing.assert_allclose(moved, difference, atol=1e-8)
        ct = rng.normal(size=(4, 4))
        slope = np.sum(ct * moved.real)
        g = dr.grad(lambda x: np.sum(ct * np.real(projection(x))))(x)  # noqa: B023
        np.testing.assert_allclose(np.sum(g * t).real, slope, atol=1e-10)


def test_functions_of_matrices_take_complex_ones():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(5)
    x, t = (rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)) for _ in range(2))
    x = x + 4 * np.eye(3)
    functions = [linalg.sqrtm, linalg.logm, linalg.cosm, linalg.sinm, lambda x: linalg.lu(x)[2]]
    functions += [lambda x: linalg.polar(x)[1], lambda x: linalg.solve_sylvester(x, x.T, x)]
    for f in functions:
        value, moved = dr.jvp(f, (x,), (t,))
        np.testing.assert_allclose(value, f(x), atol=1e-12)
        difference = (f(x + 1e-6 * t) - f(x - 1e-6 * t)) / 2e-6
        np.testing.assert_allclose(moved, difference, atol=1e-7)


def test_a_root_of_a_real_matrix_may_be_complex():
    linalg = pytest.importorskip("scipy.linalg")
    x = np.diag([-4.0, 9.0])
    assert dr.grad(lambda x: linalg.sqrtm(x)[0, 0].imag)(x)[0, 0] == pytest.approx(-0.25)
    with pytest.raises(np.linalg.LinAlgError, match=r"complex here; cast it first, x.astype"):
        dr.compile(linalg.sqrtm)(x)
    np.testing.assert_allclose(dr.compile(linalg.sqrtm)(x + 0j), np.diag([2j, 3]))
