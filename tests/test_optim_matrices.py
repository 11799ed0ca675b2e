"""Muon against PyTorch's code in float64, and what it does to which weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError, ShapeError
from deltarule.optim.matrices import orthogonalized
from networks import X, Y, choose, mlp

GOLDEN = json.loads((Path(__file__).parent / "golden" / "muon.json").read_text())
START, GOAL = np.array(GOLDEN["start"]), np.array(GOLDEN["goal"])
OF_PYTORCH = {
    "muon": dr.Muon(0.02),
    "muon decay": dr.Muon(0.05, 0.8, nesterov=False, weight_decay=0.2),
    "muon adamw": dr.Muon(0.05, weight_decay=0.1, scale="adamw"),
}


@pytest.mark.parametrize("name", OF_PYTORCH)
def test_fifty_steps_are_those_of_pytorch(name):
    rule, w = OF_PYTORCH[name], START
    state = rule.init(w)
    for count in range(1, 51):
        w, state = rule.step(w, (w - GOAL) ** 3 + 0.1 * w, state)
        figures = GOLDEN["weights after steps"][name].get(str(count))
        if figures is not None:
            np.testing.assert_allclose(w.ravel(), figures, rtol=1e-10, atol=1e-10)
    assert set(GOLDEN["weights after steps"]) == set(OF_PYTORCH)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (1, 5), (5, 1), (1, 1)])
def test_singular_values_come_near_one(shape):
    matrix = np.random.default_rng(1).normal(size=shape) * 1e4
    found = orthogonalized(matrix)
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ found @ right.T
    np.testing.assert_allclose(inner, np.diag(np.diag(inner)), atol=1e-9)
    np.testing.assert_allclose(found.T, orthogonalized(matrix.T), rtol=1e-10, atol=1e-12)
    assert 0.5 < np.diag(inner).min() and np.diag(inner).max() < 1.3


def test_a_gradient_of_zeros_moves_nothing():
    rule = dr.Muon(0.1)
    w, _ = rule.step(np.ones((2, 3)), np.zeros((2, 3)), rule.init(np.ones((2, 3))))
    np.testing.assert_array_equal(w, np.ones((2, 3)))


def test_other_weights_are_left_to_the_other_rule():
    net, other = mlp(dr.Dense(4, "tanh")), dr.SGD(0.5, 0.9)
    rule = dr.Muon(0.1, others=other, except_=["dense1", "dense3.weight"])
    params = net.params
    grads = dr.grad(lambda p: np.mean((net(X, params=p)[:, 0] - Y) ** 2))(params)
    state, plain = rule.init(params), other.init(params)
    assert list(state["momentum"]) == ["dense2"] and list(state["momentum"]["dense2"]) == ["weight"]
    new, _ = rule.step(params, grads, state)
    expected, _ = other.step(params, grads, plain)
    for layer, weights in new.items():
        for name, w in weights.items():
            same = np.array_equal(w, expected[layer][name])
            assert same == ((layer, name) != ("dense2", "weight"))


def test_the_rule_inside_follows_its_own_schedule():
    rule = dr.Muon(dr.StepDecay(0.1, 1, 0.5), others=dr.SGD(dr.StepDecay(1.0, 1, 0.1)))
    w = {"w": np.eye(2), "b": np.zeros(2)}
    ones = {"w": np.eye(2), "b": np.ones(2)}
    state = rule.init(w)
    w, state = rule.step(w, ones, state)
    w, state = rule.step(w, ones, state)
    np.testing.assert_allclose(w["b"], [-1.1, -1.1])
    assert int(state["count"]) == 2 and int(state["others"]["count"]) == 2


@pytest.mark.parametrize("params", [np.ones((2, 2)), np.ones(3), [np.ones((2, 2)), 1.0]])
def test_trees_of_all_matrices_or_none(params):
    rule = dr.Muon(0.1)
    state = rule.init(params)
    for _ in range(2):
        params, state = rule.step(params, params, state)
    assert np.isfinite(np.concatenate([np.ravel(w) for w in np.atleast_1d(params[0])])).all()


def test_layers_of_many_sizes_train(monkeypatch):
    choose("native", monkeypatch)
    net = mlp(dr.Dense(4, "tanh"), dr.Dense(7, "tanh"), dtype="float32")
    rule = dr.Muon(0.02, except_=("dense1", "dense4"), others=dr.AdamW(0.01))
    history = dr.fit(net, X, Y, optimizer=rule, epochs=40, batch_size=8, seed=0).history
    assert history["loss"][-1] < 0.1 * history["loss"][0]


def test_explained_in_matrix_form():
    net = dr.Sequential(dr.Dense(9, "tanh"), dr.Dense(7, "tanh"), dr.Dense(1))
    net.init((1, 30), seed=0, dtype="float64")
    x, y, rule = X @ np.ones((3, 30)), Y[:, None], dr.Muon(0.1)
    worked = dr.explain(net, x, y, loss="mse", optimizer=rule)
    grads = dr.grad(lambda p: np.mean((net(x, params=p) - y) ** 2))(net.params)
    new, state = rule.step(net.params, grads, rule.init(net.params))
    found = {q.name: q.value for q in worked.steps[0]}
    np.testing.assert_allclose(found["W2_new"], new["dense2"]["weight"], rtol=1e-12)
    np.testing.assert_allclose(
        found["others_m_b1_new"], state["others"]["m"]["dense1"]["bias"], rtol=1e-12
    )
    assert " = u2 u2^T" in worked.text()  # a product of matrices is one formula


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.Muon(0), "Muon: learning_rate must be a positive number, not 0"),
        (lambda: dr.Muon(momentum=1), r"Muon: momentum must be in \[0, 1\), not 1"),
        (lambda: dr.Muon(scale="rms"), "Muon: scale must be 'shape' or 'adamw', not 'rms'"),
        (lambda: dr.Muon(others=dr.SGD), "Muon: others must be an instance"),
        (
            lambda: dr.Muon(except_="dens1").init(mlp().params),
            r"except_ names 'dens1', which is no layer or weight, did you mean 'dense1'\? There are",
        ),
        (lambda: dr.Muon().step(np.eye(2), np.eye(2), {}), "state of momentum, others"),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(DataError, match=words):
        make()


def test_gradients_that_do_not_fit():
    rule = dr.Muon()
    with pytest.raises(ShapeError, match=r"Muon.step: weights have shape \(2, 2\)"):
        rule.step(np.eye(2), np.eye(3), rule.init(np.eye(2)))
