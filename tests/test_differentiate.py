"""The public derivatives: grad, vjp, jvp, vmap, jacobian, hessian, hvp, check_grads, custom_vjp, scan.

In: functions of nested parameters. Out: derivatives in the same structure, or errors that say the cure.
"""

from __future__ import annotations

import collections
import dataclasses
import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import CheckFailed, DataError, DeltaruleError, GradientError, TypeRuleError

X = np.array([1.0, 2.0, 3.0])


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


# --- structures ---


@dataclasses.dataclass
class Layer:
    w: typing.Any
    b: typing.Any


@dataclasses.dataclass(frozen=True)
class Frozen:
    w: typing.Any
    b: typing.Any


Pair = collections.namedtuple("Pair", "w b")


@pytest.mark.parametrize(
    "make",
    [Layer, Frozen, Pair, lambda w, b: {"w": w, "b": b}, lambda w, b: [w, b], lambda w, b: (w, b)],
)
def test_gradients_have_the_structure_of_the_parameters(make):
    def parts(p):
        return (
            (p["w"], p["b"])
            if isinstance(p, dict)
            else (p[0], p[1])
            if isinstance(p, (list, tuple))
            else (p.w, p.b)
        )

    def f(p):
        w, b = parts(p)
        return np.sum(np.tanh(X @ w) + b**2)

    w, b = np.arange(6.0).reshape(3, 2) / 7, np.array([0.1, 0.2])
    p = make(w, b)
    g = dr.grad(f)(p)
    assert type(g) is type(p)
    gw, gb = parts(g)
    close(gw, np.outer(X, 1 - np.tanh(X @ w) ** 2))
    close(gb, 2 * b)
    dr.check_grads(f, p)


def test_deep_structures():
    p = {"a": [Layer(1.0, (2.0, {"c": np.array([3.0, 4.0])})), None], "z": 5.0}

    def f(p):
        layer = p["a"][0]
        return layer.w * layer.b[0] * np.sum(layer.b[1]["c"]) * p["z"]

    g = dr.grad(f)(p)
    assert g["a"][1] is None and list(g) == ["a", "z"]
    close(g["a"][0].w, 70.0)
    close(g["a"][0].b[1]["c"], [10.0, 10.0])
    close(g["z"], 14.0)
    close(dr.hvp(f, p, p)["z"], 3 * 14.0)  # f is homogeneous of degree 4: H p = 3 grad f


def test_empty_structures():
    assert dr.grad(lambda p, x: x * 2.0, argnums=0)({}, 1.0) == {}
    assert dr.grad(lambda p, x: x * 2.0, argnums=(0, 1))([], 1.0) == ([], 2.0)
    assert dr.grad(lambda x: np.sum(x))(np.zeros((0, 3))).shape == (0, 3)


def test_argnums_and_keywords():
    f = lambda x, y, *, k=2.0: k * x * y**2  # noqa: E731
    close(dr.grad(f)(3.0, 5.0), 50.0)
    close(dr.grad(f, argnums=1)(3.0, 5.0), 60.0)
    close(dr.grad(f, argnums=-1)(3.0, 5.0, k=1.0), 30.0)
    close(dr.grad(f, argnums=(1, 0))(3.0, 5.0), (60.0, 50.0))
    close(dr.grad(f, argnums=[0])(3.0, 5.0), [50.0])
    close(dr.grad(f, argnums=np.int64(1))(3.0, 5.0), 60.0)
    close(
        dr.grad(lambda x, mode, n, flag=True: x * n if flag and mode == "a" else x)(1.0, "a", 3),
        3.0,
    )


def test_values_with_gradients():
    value, gradient = dr.value_and_grad(lambda x: np.sum(x**2))(X)
    assert value == 14.0 and type(value) is np.float64
    close(gradient, 2 * X)
    (value, aux), gradient = dr.value_and_grad(
        lambda x: (np.sum(x), {"twice": 2 * x, "n": 5, "s": "text"}), has_aux=True
    )(X)
    assert (
        value == 6.0 and aux["n"] == 5 and aux["s"] == "text" and type(aux["twice"]) is np.ndarray
    )
    gradient, aux = dr.grad(lambda x: (np.sum(x), x[0]), has_aux=True)(X)
    assert aux == 1.0 and type(aux) is np.float64


def test_names_and_docstrings_are_kept():
    def loss(x):
        """Sum of squares."""
        return np.sum(x**2)

    assert dr.grad(loss).__name__ == "loss" and dr.grad(loss).__doc__ == "Sum of squares."


# --- zeros ---


def test_what_is_not_used_has_a_gradient_of_exact_zeros():
    g = dr.grad(lambda p: np.sum(p["a"]))({"a": X, "b": np.ones((2, 2), np.float32), "c": 3.0})
    assert g["b"].dtype == np.float32 and g["b"].shape == (2, 2) and not g["b"].any()
    assert type(g["c"]) is np.float64 and g["c"] == 0
    g["b"][0, 0] = 1.0  # and writable
    for f in (
        lambda x: 1.0,
        lambda x: np.float64(2),
        lambda x: np.sum(np.zeros(2)),
        lambda x: np.sum(x > 1) * 1.0,
    ):
        assert not dr.grad(f)(X).any()
    for f in (np.floor, np.sign, lambda x: dr.stop_gradient(x), lambda x: np.round(x, 1)):
        assert not dr.grad(lambda x, f=f: np.sum(f(x)))(X).any()


def test_a_masked_point_gives_no_nan():
    x = np.array([0.0, 1.0, -1.0])
    for f in (
        lambda x: np.where(x > 0, np.log(np.abs(x)), 0.0),
        lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0),
        lambda x: np.where(x > 0, 1 / x, 0.0),
        lambda x: np.where(x > 0, np.abs(x) ** 0.3, 0.0),
        lambda x: np.where(np.abs(x) < 1, np.arccos(np.clip(x, -1, 1)), 0.0),
        lambda x: np.where(x > 0, np.arctan2(x, x), 0.0),
    ):
        with np.errstate(all="ignore"):
            assert np.isfinite(dr.grad(lambda x, f=f: np.sum(f(x)))(x)).all()
            assert np.isfinite(dr.hvp(lambda x, f=f: np.sum(f(x)), x, np.ones(3))).all()
            assert np.isfinite(dr.hessian(lambda x, f=f: np.sum(f(x)))(x)).all()


def test_second_derivatives_survive_where_the_first_is_zero():
    close(dr.grad(dr.grad(lambda x: x * np.sin(x)))(0.0), 2.0)
    close(dr.grad(dr.grad(lambda x: np.sin(x) ** 2))(0.0), 2.0)
    close(dr.hessian(lambda x: np.linalg.norm(x) ** 2)(X), 2 * np.eye(3))
    assert not dr.grad(np.linalg.norm)(np.zeros(3)).any()
    assert not dr.grad(np.std)(np.ones(3)).any()


# --- errors ---

REFUSED = {
    "an array as the loss": (
        lambda: dr.grad(lambda x: x)(X),
        r"shape \(3,\).*np\.sum.*dr\.jacobian",
    ),
    "a loss of one element": (lambda: dr.grad(lambda x: x[:1])(X), r"shape \(1,\)"),
    "an integer": (lambda: dr.grad(lambda x: x * 1.0)(3), "int64.*floats"),
    "integers": (
        lambda: dr.grad(lambda p: np.sum(p["n"]))({"n": np.arange(3)}),
        r"argument 0\['n'\] of <lambda>.*astype",
    ),
    "bools": (lambda: dr.grad(np.sum)(X > 1), "bool"),
    "text": (lambda: dr.grad(lambda x: x)("a"), "arrays of floats"),
    "complex numbers": (lambda: dr.grad(lambda x: x)(1j), "complex"),
    "None": (lambda: dr.grad(lambda x: None)(1.0), "returned None; is the return missing"),
    "two losses": (lambda: dr.grad(lambda x: (x, x))(1.0), "returned 2 values.*has_aux"),
    "text as the loss": (lambda: dr.grad(lambda x: "a")(1.0), "returned str"),
    "an integer loss": (lambda: dr.grad(lambda x: np.argmax(x))(X), "no|i64"),
    "no such argument": (lambda: dr.grad(lambda x: x, argnums=1)(1.0), "argnums 1.*1 positional"),
    "a name as argnums": (lambda: dr.grad(lambda x: x, argnums=("x",))(1.0), "argnums 'x'"),
    "an argument twice": (lambda: dr.grad(lambda x, y: x, argnums=(0, -2))(1.0, 2.0), "twice"),
    "aux that is missing": (
        lambda: dr.grad(lambda x: x, has_aux=True)(1.0),
        r"must return \(value, aux\)",
    ),
    "a cotangent of another shape": (
        lambda: dr.vjp(lambda x: x, X)[1](np.ones(2)),
        r"shape \(2,\).*f64\[3\]",
    ),
    "a cotangent of another structure": (lambda: dr.vjp(lambda x: [x], X)[1](X), "structure"),
    "a tangent of another shape": (lambda: dr.jvp(np.sin, (X,), (np.ones(2),)), r"shape \(2,\)"),
    "a tangent too many": (lambda: dr.jvp(np.sin, (X,), (X, X)), "structure"),
    "tangents that are no tuple": (lambda: dr.jvp(np.sin, (X,), X), "structure|tuple"),
    "a jacobian of integers": (lambda: dr.jacobian(np.argmax)(X), "i64"),
    "an integer in check_grads": (lambda: dr.check_grads(np.sum, np.arange(3)), "int64"),
    "an unknown mode": (lambda: dr.check_grads(np.sum, X, modes=("sideways",)), "sideways"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_a_cure(what):
    run, words = REFUSED[what]
    with pytest.raises(GradientError, match=words):
        run()


# --- vjp and jvp ---


def test_vjp_of_trees():
    def f(p, x):
        return {"a": p["w"] * x, "b": (np.sum(x), p["w"] ** 2)}

    y, pullback = dr.vjp(f, {"w": 3.0}, X)
    close(y["b"][1], 9.0)
    gp, gx = pullback({"a": np.ones(3), "b": (1.0, 10.0)})
    close(gp["w"], 6.0 + 60.0)
    close(gx, 3.0 + np.ones(3))
    gp, gx = pullback({"a": np.zeros(3), "b": (0.0, 0.0)})
    assert gp["w"] == 0 and not gx.any()


def test_vjp_with_integer_results():
    y, pullback = dr.vjp(lambda x: (np.argmax(x), x * 2), X)
    assert y[0] == 2
    close(pullback((0, np.ones(3)))[0], [2, 2, 2])


def test_vjp_takes_python_numbers_and_other_dtypes():
    _, pullback = dr.vjp(lambda x: x.astype(np.float32), X)
    assert pullback(np.ones(3))[0].dtype == np.float64
    _, pullback = dr.vjp(np.sum, X.astype(np.float32))
    assert pullback(1)[0].dtype == np.float32


def test_jvp_of_trees():
    y, dy = dr.jvp(
        lambda p, x: {"s": p["w"] * np.sum(x), "n": 5.0}, ({"w": 2.0}, X), ({"w": 1.0}, np.ones(3))
    )
    close(y["s"], 12.0)
    close(dy["s"], 6.0 + 6.0)
    assert dy["n"] == 0


@given(st.integers(0, 1000), st.sampled_from([(), (3,), (2, 3), (0,), (1, 1)]))
def test_forward_and_reverse_agree(seed, shape):
    rng = np.random.default_rng(seed)
    x, v, u = (rng.normal(size=shape) for _ in range(3))
    f = lambda x: np.tanh(x) * np.sum(np.sin(x)) + x[..., None].sum(-1)  # noqa: E731
    close(np.sum(u * dr.jvp(f, (x,), (v,))[1]), np.sum(dr.vjp(f, x)[1](u)[0] * v))


# --- jacobian, hessian, hvp ---


def test_shapes_of_jacobians():
    j = dr.jacobian(lambda x: {"a": x[:, None] * X, "b": np.sum(x)})(X)
    assert j["a"].shape == (3, 3, 3) and j["b"].shape == (3,)
    close(j["a"][:, 1, :], 2 * np.eye(3))
    j = dr.jacobian(lambda p: p["u"] * p["v"])({"u": 2.0, "v": X})
    close(j["u"], X)
    close(j["v"], 2 * np.eye(3))
    close(dr.jacobian(lambda x: x * 2)(3.0), 2.0)
    close(dr.jacobian(lambda a, x: a * x, argnums=1)(2.0, X), 2 * np.eye(3))
    assert dr.jacobian(lambda x: x[:0])(X).shape == (0, 3)
    assert dr.jacobian(np.sum)(np.zeros((0, 3))).shape == (0, 3)
    assert dr.jacobian(lambda x: x * 2)(X.astype(np.float32)).dtype == np.float32
    close(dr.jacobian(lambda x: np.ones(2))(X), np.zeros((2, 3)))


def test_hessians():
    f = lambda p: np.sum(p["a"] ** 2 * p["b"])  # noqa: E731
    h = dr.hessian(f)({"a": X, "b": 2.0})
    close(h["a"]["a"], 4 * np.eye(3))
    close(h["a"]["b"], 2 * X)
    close(h["b"]["a"], 2 * X)
    close(h["b"]["b"], 0.0)
    close(dr.hvp(lambda x: np.sum(x**4), X, np.ones(3)), 12 * X**2)
    close(dr.hvp(lambda x: np.sum(np.sin(x)), 0.5, 2.0), -2 * np.sin(0.5))


def test_a_quadratic_form():
    a = np.random.default_rng(0).normal(size=(3, 3))
    close(dr.hessian(lambda x: x @ a @ x)(X), a + a.T)


# --- vmap ---


def test_vmap_axes():
    m = np.arange(6.0).reshape(2, 3)
    close(dr.vmap(np.sum)(m), m.sum(1))
    close(dr.vmap(np.sum, in_axes=1)(m), m.sum(0))
    close(dr.vmap(np.sum, in_axes=-1)(m), m.sum(0))
    close(dr.vmap(np.dot, in_axes=(0, None))(m, X), m @ X)
    close(dr.vmap(lambda x: x * 2, out_axes=1)(m), 2 * m.T)
    close(dr.vmap(lambda x: x * 2, out_axes=-1)(m), 2 * m.T)
    close(dr.vmap(lambda p, x: p["w"] * x, in_axes=({"w": None}, 0))({"w": 2.0}, X), 2 * X)
    close(dr.vmap(lambda x, y: x + y)(m, m[:, 0]), m + m[:, :1])
    out = dr.vmap(lambda d: {"s": d["a"] + d["b"], "c": 1.0})({"a": X, "b": X})
    close(out["s"], 2 * X)
    close(out["c"], np.ones(3))
    assert dr.vmap(lambda x: x * 2)(np.zeros((0, 3))).shape == (0, 3)
    assert dr.vmap(lambda n: n + 1)(np.arange(3)).dtype == np.int64


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: dr.vmap(lambda a, b: a + b)(X, np.ones(2)), "3 at argument.*2 at argument"),
        (lambda: dr.vmap(np.sum)(1.0), "no axis 0"),
        (lambda: dr.vmap(np.sum, in_axes=2)(np.ones((2, 3))), "no axis 2"),
        (lambda: dr.vmap(lambda x: x, in_axes=None)(X), "no argument has an axis"),
    ],
)
def test_vmap_refuses(run, words):
    with pytest.raises(DataError, match=words):
        run()
    with pytest.raises(TypeRuleError, match="2 entries"):
        dr.vmap(np.sum, in_axes=(0, 0))(X)


PER_EXAMPLE = {
    "indexing": lambda x: x[1:] * x[0] + x[[0, 2]],
    "writing": lambda x: _written(x),
    "matmul": lambda x: np.outer(x, x) @ x,
    "reductions": lambda x: np.max(x) + np.mean(x) * np.std(x),
    "sorting": lambda x: np.sort(x) * np.argsort(x),
    "where": lambda x: np.where(x > 0, x, -x),
    "gather": lambda x: X[[0, 1]] * x[np.argmax(x)],
    "einsum": lambda x: np.einsum("i,j->ij", x, X),
    "concatenate": lambda x: np.concatenate([x, X])[::-1],
    "cumsum": lambda x: np.cumsum(x) * np.prod(x),
    "scan": lambda x: dr.scan(lambda c, v: (c * v + 1, c), 1.0, x)[1],
    "custom": lambda x: CLIPPED(x) * x,
    "gradient": dr.grad(lambda x: np.sum(x**3)),
    "random": lambda x: x + dr.random.uniform(np.array([1, 0], np.uint32), (3,)),
}
CLIPPED = dr.custom_vjp(
    lambda x: x * 1.0, lambda x: (x * 1.0, None), lambda _, ct: (np.clip(ct, -1, 1),)
)


def _written(x):
    a = np.zeros((2, 3))
    a[0] = x
    a[1, [0, 0, 2]] = x * 2
    np.add.at(a, (0, [1, 1]), x[:2])
    return a


@pytest.mark.parametrize("name", PER_EXAMPLE)
def test_vmap_is_a_loop(name):
    f = PER_EXAMPLE[name]
    xs = np.random.default_rng(3).normal(size=(4, 3))
    close(dr.vmap(f)(xs), np.stack([f(x.copy()) for x in xs]))
    if name != "random":
        gradient = dr.grad(lambda x: np.sum(np.sin(f(x))))
        close(dr.vmap(gradient)(xs), np.stack([gradient(x) for x in xs]))


# --- check_grads ---


def test_check_grads_proves_and_refutes():
    dr.check_grads(lambda p: np.sum(np.tanh(p["w"] @ X) ** 2), {"w": np.eye(3)}, order=3)
    dr.check_grads(lambda x: {"n": np.argmax(x), "y": np.sin(x)}, X)
    wrong = dr.custom_vjp(np.sin, lambda x: (np.sin(x), x), lambda x, ct: (ct,))
    with pytest.raises(CheckFailed, match="reverse mode"):
        dr.check_grads(wrong, X, modes=("reverse",))
    with pytest.raises(GradientError, match="modes"):
        dr.check_grads(wrong, X)
    kinked = lambda x: np.sum(np.abs(x))  # noqa: E731
    with pytest.raises(CheckFailed):
        dr.check_grads(kinked, np.zeros(3))


# --- custom_vjp and stop_gradient ---


def test_custom_rules():
    close(dr.grad(lambda x: np.sum(5 * CLIPPED(x)))(X), np.ones(3))
    close(dr.jacobian(lambda x: CLIPPED(x) * 2)(X), np.eye(3))
    close(
        dr.grad(lambda x: dr.scan(lambda c, v: (c + 3 * CLIPPED(v), None), 0.0, x)[0])(X),
        np.ones(3),
    )
    both = dr.custom_vjp(
        lambda p, n: p["a"] * p["b"] * n,
        lambda p, n: (p["a"] * p["b"] * n, (p, n)),
        lambda kept, ct: (
            {"a": ct * kept[0]["b"] * kept[1], "b": ct * kept[0]["a"] * kept[1]},
            None,
        ),
    )
    g = dr.grad(lambda p: both(p, 3))({"a": 2.0, "b": 5.0})
    close([g["a"], g["b"]], [15.0, 6.0])
    close(dr.grad(dr.grad(lambda x: both({"a": x, "b": x}, 3)))(2.0), 6.0)


def test_a_custom_rule_may_use_any_library():
    from scipy import special

    integral = dr.custom_vjp(  # of J0 from 0 to x
        lambda x: special.itj0y0(x)[0],
        lambda x: (special.itj0y0(x)[0], x),
        lambda x, ct: (ct * special.j0(x),),
    )
    close(dr.grad(lambda x: np.sum(integral(x)))(X), special.j0(X))
    close(integral(X), special.itj0y0(X)[0])
    with pytest.raises(DeltaruleError):
        dr.vmap(integral)(X)


def test_a_custom_rule_reads_arrays_from_its_closure():
    w = np.array([1.0, 2.0, 3.0])
    f = dr.custom_vjp(
        lambda x: np.sum(x * w), lambda x: (np.sum(x * w), x), lambda x, ct: (10 * ct * w,)
    )
    close(dr.grad(f)(X), 10 * w)
    close(dr.vmap(dr.grad(f))(np.stack([X, X])), [10 * w, 10 * w])
    with pytest.raises(GradientError, match="Pass it as an argument"):
        dr.grad(
            lambda w: dr.custom_vjp(lambda x: x * w, lambda x: (x * w, None), lambda _, ct: (ct,))(
                1.0 * w
            )
        )(2.0)


@pytest.mark.parametrize(
    ("bwd", "words"),
    [
        (lambda _, ct: ct, "must return a tuple"),
        (lambda _, ct: (ct, ct), "one cotangent per argument"),
        (lambda _, ct: (np.ones(2),), r"shape \(2,\)"),
        (lambda _, ct: ({"a": ct},), "structure|shape|cotangent"),
    ],
)
def test_a_custom_rule_is_checked(bwd, words):
    f = dr.custom_vjp(lambda x: x * 1.0, lambda x: (x * 1.0, None), bwd)
    with pytest.raises(GradientError, match=words):
        dr.grad(lambda x: np.sum(f(x)))(X)
    with pytest.raises(GradientError, match=words):
        dr.grad(lambda x: np.sum(dr.vmap(f)(x)))(np.stack([X, X]))


def test_a_custom_forward_rule_is_checked():
    f = dr.custom_vjp(lambda x: x, lambda x: x, lambda _, ct: (ct,))
    with pytest.raises(GradientError, match=r"\(y, residuals\)"):
        dr.grad(f)(1.0)


def test_a_custom_rule_of_float32():
    f = dr.custom_vjp(lambda x: x * 2, lambda x: (x * 2, None), lambda _, ct: (2 * ct,))
    g = dr.grad(lambda x: np.sum(f(x) * np.float32(3)))(X.astype(np.float32))
    assert g.dtype == np.float32
    wide = dr.custom_vjp(
        lambda x: x * 2, lambda x: (x * 2, None), lambda _, ct: (np.float64(2) * ct,)
    )
    assert dr.grad(lambda x: np.sum(wide(x)))(X.astype(np.float32)).dtype == np.float32


def test_stop_gradient():
    close(dr.grad(lambda x: x * dr.stop_gradient(x))(3.0), 3.0)
    close(dr.grad(lambda x: np.sum(dr.stop_gradient({"a": x})["a"] * x))(X), X)
    close(dr.grad(lambda x: x * float(dr.stop_gradient(x)))(3.0), 3.0)
    close(dr.jvp(lambda x: dr.stop_gradient(x) * x, (3.0,), (1.0,))[1], 3.0)
    close(dr.stop_gradient(X), X)


# --- scan ---


def unrolled(f, carry, xs, reverse=False):
    ys = []
    for x in xs[::-1] if reverse else xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, np.array(ys[::-1] if reverse else ys)


W = np.array([[0.3, -0.2, 0.1], [0.5, 0.4, -0.3], [0.2, 0.1, 0.6]])


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_unrolled_loop(reverse):
    def step(h, x):
        h = np.tanh(W @ h + x)
        return h, np.sum(h) * x

    def looped(h, xs):
        last, ys = dr.scan(step, h, xs, reverse=reverse)
        return np.sum(last * X) + np.sum(ys * np.arange(12.0).reshape(4, 3))

    def plain(h, xs):
        last, ys = h, [None] * 4
        for t in range(3, -1, -1) if reverse else range(4):
            last, ys[t] = step(last, xs[t])
        return np.sum(last * X) + np.sum(np.stack(ys) * np.arange(12.0).reshape(4, 3))

    rng = np.random.default_rng(1)
    h, xs = rng.normal(size=3), rng.normal(size=(4, 3))
    close(looped(h, xs), plain(h, xs))
    for i in (0, 1):
        close(dr.grad(looped, i)(h, xs), dr.grad(plain, i)(h, xs))
        close(dr.hessian(looped, i)(h, xs), dr.hessian(plain, i)(h, xs))
    v, vs = rng.normal(size=3), rng.normal(size=(4, 3))
    close(dr.jvp(looped, (h, xs), (v, vs))[1], dr.jvp(plain, (h, xs), (v, vs))[1])
    close(dr.jvp(dr.grad(looped), (h, xs), (v, vs))[1], dr.jvp(dr.grad(plain), (h, xs), (v, vs))[1])
    many = np.stack([h, 2 * h]), np.stack([xs, -xs])
    close(dr.vmap(looped)(*many), [looped(a, b) for a, b in zip(*many, strict=True)])
    close(
        dr.vmap(dr.grad(looped, 1))(*many),
        [dr.grad(plain, 1)(a, b) for a, b in zip(*many, strict=True)],
    )
    close(dr.vmap(looped, in_axes=(None, 0))(h, many[1]), [looped(h, b) for b in many[1]])
    dr.check_grads(looped, h, xs)


def test_scan_over_captured_traced_values():
    xs = np.array([0.1, -0.4, 0.7])

    def looped(w, b):
        return dr.scan(lambda c, x: (np.tanh(w * c + b[0] * x), c), b[1], xs)[0]

    def plain(w, b):
        c = b[1]
        for x in xs:
            c = np.tanh(w * c + b[0] * x)
        return c

    b = np.array([0.5, 0.2])
    close(dr.grad(looped, (0, 1))(0.3, b)[1], dr.grad(plain, (0, 1))(0.3, b)[1])
    close(dr.hessian(looped, 1)(0.3, b), dr.hessian(plain, 1)(0.3, b))
    close(
        dr.vmap(dr.grad(looped))(np.array([0.3, 0.6]), np.stack([b, b])),
        [dr.grad(plain)(0.3, b), dr.grad(plain)(0.6, b)],
    )
    close(dr.jvp(looped, (0.3, b), (1.0, b))[1], dr.jvp(plain, (0.3, b), (1.0, b))[1])


def test_scan_with_integers_bools_and_trees():
    def step(carry, row):
        new = {
            "total": carry["total"] * row["x"] + carry["n"],
            "n": carry["n"] + row["k"],
            "odd": carry["n"] % 2 == 1,
        }
        return new, (carry["n"], np.where(carry["odd"], row["x"], 0.0))

    def looped(t, x):
        init = {"total": t, "n": 1, "odd": False}
        last, (ns, picked) = dr.scan(step, init, {"x": x, "k": np.array([1, 2, 3])})
        return last["total"] + np.sum(picked * ns)

    def plain(t, x):
        c, total = {"total": t, "n": 1, "odd": False}, 0.0
        for v, k in zip(x, [1, 2, 3], strict=True):
            c, (n, picked) = step(c, {"x": v, "k": k})
            total = total + picked * n
        return c["total"] + total

    close(looped(0.5, X), plain(0.5, X))
    for i in (0, 1):
        close(dr.grad(looped, i)(0.5, X), dr.grad(plain, i)(0.5, X))
    close(dr.vmap(looped)(np.array([0.5, 1.5]), np.stack([X, -X])), [plain(0.5, X), plain(1.5, -X)])
    dr.check_grads(looped, 0.5, X)


def test_scan_of_no_steps_and_of_counted_steps():
    carry, ys = dr.scan(lambda c, x: (c * x, c + x), 2.0, np.zeros(0))
    assert carry == 2.0 and ys.shape == (0,)
    close(dr.grad(lambda c: dr.scan(lambda c, x: (c * x, c), c, np.zeros(0))[0])(2.0), 1.0)
    close(
        dr.grad(lambda c: np.sum(dr.scan(lambda c, x: (c * x, c), c, np.zeros(0))[1]) + c)(2.0), 1.0
    )
    carry, ys = dr.scan(lambda c, _: (2 * c, None), 1.0, length=5)
    assert carry == 32.0 and ys is None
    close(dr.grad(lambda c: dr.scan(lambda c, _: (c * c, None), c, length=3)[0])(1.1), 8 * 1.1**7)


def test_scan_writes_in_place_inside_a_step():
    def step(c, x):
        c[0] = c[0] * x
        c[1:] += c[0]
        out = np.zeros(2)
        out[0] = c[2]
        return c, out

    def looped(x):
        return np.sum(dr.scan(step, np.ones(3), x)[1])

    def plain(x):
        c, total = np.ones(3) * 1.0, 0.0
        for v in x:
            c, out = step(c, v)
            total = total + np.sum(out)
        return total

    close(looped(X), plain(X))
    close(dr.grad(looped)(X), dr.grad(plain)(X))


def test_scans_nest():
    def looped(x):
        inner = lambda c, v: (dr.scan(lambda d, u: (d * u + v, None), c, x)[0], c)  # noqa: E731
        return dr.scan(inner, 0.5, x)[0]

    def plain(x):
        c = 0.5
        for v in x:
            for u in x:
                c = c * u + v
        return c

    close(looped(X), plain(X))
    close(dr.grad(looped)(X), dr.grad(plain)(X))
    close(dr.hessian(looped)(X), dr.hessian(plain)(X))


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (
            lambda: dr.scan(lambda c, x: (c * 1.5, x), 0, X),
            TypeRuleError,
            "the carry enters a step as.*start from",
        ),
        (
            lambda: dr.scan(lambda c, x: (np.stack([c, c]), x), 0.0, X),
            TypeRuleError,
            "the carry enters",
        ),
        (lambda: dr.scan(lambda c, x: ((c, c), x), 0.0, X), TypeRuleError, "the carry enters"),
        (lambda: dr.scan(lambda c, x: c, 0.0, X), TypeRuleError, r"must return \(carry, y\)"),
        (lambda: dr.scan(lambda c, x: (c, x), 0.0), DataError, "neither xs nor length"),
        (lambda: dr.scan(lambda c, x: (c, x), 0.0, X, length=4), DataError, "4 by length, 3 by xs"),
        (lambda: dr.scan(lambda c, x: (c, x), 0.0, [X, np.ones(2)]), DataError, "3 by xs.*2 by xs"),
        (lambda: dr.scan(lambda c, x: (c, x), 0.0, 1.0), DataError, "no axis"),
    ],
)
def test_scan_refuses(run, error, words):
    with pytest.raises(error, match=words):
        run()
    with pytest.raises(error, match=words):
        dr.grad(lambda x: x + 0 * np.sum(run()[0]))(1.0)


# --- deep ---

DEEP = 100_000


def deep(x):
    for _ in range(DEEP):
        x = x * 1.00001
    return x


def test_a_chain_of_100000_operations():
    close(dr.grad(deep)(1.0), 1.00001**DEEP)
    close(dr.jvp(deep, (1.0,), (1.0,))[1], 1.00001**DEEP)


def test_a_value_used_100000_times():
    def f(x):
        total = 0.0
        for _ in range(DEEP):
            total = total + x
        return total

    assert dr.grad(f)(1.0) == DEEP


def test_a_scan_of_100000_steps():
    f = lambda x: dr.scan(lambda c, _: (c * 1.00001, None), x, length=20_000)[0]  # noqa: E731
    close(dr.grad(f)(1.0), 1.00001**20_000)
