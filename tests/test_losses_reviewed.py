"""Losses beside scikit-learn and formulas of one line, on random data; hinge of several classes.

In: random outputs of both float types, ties, and the ends of the range. Out: the same figures.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import deltarule as dr
from deltarule.errors import DataError, ShapeError
from deltarule.nn import LOSSES, loss_of
from deltarule.train.metrics import metrics_of
from networks import BACKENDS, LABELS, X, choose


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def own_class(p, t):
    return np.take_along_axis(p, t[:, None], 1)[:, 0]


FORMULAS = {
    "mse": lambda y, t: sk.mean_squared_error(t, y),
    "half_squared_error": lambda y, t: np.sum((y - t) ** 2) / 2 / len(y),
    "mae": lambda y, t: sk.mean_absolute_error(t, y),
    "huber": lambda y, t: np.mean(np.where(abs(y - t) <= 1, (y - t) ** 2 / 2, abs(y - t) - 1 / 2)),
    "log_cosh": lambda y, t: np.mean(np.log(np.cosh(y - t))),
    "quantile": lambda y, t: sk.mean_pinball_loss(t, y, alpha=0.5),
    "poisson": lambda z, t: np.mean(np.exp(z) - t * z),
    "gamma": lambda z, t: np.mean(z + t * np.exp(-z)),
    "tweedie": lambda z, t: np.mean(np.exp(z / 2) / 0.5 + t * np.exp(-z / 2) / 0.5),
    "cosine": lambda y, t: np.mean(
        1 - np.sum(y * t, 1) / np.linalg.norm(y, axis=1) / np.linalg.norm(t, axis=1)
    ),
    "cross_entropy": lambda z, t: sk.log_loss(t, softmax(z), labels=range(z.shape[1])),
    "focal": lambda z, t: np.mean(
        -((1 - own_class(softmax(z), t)) ** 2) * np.log(own_class(softmax(z), t))
    ),
    "kl": lambda z, t: np.mean(np.sum(t * (np.log(t) - np.log(softmax(z))), 1)),
    "binary_cross_entropy": lambda z, t: sk.log_loss(t.ravel(), sigmoid(z).ravel()),
    "binary_focal": lambda z, t: np.mean(
        -t * sigmoid(-z) ** 2 * np.log(sigmoid(z)) - (1 - t) * sigmoid(z) ** 2 * np.log(sigmoid(-z))
    ),
    "hinge": lambda y, t: sk.hinge_loss(t, y, labels=range(y.shape[1])),
}


def targets_for(name, rng, n, k):
    if name in ("cross_entropy", "focal", "hinge"):
        return rng.integers(0, k, n)
    if name == "kl":
        return rng.dirichlet(np.ones(k), n) * 0.999 + 0.001 / k
    if name in ("binary_cross_entropy", "binary_focal"):
        return np.r_[np.zeros((1, k)), np.ones((1, k)), rng.integers(0, 2, (n - 2, k))]
    return (
        rng.gamma(2.0, size=(n, k))
        if name in ("poisson", "gamma", "tweedie")
        else rng.normal(size=(n, k))
    )


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(3, 5))
def test_a_loss_is_its_formula(name, seed, n, k):
    rng = np.random.default_rng(seed)
    y, t = 2 * rng.normal(size=(n, k)), targets_for(name, rng, n, k)
    expected = FORMULAS[name](y, t)
    assert loss_of(name)(y, t) == pytest.approx(expected, rel=1e-10, abs=1e-14)
    narrow = loss_of(name)(y.astype(np.float32), t)
    assert narrow.dtype == np.float32
    assert narrow == pytest.approx(expected, rel=2e-5, abs=1e-5)


# --- hinge of several classes ---


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    choose(request.param, monkeypatch)


def test_hinge_of_two_classes_is_that_of_their_difference():
    y = np.array([[0.3, 0.5], [2.0, -1.0], [0.0, 0.2]])
    both = loss_of("hinge").function(y, np.array([0, 0, 1]))
    one = loss_of("hinge").function(y[:, 0] - y[:, 1], np.array([1, 1, -1]))
    np.testing.assert_allclose(both, one, rtol=1e-15)


@pytest.mark.parametrize(
    ("outputs", "gradient"),
    [
        ([2.0, 0.0, 0.5], [0, 0, 0]),  # far enough from the others
        ([1.0, 0.0, -1.0], [0, 0, 0]),  # just far enough, the kink: the side without a loss
        ([0.5, 0.0, -1.0], [-1, 1, 0]),
        ([0.0, -1.0, 3.0], [-1, 0, 1]),
        ([0.0, 2.0, 2.0], [-1, 0.5, 0.5]),  # ties of the others share
        ([0.0, 0.0, 0.0], [-1, 0.5, 0.5]),
    ],
)
def test_gradients_of_hinge_at_its_joints(outputs, gradient):
    y = np.array([outputs])
    found = dr.grad(lambda y: loss_of("hinge")(y, np.array([0])))(y)
    np.testing.assert_array_equal(found, [gradient])


def test_hinge_is_differentiated_and_compiled():
    rng = np.random.default_rng(3)
    y, t = 2 * rng.normal(size=(7, 4)), np.arange(7) % 4
    dr.check_grads(lambda y: loss_of("hinge")(y, t), y)
    gradient = dr.compile(lambda y, t: dr.grad(lambda y: loss_of("hinge")(y, t))(y))
    np.testing.assert_allclose(gradient(y, t), dr.grad(lambda y: loss_of("hinge")(y, t))(y))


def test_hinge_trains_on_classes(backend):
    net = dr.Sequential(dr.Dense(3))
    run = dr.fit(net, X, LABELS, loss="hinge", epochs=80, batch_size=37, optimizer=dr.Adam(0.1),
                 metrics=["accuracy", "top_2"], seed=0, class_weight="balanced")  # fmt: skip
    assert run.history["accuracy"][-1] > 0.9
    assert run.history["accuracy"][-1] == np.mean(net(X).argmax(1) == LABELS)
    expected = sk.hinge_loss(LABELS, net(X), labels=range(3))
    own = loss_of("hinge")(net(X).astype(float), LABELS)
    assert own == pytest.approx(expected)


def test_hinge_is_explained():
    net = dr.Sequential(dr.Dense(3)).init((1, 2), seed=0, dtype="float64")
    worked = dr.explain(net, X[:1, :2], np.array([1]), loss="hinge", optimizer=dr.SGD(0.1))
    assert worked.values["E"] == pytest.approx(loss_of("hinge")(net(X[:1, :2]), np.array([1])))


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (
            np.zeros((6, 2), int),
            r"integers of shape \(6,\), or signs of shape \(6, 3\).*2 classes\?",
        ),
        (np.zeros(5, int), r"given are int64 of shape \(5,\)"),
        (np.full(6, 3), "is class 3; the network has 3 outputs"),
        (np.full(6, -1), r"is class -1; .*Number the classes from 0"),
    ],
)
def test_labels_of_hinge(targets, words):
    with pytest.raises((ShapeError, DataError), match=words):
        loss_of("hinge")(np.zeros((6, 3)), targets)


# --- metrics ---


def measured(name, loss, outputs, targets):
    return metrics_of(name, loss_of(loss))[name](outputs, targets)


def test_r2_of_several_outputs_is_their_mean():
    """With one mean for all, outputs on other scales would explain each other."""
    rng = np.random.default_rng(5)
    y = np.full((30, 2), [0.0, 1000.0])
    t = y + rng.normal(size=(30, 2))
    assert measured("r2", "mse", y, t) == pytest.approx(sk.r2_score(t, y))
    assert measured("r2", "mse", y, t) < 0.1
    assert measured("explained_deviance", "mse", y, t) == measured("r2", "mse", y, t)


def test_explained_deviance_of_several_outputs_is_their_mean():
    rng = np.random.default_rng(6)
    z, t = rng.normal(size=(30, 2)), rng.poisson([1.0, 50.0], (30, 2)).astype(float)
    each = [sk.d2_tweedie_score(t[:, j], np.exp(z[:, j]), power=1) for j in range(2)]
    assert measured("explained_deviance", "poisson", z, t) == pytest.approx(np.mean(each))
    bits = (rng.random((30, 2)) < [0.1, 0.6]).astype(int)
    each = [sk.d2_log_loss_score(bits[:, j], sigmoid(z[:, j])) for j in range(2)]
    found = measured("explained_deviance", "binary_cross_entropy", z, bits)
    assert found == pytest.approx(np.mean(each))
    bits[:, 0] = 1
    assert np.isnan(measured("explained_deviance", "binary_cross_entropy", z, bits))


def test_equal_targets_have_no_r2_whatever_their_rounding():
    assert np.isnan(measured("r2", "mse", np.ones(3), np.full(3, 0.1)))


def test_outputs_that_are_not_finite_rank_nothing():
    z = np.array([[np.nan, 0.0], [1.0, 0.0]])
    assert np.isnan(measured("roc_auc", "cross_entropy", z, np.array([0, 1])))


def own_loss(outputs, targets):
    return (outputs**2).sum(1)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (LABELS + 1, r"accuracy: the target of row \[\d+\] is class 3; the network has 3 outputs"),
        (
            LABELS / 2,
            r"accuracy: the target of row \[\d+\] is 0.5, no class index; mae, rmse and r2",
        ),
        (
            X[:, :2],
            r"accuracy: outputs have shape \(37, 3\), targets \(37, 2\); it takes a class index",
        ),
    ],
)
def test_metrics_of_classes_check_the_targets_of_any_loss(targets, words):
    with pytest.raises((DataError, ShapeError), match=words):
        dr.fit(dr.Sequential(dr.Dense(3)), X, targets, loss=own_loss, metrics="accuracy", epochs=1)


@pytest.mark.parametrize("name", ["mae", "rmse", "r2", "mape"])
def test_metrics_of_numbers_refuse_classes(name):
    with pytest.raises(
        DataError, match=f"{name} compares numbers, and targets under cross_entropy are"
    ):
        measured(name, "cross_entropy", np.zeros((37, 3)), LABELS)
