"""Metrics: figures of scikit-learn, what outputs mean under each loss, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

import deltarule as dr
from deltarule.errors import DataError
from deltarule.nn import loss_of
from deltarule.train.metrics import METRICS, metrics_of

rng = np.random.default_rng(4)
N = 40
LABELS = rng.integers(0, 3, N)
LOGITS = (rng.normal(size=(N, 3)) + 1.5 * np.eye(3)[LABELS]).astype(np.float32)
BITS = rng.integers(0, 2, N)
SCORES = (rng.normal(size=(N, 1)) + BITS[:, None]).astype(np.float32)
SEVERAL = rng.integers(0, 2, (N, 3))
AMOUNTS = rng.gamma(2.0, size=N)
LOG_MEANS = np.log(AMOUNTS)[:, None] + 0.3 * rng.normal(size=(N, 1))


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True), dtype=float)
    return e / e.sum(1, keepdims=True)


P, CHOSEN = softmax(LOGITS), LOGITS.argmax(1)
Q = 1 / (1 + np.exp(-SCORES[:, 0].astype(float)))
MEANS = np.exp(LOG_MEANS[:, 0])
MACRO = {"average": "macro", "zero_division": 0}

# loss, outputs, targets, and what scikit-learn or the formula says
CASES = {
    "accuracy": [
        ("cross_entropy", LOGITS, LABELS, np.mean(CHOSEN == LABELS)),
        ("cross_entropy", LOGITS, np.eye(3)[LABELS], np.mean(CHOSEN == LABELS)),
        ("binary_focal", SCORES, BITS, np.mean((Q > 0.5) == BITS)),
        ("hinge", SCORES, 2 * BITS - 1, np.mean((Q > 0.5) == BITS)),
        ("mse", SCORES, BITS, np.mean((SCORES[:, 0] > 0.5) == BITS)),
        ("binary_cross_entropy", LOGITS, SEVERAL, np.mean((LOGITS > 0) == SEVERAL)),
    ],
    "top_2": [("cross_entropy", LOGITS, LABELS, sk.top_k_accuracy_score(LABELS, LOGITS, k=2))],
    "top_1": [("cross_entropy", LOGITS, LABELS, np.mean(CHOSEN == LABELS))],
    "precision": [
        ("cross_entropy", LOGITS, LABELS, sk.precision_score(LABELS, CHOSEN, **MACRO)),
        ("hinge", SCORES, 2 * BITS - 1, sk.precision_score(BITS, Q > 0.5, **MACRO)),
    ],
    "recall": [
        ("focal", LOGITS, LABELS, sk.recall_score(LABELS, CHOSEN, **MACRO)),
        ("binary_cross_entropy", LOGITS, SEVERAL, sk.recall_score(SEVERAL, LOGITS > 0, **MACRO)),
    ],
    "f1": [("cross_entropy", LOGITS, LABELS, sk.f1_score(LABELS, CHOSEN, **MACRO))],
    "roc_auc": [
        ("cross_entropy", LOGITS, LABELS, sk.roc_auc_score(LABELS, P, multi_class="ovr")),
        ("cross_entropy", LOGITS[:, :2], BITS, sk.roc_auc_score(BITS, P[:, 1] / P[:, 0])),
        ("binary_cross_entropy", SCORES, BITS, sk.roc_auc_score(BITS, Q)),
        ("binary_cross_entropy", LOGITS, SEVERAL, sk.roc_auc_score(SEVERAL, LOGITS)),
        ("mse", SCORES, BITS, sk.roc_auc_score(BITS, Q)),
    ],
    "log_loss": [
        ("cross_entropy", LOGITS, LABELS, sk.log_loss(LABELS, P)),
        ("binary_cross_entropy", SCORES, BITS, sk.log_loss(BITS, Q)),
    ],
    "brier": [
        ("binary_cross_entropy", SCORES, BITS, sk.brier_score_loss(BITS, Q)),
        ("cross_entropy", LOGITS, LABELS, np.mean(np.sum((P - np.eye(3)[LABELS]) ** 2, 1))),
    ],
    "mae": [("gamma", LOG_MEANS, AMOUNTS, sk.mean_absolute_error(AMOUNTS, MEANS))],
    "rmse": [("mse", SCORES, AMOUNTS, sk.root_mean_squared_error(AMOUNTS, SCORES))],
    "r2": [
        ("mse", SCORES, AMOUNTS, sk.r2_score(AMOUNTS, SCORES)),
        ("poisson", LOG_MEANS, AMOUNTS, sk.r2_score(AMOUNTS, MEANS)),
    ],
    "mape": [
        ("tweedie", LOG_MEANS, AMOUNTS, sk.mean_absolute_percentage_error(AMOUNTS, MEANS)),
        ("mae", SCORES, AMOUNTS, sk.mean_absolute_percentage_error(AMOUNTS, SCORES)),
    ],
    "explained_deviance": [
        ("poisson", LOG_MEANS, AMOUNTS, sk.d2_tweedie_score(AMOUNTS, MEANS, power=1)),
        ("gamma", LOG_MEANS, AMOUNTS, sk.d2_tweedie_score(AMOUNTS, MEANS, power=2)),
        ("tweedie", LOG_MEANS, AMOUNTS, sk.d2_tweedie_score(AMOUNTS, MEANS, power=1.5)),
        ("mse", SCORES, AMOUNTS, sk.r2_score(AMOUNTS, SCORES)),
        ("cross_entropy", LOGITS, LABELS, sk.d2_log_loss_score(LABELS, P)),
        ("binary_cross_entropy", SCORES, BITS, sk.d2_log_loss_score(BITS, Q)),
    ],
}
ALL = [(name, *case) for name, cases in CASES.items() for case in cases]


def measured(name, loss, outputs, targets, **settings):
    return metrics_of(name, loss_of(loss, **settings))[name](outputs, targets)


def test_every_metric_has_a_case():
    assert CASES.keys() - METRICS.keys() == {"top_1", "top_2"}
    assert METRICS.keys() - CASES.keys() == {"top_k"}


@pytest.mark.parametrize(("name", "loss", "outputs", "targets", "expected"), ALL)
def test_metric_is_that_of_scikit_learn(name, loss, outputs, targets, expected):
    assert measured(name, loss, outputs, targets) == pytest.approx(expected, rel=1e-5)


def test_the_power_of_the_loss_is_that_of_the_deviance():
    found = measured("explained_deviance", "tweedie", LOG_MEANS, AMOUNTS, power=1.2)
    assert found == pytest.approx(sk.d2_tweedie_score(AMOUNTS, MEANS, power=1.2))


def test_top_k_of_equal_outputs_ranks_by_class():
    z = np.zeros((3, 3))
    assert measured("top_1", "cross_entropy", z, np.array([0, 1, 2])) == pytest.approx(1 / 3)
    assert measured("top_2", "cross_entropy", z, np.array([0, 1, 2])) == pytest.approx(2 / 3)
    z = rng.normal(size=(9, 8))
    assert measured("top_k", "cross_entropy", z, np.arange(9) % 8) == pytest.approx(
        measured("top_5", "cross_entropy", z, np.arange(9) % 8)
    )


def test_extreme_logits_have_finite_log_loss():
    z = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    assert measured("log_loss", "cross_entropy", z, np.array([0, 0])) == pytest.approx(500)
    assert measured("log_loss", "binary_cross_entropy", z[:, :1], np.array([0, 0])) > 499


def test_undefined_is_nan():
    one, flat = np.zeros(N, int), np.ones(N)
    assert math.isnan(measured("roc_auc", "binary_cross_entropy", SCORES, one))
    assert math.isnan(measured("roc_auc", "cross_entropy", LOGITS, one))
    assert math.isnan(measured("explained_deviance", "poisson", LOG_MEANS, flat))
    assert math.isnan(measured("explained_deviance", "cross_entropy", LOGITS, one))


@pytest.mark.parametrize(
    ("name", "loss", "outputs", "targets", "words"),
    [
        ("mape", "mse", SCORES, BITS, r"target \[\d+, 0\] is 0 \(\d+ of 40 are\): mae and rmse"),
        ("log_loss", "mse", SCORES, BITS, "log_loss needs probabilities, which outputs under mse"),
        ("brier", "hinge", SCORES, 2 * BITS - 1, "brier needs probabilities"),
        ("f1", "mse", SCORES, AMOUNTS, "f1 of a single output needs targets 0 and 1"),
        ("top_3", "cross_entropy", LOGITS, LABELS, "top_3 needs .* more than 3 classes"),
        ("top_2", "binary_cross_entropy", SCORES, BITS, "top_2 needs one output per class"),
    ],
)
def test_refused(name, loss, outputs, targets, words):
    with pytest.raises(DataError, match=words):
        measured(name, loss, outputs, targets)


def test_names():
    with pytest.raises(DataError, match=r"'acuracy'; known: accuracy.*Did you mean 'accuracy'\?"):
        metrics_of("acuracy", loss_of("mse"))
    for wrong in ("top_0", "top_", None, 3):
        with pytest.raises(DataError, match="no metric is called"):
            metrics_of([wrong], loss_of("mse"))


def test_functions_go_by_their_name_or_that_of_a_dict():
    def gain(y, t):
        return 2.0

    mse = loss_of("mse")
    assert list(metrics_of([gain, "mae"], mse)) == ["gain", "mae"]
    named = metrics_of({"profit": gain, "error": "mae"}, mse)
    assert list(named) == ["profit", "error"] and named["profit"](0, 0) == 2.0
    assert named["error"](np.ones((2, 1)), np.zeros(2)) == 1.0
    for wrong in (3, {"a": 3}):
        with pytest.raises(DataError, match=r"not 3$|no metric is called 3"):
            metrics_of(wrong, mse)


def test_fit_records_them_and_stops_on_any():
    net = dr.Sequential(dr.Dense(8, "gelu"), dr.Dense(3))
    names = ["accuracy", "top_2", "precision", "recall", "f1", "roc_auc", "log_loss", "brier"]
    stops = [dr.EarlyStopping(monitor=name, patience=9) for name in names]
    run = dr.fit(
        net, LOGITS, LABELS, loss="cross_entropy", epochs=3, metrics=names, seed=0, callbacks=stops
    )
    assert set(names) <= run.history.keys()
    assert run.history["log_loss"][-1] == pytest.approx(
        sk.log_loss(LABELS, softmax(net(LOGITS))), rel=1e-4
    )
