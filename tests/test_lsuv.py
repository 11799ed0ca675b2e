"""Weights scaled layer by layer to sums of variance 1.

In: networks of many depths and activations, inputs. Out: the variance of each layer's sums.
"""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError
from networks import X

INPUTS = np.random.default_rng(4).normal(size=(300, 12)) * 3 + 1


def sums(net, x):
    """What each layer of a chain puts into its activation."""
    found = []
    for layer in net.layers:
        if isinstance(layer, dr.Dense):
            found.append(x @ layer.weight + (layer.bias if layer.bias_on else 0))
        x = layer(x)
    return found


@pytest.mark.parametrize("activation", [None, "tanh", "relu", "logistic", "selu", np.sin])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_layer_has_sums_of_variance_one(activation, dtype):
    layers = [dr.Dense(n, activation) for n in (20, 5, 40, 40, 40, 40, 40, 3)]
    net = dr.Sequential(dr.Dropout(0.3), *layers).init(INPUTS.shape, 0, dtype)
    reached = dr.lsuv(net, INPUTS, tolerance=0.01)
    assert list(reached) == [f"dense{i}" for i in range(1, 9)]
    for z, value in zip(sums(net, INPUTS.astype(dtype)), reached.values(), strict=True):
        assert z.var() == pytest.approx(value, rel=1e-4) and abs(z.var() - 1) < 0.01
    w = net["dense1"].weight
    assert w.dtype == dtype
    rows = w @ w.T / (w[0] @ w[0])
    np.testing.assert_allclose(rows, np.eye(12), atol=1e-5)


def test_the_seed_decides_and_frozen_weights_stay():
    def made(seed):
        net = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(4, "tanh"), dr.Dense(2))
        dr.lsuv(net, INPUTS, seed=seed)
        return net

    first, again, other = made(1), made(1), made(2)
    np.testing.assert_array_equal(first["dense2"].weight, again["dense2"].weight)
    assert (first["dense2"].weight != other["dense2"].weight).any()
    kept = first["dense1"].weight.copy()
    first.freeze("dense1", "dense2.weight")
    assert list(dr.lsuv(first, INPUTS, seed=7)) == ["dense3"]
    np.testing.assert_array_equal(first["dense1"].weight, kept)


def test_layers_of_ones_own_and_layers_inside_layers_are_scaled_by_their_outputs():
    class Own(dr.Module):
        def __init__(self, f):
            self.weight, self.f = np.ones((3, 3)), f

        def __call__(self, x):
            return self.f(x @ self.weight)

    def net(f):
        return dr.Sequential(dr.Sequential(Own(f)), dr.Dense(2)).init((1, 3), 0, "float64")

    for f in (np.copy, lambda z: np.maximum(z, 0.0)):
        reached = dr.lsuv(net(f), X)
        assert list(reached) == ["sequential1.own1", "dense1"]
        assert all(abs(value - 1) < 0.1 for value in reached.values())
    bounded = net(np.tanh)
    with pytest.raises(
        DataError, match=r"(?s)sequential1.own1.*not 1.*net.freeze\('sequential1.own1'\)"
    ):
        dr.lsuv(bounded, X)
    assert (bounded["sequential1.own1"].weight == 1).all()
    assert list(dr.lsuv(bounded.freeze("sequential1.own1"), X)) == ["dense1"]


def test_a_layer_used_twice_is_scaled_once():
    layer = dr.Dense(12, "tanh")
    net = dr.Sequential(layer, layer).init(INPUTS.shape, 0, "float64")
    assert list(dr.lsuv(net, INPUTS)) == ["dense1"]
    assert (INPUTS @ layer.weight).var() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (np.zeros((5, 12)), r"sums of layer dense1, Dense\(4, 'tanh'\), are nearly all the same"),
        (np.full((5, 12), np.nan), "60 numbers that are not finite"),
        (np.ones(12), r"of shape \(rows, features\), not \(12,\)"),
        (np.ones((0, 12)), r"not \(0, 12\)"),
        (np.full((3, 12), "a"), "has dtype <U1; numbers are needed"),
    ],
)
def test_inputs_that_say_nothing_are_refused_and_weights_stay(inputs, words):
    net = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(2)).init((1, 12), seed=0)
    before = net.params["dense1"]["weight"].copy()
    with pytest.raises(DataError, match=words):
        dr.lsuv(net, inputs)
    np.testing.assert_array_equal(net.params["dense1"]["weight"], before)
    assert net["dense1"].activation == "tanh"
    with pytest.raises(DataError, match=r"tolerance is between 0 and 1, not 0"):
        dr.lsuv(net, INPUTS, tolerance=0)


def test_deep_networks_train_from_it():
    """With weights of one size whatever the layer, signals vanish in thirty layers, and nothing is learnt."""
    x = np.random.default_rng(0).normal(size=(200, 5))
    y = np.tanh(x @ [1.0, -1.0, 0.5, 0.0, 2.0])
    losses = {}
    for scaled in (False, True):
        layers = (dr.Dense(16, "tanh", initializer="normal") for _ in range(30))
        net = dr.Sequential(*layers, dr.Dense(1)).init(x.shape, seed=0)
        if scaled:
            dr.lsuv(net, x)
        run = dr.fit(net, x, y, optimizer=dr.Adam(1e-3), epochs=30, seed=0)
        losses[scaled] = run.history["loss"][-1]
    assert losses[False] > 0.9 * y.var() and losses[True] < 0.1 * y.var()


def test_signals_that_vanished_are_not_blown_up():
    net = dr.Sequential(*(dr.Dense(16, "logistic") for _ in range(30)), dr.Dense(1))
    with pytest.raises(DataError, match=r"dense31.*nearly all the same.*activation of mean 0"):
        dr.lsuv(net, INPUTS)
