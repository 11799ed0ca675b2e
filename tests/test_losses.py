"""Losses: their formulas, their gradients, what they refuse."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.compile import jit
from deltarule.errors import DataError, ShapeError
from deltarule.nn import Loss, loss_of
from deltarule.nn.losses import LOSSES

rng = np.random.default_rng(0)
Y, T = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
LABELS = rng.integers(0, 3, 6)
COUNTS = rng.integers(0, 5, (6, 3)).astype(float)
AMOUNTS = rng.gamma(1.5, 1.0, (6, 3))
SIGNS = np.sign(rng.normal(size=(6, 3)))
SOFT = rng.dirichlet(np.ones(3), 6)
BITS = rng.integers(0, 2, (6, 3)).astype(float)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigma(z):
    return 1 / (1 + np.exp(-z))


def log_likelihood(z, t):
    return -np.sum(t * np.log(softmax(z)), -1)


def likelihood(z, labels):
    return softmax(z)[np.arange(len(z)), labels]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cosine_derivative(y, t):
    u, v = unit(y), unit(t)
    return (np.sum(u * v, 1, keepdims=True) * u - v) / np.linalg.norm(y, axis=1, keepdims=True)


def focal_factor(p):
    return 2 * p * (1 - p) * np.log(p) - (1 - p) ** 2


def focal_term(z):
    return -(sigma(-z) ** 2) * np.log(sigma(z))


def focal_slope(z):
    return -(sigma(-z) ** 2) * (sigma(-z) - 2 * sigma(z) * np.log(sigma(z)))


FORMULAS = {
    "mse": (T, lambda y, t: np.mean((y - t) ** 2, 1), lambda y, t: 2 * (y - t) / 3),
    "half_squared_error": (T, lambda y, t: np.sum((y - t) ** 2, 1) / 2, lambda y, t: y - t),
    "mae": (T, lambda y, t: np.mean(abs(y - t), 1), lambda y, t: np.sign(y - t) / 3),
    "huber": (
        T,
        lambda y, t: np.mean(np.where(abs(y - t) < 1, (y - t) ** 2 / 2, abs(y - t) - 0.5), 1),
        lambda y, t: np.clip(y - t, -1, 1) / 3,
    ),
    "cross_entropy": (
        LABELS,
        lambda y, t: log_likelihood(y, np.eye(3)[t]),
        lambda y, t: softmax(y) - np.eye(3)[t],
    ),
    "log_cosh": (
        T,
        lambda y, t: np.mean(np.log(np.cosh(y - t)), 1),
        lambda y, t: np.tanh(y - t) / 3,
    ),
    "quantile": (T, lambda y, t: np.mean(abs(y - t), 1) / 2, lambda y, t: np.sign(y - t) / 6),
    "poisson": (
        COUNTS,
        lambda y, t: np.mean(np.exp(y) - t * y, 1),
        lambda y, t: (np.exp(y) - t) / 3,
    ),
    "gamma": (
        AMOUNTS,
        lambda y, t: np.mean(y + t / np.exp(y), 1),
        lambda y, t: (1 - t / np.exp(y)) / 3,
    ),
    "tweedie": (
        COUNTS,
        lambda y, t: np.mean(2 * np.exp(y / 2) + 2 * t / np.exp(y / 2), 1),
        lambda y, t: (np.exp(y / 2) - t / np.exp(y / 2)) / 3,
    ),
    "cosine": (T, lambda y, t: 1 - np.sum(unit(y) * unit(t), 1), cosine_derivative),
    "focal": (
        LABELS,
        lambda y, t: -((1 - likelihood(y, t)) ** 2) * np.log(likelihood(y, t)),
        lambda y, t: (np.eye(3)[t] - softmax(y)) * focal_factor(likelihood(y, t))[:, None],
    ),
    "kl": (SOFT, lambda y, t: np.sum(t * np.log(t / softmax(y)), 1), lambda y, t: softmax(y) - t),
    "binary_focal": (
        BITS,
        lambda y, t: np.mean(np.where(t == 1, focal_term(y), focal_term(-y)), 1),
        lambda y, t: np.where(t == 1, focal_slope(y), -focal_slope(-y)) / 3,
    ),
    "hinge": (
        SIGNS,
        lambda y, t: np.mean(np.maximum(0, 1 - t * y), 1),
        lambda y, t: np.where(t * y < 1, -t, 0) / 3,
    ),
    "binary_cross_entropy": (
        BITS,
        lambda y, t: -np.mean(t * np.log(sigma(y)) + (1 - t) * np.log(1 - sigma(y)), 1),
        lambda y, t: (sigma(y) - t) / 3,
    ),
}


BY_CLASS = ("cross_entropy", "focal", "kl")


def test_every_loss_has_its_formula_here():
    assert FORMULAS.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", FORMULAS)
def test_loss_is_its_formula(name):
    targets, formula, _ = FORMULAS[name]
    np.testing.assert_allclose(LOSSES[name](Y, targets), formula(Y, targets), rtol=1e-12)
    assert loss_of(name)(Y, targets) == pytest.approx(formula(Y, targets).mean(), rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_gradient_is_the_formula_of_the_docstring(name):
    targets, _, derivative = FORMULAS[name]
    found = dr.grad(lambda y: loss_of(name)(y, targets))(Y)
    np.testing.assert_allclose(found, derivative(Y, targets) / 6, rtol=1e-12, atol=1e-16)
    dr.check_grads(lambda y: LOSSES[name](y, targets), Y)


@pytest.mark.parametrize("name", FORMULAS)
def test_compiled_is_interpreted(name):
    targets = FORMULAS[name][0]
    compiled = jit.compile(dr.value_and_grad(lambda y, t: loss_of(name)(y, t)))
    for found, expected in zip(
        compiled(Y, targets),
        dr.value_and_grad(lambda y: loss_of(name)(y, targets))(Y),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_float32_stays_float32(name):
    targets = FORMULAS[name][0]
    y = Y.astype(np.float32)
    for t in (targets, targets.astype(np.float32) if targets.dtype.kind == "f" else targets):
        assert LOSSES[name](y, t).dtype == np.float32
        value, gradient = dr.value_and_grad(lambda y, t=t: loss_of(name)(y, t))(y)
        assert value.dtype == gradient.dtype == np.float32


# --- cross entropy ---


@pytest.mark.parametrize("scale", [1000.0, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_give_finite_losses_and_gradients(scale, dtype):
    z = (scale * np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0]])).astype(dtype)
    for name, t in (("cross_entropy", np.array([0, 0])), ("binary_cross_entropy", BITS[:2])):
        value, gradient = dr.value_and_grad(lambda z, n=name, t=t: loss_of(n)(z, t))(z)
        assert np.isfinite(value) and np.isfinite(gradient).all(), name
    rows = LOSSES["cross_entropy"](z, np.array([0, 0]))
    np.testing.assert_allclose(rows, [0, 2 * scale + (math.log(2) if scale < 1e6 else 0)])
    expected = [[0, 0, 0], [-0.5, 0.25, 0.25]]
    gradient = dr.grad(lambda z: loss_of("cross_entropy")(z, np.array([0, 0])))(z)
    np.testing.assert_allclose(gradient, expected, atol=1e-12)


def test_labels_may_be_of_any_integer_type_or_shape_n_1():
    expected = LOSSES["cross_entropy"](Y, LABELS)
    for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.int64):
        np.testing.assert_array_equal(LOSSES["cross_entropy"](Y, LABELS.astype(dtype)), expected)
    np.testing.assert_array_equal(LOSSES["cross_entropy"](Y, LABELS[:, None]), expected)
    np.testing.assert_array_equal(LOSSES["cross_entropy"](Y, LABELS.tolist()), expected)
    two = LOSSES["cross_entropy"](Y[:, :2], LABELS > 0)
    np.testing.assert_array_equal(two, LOSSES["cross_entropy"](Y[:, :2], (LABELS > 0).astype(int)))


def test_soft_labels_are_probabilities():
    np.testing.assert_allclose(LOSSES["cross_entropy"](Y, SOFT), log_likelihood(Y, SOFT))
    onehot = np.eye(3)[LABELS]
    expected = LOSSES["cross_entropy"](Y, LABELS)
    for dtype in (float, int):
        np.testing.assert_allclose(LOSSES["cross_entropy"](Y, onehot.astype(dtype)), expected)
    gradient = dr.grad(lambda y: np.sum(LOSSES["cross_entropy"](y, SOFT)))(Y)
    np.testing.assert_allclose(gradient, softmax(Y) - SOFT)
    dr.check_grads(lambda y, t: LOSSES["cross_entropy"](y, t), Y, SOFT)


def test_sequences_have_a_label_for_each_place():
    y, t = rng.normal(size=(4, 5, 3)), rng.integers(0, 3, (4, 5))
    rows = LOSSES["cross_entropy"](y, t)
    np.testing.assert_allclose(rows, log_likelihood(y, np.eye(3)[t]))
    assert loss_of("cross_entropy")(y, t) == pytest.approx(rows.mean())


@pytest.mark.parametrize(("label", "place"), [(3, 4), (-1, 2), (300, 0)])
def test_a_label_that_is_no_class_is_an_error_never_another_classes_logit(label, place):
    wrong = LABELS.copy()
    wrong[place] = label
    words = rf"row \[{place}\] is class {label}; the network has 3 outputs, for classes 0 to 2"
    with pytest.raises(DataError, match=words):
        LOSSES["cross_entropy"](Y, wrong)
    with pytest.raises(DataError, match=words):
        dr.grad(lambda y: loss_of("cross_entropy")(y, wrong))(Y)
    compiled = jit.compile(lambda y, t: loss_of("cross_entropy")(y, t))
    assert np.isfinite(compiled(Y, LABELS))
    with pytest.raises(IndexError):
        compiled(Y, wrong)


@pytest.mark.parametrize(
    ("y", "t", "words"),
    [
        (Y[:, :1], LABELS, r"shape \(6, 1\).*For one output use binary_cross_entropy"),
        (Y[:, 0], LABELS, r"shape \(6,\)"),
        (Y, LABELS.astype(float), r"integers of shape \(6,\), or probabilities.*float64"),
        (Y, LABELS[:4], r"given are int64 of shape \(4,\)"),
        (Y, SOFT[:, :2], r"given are float64 of shape \(6, 2\)"),
    ],
)
def test_cross_entropy_refuses(y, t, words):
    with pytest.raises(ShapeError, match=words):
        LOSSES["cross_entropy"](y, t)


# --- shapes ---


@pytest.mark.parametrize("name", [name for name in FORMULAS if name not in (*BY_CLASS, "cosine")])
def test_one_output_takes_targets_of_shape_n_or_n_1(name):
    y, t = Y[:, :1], SIGNS[:, :1] if name == "hinge" else BITS[:, :1]
    expected = LOSSES[name](y, t)
    assert expected.shape == (6,)
    for a, b in ((y, t[:, 0]), (y[:, 0], t), (y[:, 0], t[:, 0])):
        np.testing.assert_array_equal(LOSSES[name](a, b), expected)
    dr.check_grads(lambda y: LOSSES[name](y, t[:, 0]), y + 0.3)


@pytest.mark.parametrize(
    "name", [name for name in FORMULAS if name not in ("cross_entropy", "focal")]
)
@pytest.mark.parametrize("shape", [(6,), (3,), (1, 3), (6, 1), (3, 6), ()])
def test_other_shapes_are_never_broadcast(name, shape):
    with pytest.raises(ShapeError, match=r"\(6, 3\), targets"):
        LOSSES[name](Y, np.zeros(shape))


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_of_no_rows_is_no_number(name):
    assert LOSSES[name](Y[:0], FORMULAS[name][0][:0]).shape == (0,)


# --- properties ---

numbers = st.floats(-50, 50, allow_nan=False, width=32)
logits = arrays.arrays(np.float64, (3, 4), elements=numbers)


@given(logits, st.lists(st.integers(0, 3), min_size=3, max_size=3), numbers)
def test_cross_entropy_does_not_change_with_the_level_of_the_logits(z, labels, level):
    t = np.array(labels)
    rows = LOSSES["cross_entropy"](z, t)
    assert (rows >= 0).all()
    np.testing.assert_allclose(LOSSES["cross_entropy"](z + level, t), rows, atol=1e-9)
    gradient = dr.grad(lambda z: np.sum(LOSSES["cross_entropy"](z, t)))(z)
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-12)


@given(logits, arrays.arrays(np.float64, (3, 4), elements=st.floats(0, 1)))
def test_binary_cross_entropy_is_that_of_two_classes(z, t):
    two = np.stack([np.zeros_like(z), z], -1)
    expected = LOSSES["cross_entropy"](two, np.stack([1 - t, t], -1)).mean(1)
    np.testing.assert_allclose(LOSSES["binary_cross_entropy"](z, t), expected, atol=1e-9)


# --- functions of one's own ---

OWN = {
    "a number": lambda y, t: np.mean((y - t) ** 2),
    "one per row": lambda y, t: np.mean((y - t) ** 2, axis=1),
    "one per row, with an axis": lambda y, t: np.mean((y - t) ** 2, axis=1, keepdims=True),
    "one per output": lambda y, t: (y - t) ** 2,
}


@pytest.mark.parametrize("kind", OWN)
def test_functions_of_ones_own(kind):
    loss = loss_of(OWN[kind])
    expected = dr.value_and_grad(lambda y: loss_of("mse")(y, T))(Y)
    found = dr.value_and_grad(lambda y: loss(y, T))(Y)
    np.testing.assert_allclose(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1])


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (
            lambda y, t: (y[:, :1] - t[:, 0]) ** 2,
            r"returned shape \(6, 6\) for outputs of shape \(6, 3\)",
        ),
        (
            lambda y, t: np.ones(3),
            r"returned shape \(3,\).*one number, one per row, or one per output",
        ),
        (lambda y, t: np.ones((6, 3, 2)), r"returned shape \(6, 3, 2\)"),
        (lambda y, t: None, "returned None"),
        (lambda y, t: "small", "returned 'small'"),
    ],
)
def test_results_that_are_no_loss(returned, words):
    with pytest.raises(ShapeError, match=words):
        loss_of(returned)(Y, T)


def test_names():
    with pytest.raises(
        DataError, match=r"no loss is called 'mean'; known: mse, half_squared_error"
    ):
        loss_of("mean")
    with pytest.raises(DataError, match="no loss is called None"):
        loss_of(None)
    assert loss_of("mse").name == "mse" and loss_of("cross_entropy").classes
    assert loss_of(OWN["a number"]).name == "<lambda>" and not loss_of(OWN["a number"]).classes
    assert isinstance(loss_of(loss_of("mse")), Loss)


# --- weights of rows ---


@pytest.mark.parametrize("name", FORMULAS)
def test_weights_multiply_the_rows(name):
    t, weight = FORMULAS[name][0], np.array([0.5, 1, 2, 0, 1, 1.5])
    expected = np.mean(weight * LOSSES[name](Y, t))
    assert loss_of(name)(Y, t, weight) == pytest.approx(expected, rel=1e-14)
    dr.check_grads(lambda y: loss_of(name)(y, t, weight), Y)


def test_weights_need_rows():
    with pytest.raises(ShapeError, match=r"one loss per row; <lambda> returned a single number"):
        loss_of(OWN["a number"])(Y, T, np.ones(6))
    with pytest.raises(ShapeError, match=r"weights have shape \(6, 1\); \(6,\) is needed"):
        loss_of("mse")(Y, T, np.ones((6, 1)))


@pytest.mark.parametrize(("target", "gradient"), [(0.0, 0.5), (1.0, -0.5), (0.3, 0.2)])
def test_binary_cross_entropy_at_a_logit_of_zero(target, gradient):
    """Where max(z, 0) and |z| have kinks the loss has none: dL/dz = 1/2 - t, d2L/dz2 = 1/4."""
    z, t = np.zeros(1), np.array([target])
    loss = lambda z: loss_of("binary_cross_entropy")(z, t)  # noqa: E731
    np.testing.assert_allclose(dr.grad(loss)(z), [gradient], rtol=1e-15)
    np.testing.assert_allclose(dr.hessian(loss)(z), [[0.25]], rtol=1e-15)


def test_huber_is_a_parabola_at_no_error():
    loss = lambda y: loss_of("huber")(y, np.zeros(1))  # noqa: E731
    assert dr.grad(loss)(np.zeros(1))[0] == 0
    assert dr.hessian(loss)(np.zeros(1))[0, 0] == 1


# --- settings, and figures from elsewhere ---

OUT = np.array([[0.5, -1.25, 2.0], [-0.75, 0.25, 1.5]])
NEAR = np.array([[1.0, 0.0, 3.5], [0.25, 2.0, 0.75]])
MIXED = np.array([[0.5, 0.25, 0.25], [0.0, 0.125, 0.875]])
# In float64, from torch.nn.functional (PyTorch 2.13.0: poisson_nll_loss, cross_entropy, kl_div,
# cosine_similarity, binary_cross_entropy_with_logits) and sklearn._loss (scikit-learn 1.9.1:
# HalfGammaLoss, HalfTweedieLoss, PinballLoss); rows are means over outputs, sums over classes.
ELSEWHERE = [
    ("poisson", {}, NEAR, [0.6080940554969896, 1.6001936799222733]),
    ("gamma", {}, NEAR, [0.7767347170135928, 1.0847330634691004]),
    ("tweedie", {"power": 1.3}, NEAR, [5.895909448353709, 5.15061578652013]),
    ("quantile", {"level": 0.8}, NEAR, [0.8666666666666667, 0.7833333333333333]),
    ("cross_entropy", {"smoothing": 0.1}, [2, 0], [0.39095531643536596, 2.4723392760738907]),
    ("cross_entropy", {"smoothing": 0.1}, MIXED, [1.797205316435366, 0.5879642760738908]),
    ("kl", {}, MIXED, [0.7554012122621145, 0.11015244815078734]),
    ("cosine", {}, NEAR, [0.1453823825456798, 0.60578507714014]),
    ("binary_cross_entropy", {}, [[1, 0, 1], [0, 1, 1]], [0.2843113588561507, 0.3880745679921653]),
]


@pytest.mark.parametrize(("name", "settings", "targets", "rows"), ELSEWHERE)
def test_rows_are_those_of_other_libraries(name, settings, targets, rows):
    loss, targets = loss_of(name, **settings), np.array(targets)
    np.testing.assert_allclose(loss.function(OUT, targets), rows, rtol=1e-13)
    assert loss.name == name and loss.named and loss.settings == settings
    dr.check_grads(lambda y: loss.function(y, targets), OUT)


def test_smoothing_moves_the_targets():
    smooth = loss_of("binary_cross_entropy", smoothing=0.2)
    moved = loss_of("binary_cross_entropy")(Y, 0.8 * BITS + 0.1)
    assert smooth(Y, BITS) == pytest.approx(moved, rel=1e-14)
    smooth = loss_of("cross_entropy", smoothing=0.3)
    moved = loss_of("cross_entropy")(Y, 0.7 * np.eye(3)[LABELS] + 0.1)
    assert smooth(Y, LABELS) == pytest.approx(moved, rel=1e-14)


def test_focus_of_zero_is_cross_entropy():
    for name, plain, t in [
        ("focal", "cross_entropy", LABELS),
        ("focal", "cross_entropy", SOFT),
        ("binary_focal", "binary_cross_entropy", BITS),
    ]:
        for f in (0.0, 0.5, 3.0):
            dr.check_grads(lambda y, n=name, f=f, t=t: loss_of(n, focus=f)(y, t), Y)
        np.testing.assert_allclose(
            loss_of(name, focus=0.0).function(Y, t), LOSSES[plain](Y, t), rtol=1e-13
        )


SETTINGS = [
    ("quantile", {"level": 1.0}, r"quantile: level is a number in \(0, 1\), not 1.0"),
    ("tweedie", {"power": 2}, r"poisson is 1, gamma 2\) is a number in \(1, 2\), not 2"),
    ("cross_entropy", {"smoothing": 1.5}, r"smoothing is a number in \[0, 1\], not 1.5"),
    ("binary_cross_entropy", {"smoothing": "a"}, "not 'a'"),
    ("focal", {"focus": -1}, r"focus is a number in \[0, inf\), not -1"),
    ("binary_focal", {"focus": math.nan}, "not nan"),
]


@pytest.mark.parametrize(("name", "settings", "words"), SETTINGS)
def test_settings_out_of_range(name, settings, words):
    with pytest.raises(DataError, match=words):
        loss_of(name, **settings)(Y, FORMULAS[name][0])


def test_settings_that_are_none():
    with pytest.raises(DataError, match=r"'levle'; its settings: level. Did you mean 'level'"):
        loss_of("quantile", levle=0.5)
    with pytest.raises(DataError, match="mse has no setting 'level'; its settings: none"):
        loss_of("mse", level=0.5)
    with pytest.raises(DataError, match="level: settings go with a name, not with a loss"):
        loss_of(loss_of("mse"), level=0.5)


# --- far ends, joints ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["focal", "binary_focal", "kl", "log_cosh", "cosine", "hinge"])
def test_losses_are_finite_for_outputs_of_any_size(name, dtype):
    t = FORMULAS[name][0][:2]
    for scale in (0.0, 1e-30, 1e3, 1e30):
        y = (scale * np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0]])).astype(dtype)
        value, gradient = dr.value_and_grad(lambda y: loss_of(name)(y, t))(y)
        assert np.isfinite(value) and np.isfinite(gradient).all(), scale
        assert value.dtype == np.dtype(dtype)


def test_log_cosh_is_a_parabola_at_no_error_and_exact_near_it():
    loss = lambda y: loss_of("log_cosh")(y, np.zeros(1))  # noqa: E731
    assert dr.grad(loss)(np.zeros(1))[0] == 0
    assert dr.hessian(loss)(np.zeros(1))[0, 0] == pytest.approx(1)
    assert loss(np.array([1e-6])) == pytest.approx(5e-13, rel=1e-9)
    assert loss(np.array([1.0])) == pytest.approx(np.log(np.cosh(1)), rel=1e-15)


@pytest.mark.parametrize("zero", ["outputs", "targets"])
def test_cosine_of_a_row_of_zeros_is_quiet(zero):
    y, t = (Y[:2], T[:2].copy()) if zero == "targets" else (Y[:2].copy(), T[:2])
    (t if zero == "targets" else y)[1] = 0
    assert LOSSES["cosine"](y, t)[1] == 1
    gradient = dr.grad(lambda y: loss_of("cosine")(y, t))(y)
    assert gradient[0].all() and not gradient[1].any()
    with pytest.raises(ShapeError, match="an angle needs 2 outputs a row"):
        LOSSES["cosine"](y[:, :1], t[:, :1])


# --- in use ---


@pytest.mark.parametrize("name", LOSSES)
def test_networks_train_and_are_explained_with_each(name):
    targets = FORMULAS[name][0]
    net = dr.Sequential(dr.Dense(3, "tanh"), dr.Dense(3))
    inputs = np.random.default_rng(2).normal(size=(6, 2))
    run = dr.fit(
        net, inputs, targets, loss=name, epochs=20, batch_size=6, optimizer=dr.Adam(0.02), seed=0
    )
    assert run.history["loss"][-1] < run.history["loss"][0]
    worked = dr.explain(net, inputs[:1], targets[:1], loss=name, optimizer=dr.SGD(0.1))
    expected = LOSSES[name](np.asarray(net(inputs[:1]), float), targets[:1])[0]
    error = worked.values.get("E_total", worked.values.get("E"))
    assert error == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert "dE/d" in worked.text()


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("hinge", 0.0, r"y\[1, 2\] is 0.0; hinge takes -1 and 1; of 0 and 1 make 2 \* y - 1"),
        ("poisson", -1.0, r"y\[1, 2\] is -1.0; poisson takes counts, 0 or more"),
        ("gamma", 0.0, r"y\[1, 2\] is 0.0; gamma takes amounts above 0; tweedie takes 0"),
        ("tweedie", -0.5, r"y\[1, 2\] is -0.5; tweedie takes amounts, 0 or more"),
        ("kl", 1.5, r"y\[1, 2\] is 1.5; kl takes 0, 1, or probabilities between"),
        ("kl", 0.9, r"y\[1\] adds up to "),
        ("focal", None, r"y\[1\] is class 3; the network has 3 outputs"),
        ("binary_focal", 2.0, r"y\[1, 2\] is 2.0; binary_focal takes 0, 1"),
    ],
)
def test_targets_out_of_range_are_refused_before_training(name, wrong, words):
    targets = FORMULAS[name][0].copy()
    if wrong is None:
        targets[1] = 3
    else:
        targets[1, 2] = wrong
    with pytest.raises(DataError, match=words):
        dr.fit(dr.Sequential(dr.Dense(3)), np.zeros((6, 2)), targets, loss=name, epochs=1)
