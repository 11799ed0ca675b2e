"""L-BFGS against PyTorch's, as a native loop in the compiled epoch, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.compile import build, jit
from deltarule.derive.tree import tree_map
from deltarule.errors import DataError
from deltarule.nn import loss_of
from deltarule.optim import optimizer_of
from deltarule.program import random
from deltarule.train.epoch import Carry, stage_step, step_of
from deltarule.train.prepare import prepare
from networks import BACKENDS, LABELS, X, Y, assert_same_bits, choose, cut, mlp, statistics

GOLDEN = json.loads((Path(__file__).parent / "golden" / "lbfgs.json").read_text())
ROWS, SIGNS = np.array(GOLDEN["X"]), np.array(GOLDEN["y"])


def logistic(w):
    return np.mean(np.log1p(np.exp(-SIGNS * (ROWS @ w) / 10))) + 1e-3 * np.sum(w * w)


def valley(w):
    return np.sum(100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2)


OF_PYTORCH = {
    "logistic": (logistic, dr.LBFGS(memory=100)),
    "logistic, short memory": (logistic, dr.LBFGS(memory=5)),
    "valley": (valley, dr.LBFGS(0.3, memory=5)),
}


@pytest.mark.parametrize("name", OF_PYTORCH)
def test_fifty_iterations_are_those_of_pytorch(name):
    f, rule = OF_PYTORCH[name]
    w = np.array(GOLDEN["valley start"]) if f is valley else np.zeros(12)
    state, step = rule.init(w), jit.compile(lambda w, s: rule.descend(f, w, s))
    for count in range(1, 51):
        w, state, _ = step(w, state)
        figures = GOLDEN["weights after steps"][name].get(str(count))
        if figures is not None:
            np.testing.assert_allclose(w, figures, rtol=1e-10, atol=1e-10)
    assert set(GOLDEN["weights after steps"]) == set(OF_PYTORCH)


def test_by_hand_and_compiled_are_the_same():
    rule, w = dr.LBFGS(memory=3), {"a": np.array([-1.2, 1.0]), "b": np.array(0.5)}

    def f(p):
        return valley(np.append(p["a"], p["b"]))

    step = jit.compile(lambda w, s: rule.descend(f, w, s))
    state = other_state = rule.init(w)
    other = w
    values = []
    for _ in range(12):
        w, state, value = rule.descend(f, w, state)
        other, other_state, same = step(other, other_state)
        np.testing.assert_allclose([value, w["b"]], [same, other["b"]], rtol=1e-9)
        values.append(float(value))
    assert values == sorted(values, reverse=True) and values[0] == valley(
        np.array([-1.2, 1.0, 0.5])
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_trains(backend, monkeypatch):
    choose(backend, monkeypatch)
    net = mlp()
    run = dr.fit(net, X, Y, optimizer=dr.LBFGS(), epochs=60, batch_size=None, seed=0)
    assert run.history["loss"][-1] < 0.02 * run.history["loss"][0]
    assert all(np.diff(run.history["loss"]) <= 0)


def test_an_epoch_is_one_iteration_of_the_same_steps_as_by_hand(monkeypatch):
    choose("native", monkeypatch)
    net, rule = mlp(), dr.LBFGS()
    params = net.params
    state = rule.init(params)
    run = dr.fit(net, X, Y, optimizer=rule, epochs=8, batch_size=None, shuffle=False)
    losses = []
    for _ in range(8):
        params, state, value = rule.descend(
            lambda p: np.mean((net(X, params=p)[:, 0] - Y) ** 2), params, state
        )
        losses.append(float(value))
    np.testing.assert_allclose(run.history["loss"], losses, rtol=1e-9)


def test_cut_into_calls_and_resumed_it_has_the_same_bits(monkeypatch):
    choose("native", monkeypatch)
    whole, parts, resumed = mlp(), mlp(), mlp()
    given = {"optimizer": dr.LBFGS(), "batch_size": None, "seed": 1}
    dr.fit(whole, X, Y, epochs=9, **given)
    run = dr.fit(resumed, X, Y, epochs=4, **given)
    dr.fit(resumed, X, Y, epochs=5, resume=run, **given)
    cut(2, monkeypatch)
    dr.fit(parts, X, Y, epochs=9, **given)
    assert_same_bits(whole, resumed)
    assert_same_bits(whole, parts)


def test_weights_set_from_outside_are_seen(monkeypatch):
    """The loss and gradient of the step before hold for the weights that it left only."""
    choose("native", monkeypatch)

    class Shift(dr.Callback):
        def on_epoch(self, moment):
            if moment.epoch == 3:
                moment.net.params = tree_map(lambda w: w + 1.0, moment.net.params)
                self.loss = float(np.mean((moment.net(X)[:, 0] - Y) ** 2))

    net, shift = mlp(), Shift()
    run = dr.fit(net, X, Y, optimizer="lbfgs", epochs=5, batch_size=None, callbacks=[shift])
    np.testing.assert_allclose(run.history["loss"][3], shift.loss, rtol=1e-9)


def test_other_rows_after_a_resume_are_seen():
    net = mlp()
    run = dr.fit(net, X, Y, optimizer="lbfgs", epochs=3, batch_size=None, seed=0)
    loss = float(np.mean((net(X)[:, 0] - 2 * Y) ** 2))
    run = dr.fit(net, X, 2 * Y, optimizer="lbfgs", epochs=1, batch_size=None, resume=run)
    np.testing.assert_allclose(run.history["loss"][-1], loss, rtol=1e-9)


def test_values_that_are_not_finite_are_stepped_back_from():
    """The first length leads to log of a negative number."""
    rule, w = dr.LBFGS(5.0), np.array([0.3])
    state = rule.init(w)
    with np.errstate(all="ignore"):
        for _ in range(20):
            w, state, value = rule.descend(lambda w: np.sum(w - np.log(w)), w, state)
            assert np.isfinite(value) and np.isfinite(w).all()
    np.testing.assert_allclose(w, [1.0], rtol=1e-7)


def test_at_the_minimum_nothing_moves():
    rule, w = dr.LBFGS(), np.array([2.0, 0.0])
    state = rule.init(w)
    for _ in range(3):
        w, state, value = rule.descend(
            lambda w: np.sum((w - w.shape[0] * 0.0) ** 2) * 0.0, w, state
        )
        np.testing.assert_array_equal(w, [2.0, 0.0])
        assert value == 0.0


def test_float32_stays_float32(monkeypatch):
    choose("native", monkeypatch)
    net = mlp(dtype="float32")
    run = dr.fit(net, X, Y, optimizer=dr.LBFGS(), epochs=200, batch_size=None, seed=0)
    kept = {v.dtype.name for v in run.carry.opt_state.values() if v.dtype.kind == "f"}
    assert kept == {"float32"} and run.history["loss"][-1] < 1e-3


@pytest.mark.native
def test_the_whole_step_is_one_native_program(monkeypatch):
    monkeypatch.setenv("DELTARULE_BACKEND", "llvm")
    net, loss, rule = mlp(dtype="float32"), loss_of("mse"), dr.LBFGS()
    state = rule.init(net.params)
    carry = tree_map(np.asarray, Carry(net.params, net.state, state, np.int64(0)))
    data = prepare(net, X, Y, loss, None, None, None, 0)
    run = build(stage_step(step_of(net, loss, rule), carry, random.key(0), data, 37).graph)
    assert run.plan.native == 1.0
    # the loss stands in two loops, that of the choice and that of the search: never outside
    places = [
        len(line) - len(line.lstrip()) for line in str(run.plan).splitlines() if "tanh" in line
    ]
    assert len(places) == 2 and min(places) > 2


def test_what_it_does_not_take():
    with pytest.raises(DataError, match="batch_size=32 is less than the 37 training rows: give b"):
        dr.fit(mlp(), X, Y, optimizer="lbfgs", epochs=1)
    with pytest.raises(DataError, match=r"Rprop compares signs of gradients.* batch_size=None"):
        dr.fit(mlp(), X, Y, optimizer=dr.Clip(dr.Rprop(), norm=1.0), epochs=1, batch_size=8)
    with pytest.raises(DataError, match="Rprop compares signs"):
        dr.fit(mlp(), X, Y, optimizer=dr.Muon(others=dr.Rprop()), epochs=1, batch_size=8)
    with pytest.raises(DataError, match="draws random numbers"):
        dr.fit(mlp(dr.Dropout(0.5)), X, Y, optimizer="lbfgs", epochs=1, batch_size=None)
    with pytest.raises(DataError, match="Clip: rule is given gradients, and LBFGS evaluates"):
        dr.Clip(dr.LBFGS(), norm=1.0)
    with pytest.raises(DataError, match=r"opt\.descend"):
        dr.LBFGS().step(1.0, 1.0, dr.LBFGS().init(1.0))
    with pytest.raises(DataError, match="LBFGS: memory is a number, 1 or more, not 0"):
        dr.LBFGS(memory=0)
    with pytest.raises(DataError, match=r"LBFGS\.step takes a state of count"):
        dr.LBFGS().descend(logistic, np.zeros(12), {})


def test_rprop_with_all_batches_gathered_is_rprop_on_all_rows():
    whole, parts, rows = mlp(), mlp(), np.arange(32)
    dr.fit(whole, X[rows], Y[rows], optimizer="rprop", epochs=4, batch_size=None, shuffle=False)
    rule = dr.Accumulate(dr.Rprop(), steps=4)
    dr.fit(parts, X[rows], Y[rows], optimizer=rule, epochs=4, batch_size=8, shuffle=False)
    np.testing.assert_allclose(
        whole.params["dense1"]["weight"], parts.params["dense1"]["weight"], rtol=1e-9
    )


def test_state_of_a_network_is_that_of_the_accepted_point(monkeypatch):
    choose("native", monkeypatch)
    net = statistics()
    net.drop.rate = 0.0
    try:
        dr.fit(net, X, Y, optimizer=dr.LBFGS(), epochs=5, batch_size=None, seed=0)
    except DataError:
        pytest.skip("a dropout of rate 0 still draws")
    assert int(net.state["steps"]) == 5


def test_classes():
    net = mlp(outputs=3)
    run = dr.fit(
        net,
        X,
        LABELS,
        loss="cross_entropy",
        optimizer=optimizer_of("LBFGS"),
        epochs=40,
        batch_size=None,
        seed=0,
        metrics="accuracy",
    )
    assert run.history["accuracy"][-1] == 1.0


def test_an_iteration_is_explained():
    """The length and the direction come out of loops: they stand in the formulas as numbers."""
    net = dr.Sequential(dr.Dense(2, "tanh"), dr.Dense(1)).init((1, 2), seed=1, dtype="float64")
    x, y, rule = np.array([[1.0, 2.0], [0.0, 1.0]]), np.ones((2, 1)), dr.LBFGS(memory=2)
    worked = dr.explain(net, x, y, loss="mse", optimizer=rule, steps=2)
    params, state = net.params, rule.init(net.params)
    for step in worked.steps:
        params, state, _ = rule.descend(
            lambda p: np.mean((net(x, params=p) - y) ** 2), params, state
        )
        found = {q.name: q.value for q in step}
        np.testing.assert_allclose(found["w1_new"], params["dense1"]["weight"][0, 0], rtol=1e-9)
        np.testing.assert_allclose(found["b_o1_new"], params["dense2"]["bias"][0], rtol=1e-9)
    assert "LBFGS: learning rate 1, memory 2" in worked.text()
