"""Update rules: figures of PyTorch's, formulas of papers, the compiled epoch, explanations.

In: `golden/optimizers.json`, weights after 1, 10 and 50 steps of `torch.optim` on the gradient that
stands there beside its version.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_tests
from hypothesis import strategies as st

import deltarule as dr
from deltarule.compile import build, jit
from deltarule.derive.tree import flatten, tree_map
from deltarule.errors import DataError
from deltarule.nn import loss_of
from deltarule.optim import optimizer_of, settings
from deltarule.program import random
from deltarule.train.epoch import Carry, stage_step, step_of
from deltarule.train.prepare import prepare
from networks import LABELS, X, Y, assert_close, assert_same_bits, choose, leaves, mlp

GOLDEN = json.loads((Path(__file__).parent / "golden" / "optimizers.json").read_text())
START, GOAL = (tuple(np.array(x) for x in GOLDEN[name]) for name in ("start", "goal"))

OF_PYTORCH = {
    "sgd decay": dr.SGD(0.05, weight_decay=0.1),
    "sgd nesterov decay": dr.SGD(0.02, 0.8, nesterov=True, weight_decay=0.1),
    "adagrad": dr.Adagrad(0.1),
    "adagrad decay": dr.Adagrad(0.2, epsilon=1e-3, weight_decay=0.1),
    "adadelta": dr.Adadelta(),
    "adadelta decay": dr.Adadelta(2.0, 0.8, 1e-3, weight_decay=0.1),
    "rmsprop": dr.RMSprop(),
    "rmsprop centered momentum": dr.RMSprop(0.01, 0.9, 1e-4, 0.5, True, weight_decay=0.1),
    "adam decay": dr.Adam(0.05, weight_decay=0.1),
    "amsgrad": dr.Adam(0.1, 0.8, 0.9, amsgrad=True),
    "adamw": dr.AdamW(0.05),
    "adamw decay": dr.AdamW(0.1, 0.5, 0.9, 1e-3, 0.2),
    "nadam": dr.NAdam(0.05),
    "nadam decay": dr.NAdam(0.05, 0.8, 0.99, momentum_decay=0.1, weight_decay=0.1),
    "radam": dr.RAdam(0.05),
    "radam decay": dr.RAdam(0.05, 0.8, 0.9, 1e-4, weight_decay=0.1),
    "rprop": dr.Rprop(0.05),
    "rprop bounds": dr.Rprop(0.1, 0.4, 1.5, 1e-2, 0.3),
}


def slope(params):
    """The gradient of the stored figures."""
    return tree_map(lambda w, goal: (w - goal) ** 3 + 0.1 * w, params, GOAL)


def after(rule, count, gradient=slope):
    params = START
    state = rule.init(params)
    for _ in range(count):
        params, state = rule.step(params, gradient(params), state)
    return np.concatenate([np.ravel(w) for w in params])


def lion(lr, b1, b2, c):
    """Algorithm 2 of Chen and others (2023), array by array."""

    def run(w, goal):
        m = np.zeros_like(w)
        for _ in range(50):
            g = (w - goal) ** 3 + 0.1 * w
            update = np.sign(b1 * m + (1 - b1) * g)
            m = b2 * m + (1 - b2) * g
            w = w - lr * (update + c * w)
        return w

    return run


def lamb(lr, b1, b2, eps, c):
    """Algorithm 2 of You and others (2020), array by array, phi(z) = z."""

    def run(w, goal):
        m = v = np.zeros_like(w)
        for t in range(1, 51):
            g = (w - goal) ** 3 + 0.1 * w
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            r = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
            w = w - lr * np.linalg.norm(w) / np.linalg.norm(r + c * w) * (r + c * w)
        return w

    return run


OF_PAPERS = {
    "lion": (dr.Lion(0.05), lion(0.05, 0.9, 0.99, 0.0)),
    "lion decay": (dr.Lion(0.02, 0.8, 0.95, 0.3), lion(0.02, 0.8, 0.95, 0.3)),
    "lamb": (dr.LAMB(0.02), lamb(0.02, 0.9, 0.999, 1e-6, 0.0)),
    "lamb decay": (dr.LAMB(0.01, 0.8, 0.99, 1e-4, 0.2), lamb(0.01, 0.8, 0.99, 1e-4, 0.2)),
}


@pytest.mark.parametrize("name", OF_PYTORCH)
def test_fifty_steps_are_those_of_pytorch(name):
    for count, figures in GOLDEN["weights after steps"][name].items():
        found = after(OF_PYTORCH[name], int(count))
        np.testing.assert_allclose(found, figures, rtol=1e-10, atol=1e-10)


def test_every_stored_figure_is_compared():
    assert set(GOLDEN["weights after steps"]) == set(OF_PYTORCH)


@pytest.mark.parametrize("name", OF_PAPERS)
def test_fifty_steps_are_those_of_the_paper(name):
    rule, reference = OF_PAPERS[name]
    expected = [np.ravel(reference(w, goal)) for w, goal in zip(START, GOAL, strict=True)]
    np.testing.assert_allclose(after(rule, 50), np.concatenate(expected), rtol=0, atol=1e-10)


# --- in the compiled epoch ---

TRAINING = {
    "sgd": dr.SGD(0.1, 0.5, weight_decay=1e-3),
    "adagrad": dr.Adagrad(0.1),
    "adadelta": dr.Adadelta(5.0),
    "rmsprop": dr.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": dr.Adam(0.02, weight_decay=1e-3),
    "amsgrad": dr.Adam(0.02, amsgrad=True),
    "adamw": dr.AdamW(0.02),
    "nadam": dr.NAdam(0.02),
    "radam": dr.RAdam(0.05),
    "lion": dr.Lion(0.01, weight_decay=0.1),
    "lamb": dr.LAMB(0.03, weight_decay=0.01),
    "rprop": dr.Rprop(),
    "clip by value": dr.Clip(dr.SGD(0.5), value=0.1),
    "clip by norm": dr.Clip(dr.Adam(0.02), norm=0.1),
    "clip by layer": dr.Clip(dr.SGD(0.2, 0.5), layer_norm=0.1),
    "averaged": dr.Averaged(dr.Clip(dr.NAdam(0.02), norm=1.0), decay=0.9),
    "accumulated": dr.Accumulate(dr.Adam(0.05), steps=2),
    "accumulated and averaged": dr.Clip(dr.Averaged(dr.Accumulate(dr.SGD(0.3), 3), 0.9), norm=1.0),
    "muon": dr.Muon(0.05, others=dr.Adam(0.03)),
    "muon with a schedule": dr.Muon(dr.CosineDecay(0.1, 200), weight_decay=0.1, scale="adamw"),
    "sgd with a schedule": dr.SGD(dr.Warmup(dr.CosineDecay(0.3, 200), 5)),
    "adamw with a schedule": dr.AdamW(dr.OneCycle(0.05, 200)),
    "a user's schedule": dr.Lion(lambda count: 0.04 / np.sqrt(1.0 + count)),
}


def trained(rule, backend, monkeypatch, dtype="float64", epochs=20):
    choose(backend, monkeypatch)
    net = mlp(dtype=dtype)
    batch = 37 if isinstance(rule, dr.Rprop) else 8
    run = dr.fit(net, X, Y, optimizer=rule, epochs=epochs, batch_size=batch, seed=3)
    return net, run


@pytest.mark.parametrize("name", TRAINING)
def test_the_compiled_epoch_learns_what_the_interpreted_one_does(name, monkeypatch):
    net, run = trained(TRAINING[name], "native", monkeypatch)
    other, run2 = trained(TRAINING[name], "interpreted", monkeypatch)
    np.testing.assert_allclose(run.history["loss"], run2.history["loss"], rtol=1e-7)
    assert_close(net, other, rtol=1e-6, atol=1e-9)
    assert run.history["loss"][-1] < 0.5 * run.history["loss"][0]


@pytest.mark.native
@pytest.mark.parametrize("name", TRAINING)
def test_the_whole_step_is_native(name, monkeypatch):
    monkeypatch.setenv("DELTARULE_BACKEND", "llvm")
    net, loss = mlp(dtype="float32"), loss_of("mse")
    rule = TRAINING[name]
    key = random.key(0)
    carry = tree_map(np.asarray, Carry(net.params, net.state, rule.init(net.params), np.int64(0)))
    data = prepare(net, X, Y, loss, None, None, None, 0)
    staged = stage_step(step_of(net, loss, rule), carry, key, data, 8)
    run = build(staged.graph)
    assert getattr(run, "plan", None) is None or run.plan.native >= 0.99


@pytest.mark.parametrize("name", TRAINING)
def test_a_network_in_float32_stays_in_float32(name, monkeypatch):
    net, run = trained(TRAINING[name], "native", monkeypatch, "float32", epochs=2)
    kept = {x.dtype.name for x in flatten(run.carry.opt_state)[0] if np.ndim(x)}
    assert {x.dtype.name for x in leaves(net)} == {"float32"} and kept <= {"float32"}


@pytest.mark.parametrize("name", TRAINING)
def test_compiled_by_hand(name):
    rule, params = TRAINING[name], {"a": START[0], "b": START[1]}
    step = jit.compile(rule.step)
    state = rule.init(params)
    other, other_state = params, state
    for _ in range(4):
        grads = tree_map(np.sin, params)
        params, state = rule.step(params, grads, state)
        other, other_state = step(other, grads, other_state)
    for a, b in zip(flatten((params, state))[0], flatten((other, other_state))[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_a_run_resumed_goes_on_along_the_schedule():
    rule = dr.AdamW(dr.CosineDecay(0.05, 50))
    whole, parts = mlp(), mlp()
    dr.fit(whole, X, Y, optimizer=rule, epochs=4, seed=1)
    run = dr.fit(parts, X, Y, optimizer=rule, epochs=2, seed=1)
    dr.fit(parts, X, Y, optimizer=rule, epochs=2, resume=run)
    assert_close(whole, parts, rtol=1e-14)


def test_rules_have_names():
    for name in (
        "adagrad",
        "adadelta",
        "rmsprop",
        "adamw",
        "nadam",
        "radam",
        "lion",
        "lamb",
        "muon",
    ):
        assert settings(optimizer_of(name))["name"].lower() == name
    net = mlp()
    loss = dr.fit(net, X, LABELS, optimizer="AdamW", loss="mse", epochs=2, seed=0).history["loss"]
    assert loss[1] < loss[0]


# --- what sets a rule apart ---


def test_decay_of_adamw_stays_out_of_the_moments():
    rule = dr.AdamW(0.1, weight_decay=0.5)
    w, state = rule.step(np.array([2.0]), np.array([0.0]), rule.init(np.array([2.0])))
    np.testing.assert_allclose(w, [2.0 - 0.1 * 0.5 * 2.0], rtol=1e-15)
    assert not state["m"].any()
    coupled = dr.Adam(0.1, weight_decay=0.5)
    _, state = coupled.step(np.array([2.0]), np.array([0.0]), coupled.init(np.array([2.0])))
    np.testing.assert_allclose(state["m"], [0.1], rtol=1e-15)


def test_lamb_moves_weights_that_are_zero():
    rule = dr.LAMB(0.1)
    zero = np.zeros(2)
    w, _ = rule.step(zero, np.array([1.0, -1.0]), rule.init(zero))
    np.testing.assert_allclose(w, [-0.1, 0.1], rtol=1e-5)
    w, _ = rule.step(np.ones(2), zero, rule.init(zero))
    np.testing.assert_array_equal(w, np.ones(2))


def test_centered_rmsprop_is_finite_where_rounding_leaves_less_than_no_deviation():
    rule = dr.RMSprop(0.01, rho=0.1, centered=True)
    w = np.float32([1.0])
    state = rule.init(w)
    for _ in range(50):
        w, state = rule.step(w, np.float32([0.1]), state)
        assert np.isfinite(w).all()


@pytest.mark.parametrize("rule", [dr.AdamW(0.1), dr.RAdam(0.1), dr.Clip(dr.SGD(0.1), norm=0.1)])
def test_steps_can_be_differentiated(rule):
    def ends_at(w):
        v, state = w, rule.init(w)
        for _ in range(3):
            v, state = rule.step(v, dr.grad(lambda u: np.sum(u**4) / 4)(v), state)
        return np.sum(v**2)

    dr.check_grads(ends_at, np.array([0.7, -1.2]), order=1)


# --- clipped gradients, averaged weights ---

LAYERS = {
    "one": {"weight": np.array([3.0]), "bias": np.array([4.0])},
    "two": {"w": np.array([0.5])},
}


def clipped(**limit):
    rule = dr.Clip(dr.SGD(1.0), **limit)
    start = tree_map(np.zeros_like, LAYERS)
    params, _ = rule.step(start, LAYERS, rule.init(start))
    return [-float(x[0]) for x in flatten(params)[0]]  # bias, weight, w


def test_clips():
    np.testing.assert_allclose(clipped(value=3.5), [3.5, 3.0, 0.5])
    norm = np.sqrt(25.25)
    np.testing.assert_allclose(clipped(norm=2.0), np.array([4.0, 3.0, 0.5]) * 2 / norm)
    np.testing.assert_allclose(clipped(layer_norm=1.0), [0.8, 0.6, 0.5])
    assert clipped(norm=6.0) == [4.0, 3.0, 0.5]


def test_a_clip_takes_huge_gradients_and_keeps_nan():
    rule = dr.Clip(dr.SGD(1.0), norm=1.0)
    zero = np.zeros(2, np.float32)
    w, _ = rule.step(zero, np.float32([3e30, 4e30]), {})
    np.testing.assert_allclose(w, [-0.6, -0.8], rtol=1e-6)
    w, _ = rule.step(zero, np.float32([0.0, np.nan]), {})
    assert np.isnan(w).all()


def test_an_average_follows_the_weights():
    rule = dr.Averaged(dr.SGD(0.1), decay=0.75)
    w = average = np.array([1.0, -2.0])
    state = rule.init(w)
    for _ in range(5):
        w, state = rule.step(w, w, state)
        average = 0.75 * average + 0.25 * w
        np.testing.assert_allclose(state["average"], average, rtol=1e-15)
    np.testing.assert_allclose(w, np.array([1.0, -2.0]) * 0.9**5, rtol=1e-14)


# --- gradients of several batches ---


@pytest.mark.parametrize(
    "rule",
    [
        dr.SGD(0.1, 0.9),
        dr.AdamW(dr.CosineDecay(0.05, 20)),
        dr.Muon(0.05),
        dr.Clip(dr.NAdam(0.05), norm=0.1),
        dr.Averaged(dr.Adam(0.05), decay=0.9),
    ],
)
def test_batches_gathered_are_one_large_batch(rule, monkeypatch):
    choose("native", monkeypatch)
    whole, parts = mlp(), mlp()
    rows = np.arange(64) % len(X)
    for net, batch, used in ((whole, 32, rule), (parts, 8, dr.Accumulate(rule, steps=4))):
        dr.fit(net, X[rows], Y[rows], optimizer=used, epochs=6, batch_size=batch, shuffle=False)
    assert_close(whole, parts, rtol=1e-9, atol=1e-12)


def test_a_sum_is_carried_over_the_end_of_an_epoch():
    """Three batches an epoch, the last smaller; an update after every second."""
    rule, net = dr.Accumulate(dr.SGD(0.1), steps=2), mlp()
    run = dr.fit(net, X[:20], Y[:20], optimizer=rule, epochs=1, batch_size=8, shuffle=False)
    assert int(run.carry.opt_state["gathered"]) == 1
    assert any(g.any() for g in flatten(run.carry.opt_state["gradient"])[0])
    run = dr.fit(net, X[:20], Y[:20], optimizer=rule, epochs=1, batch_size=8, resume=run)
    assert int(run.carry.opt_state["gathered"]) == 0
    assert not any(g.any() for g in flatten(run.carry.opt_state["gradient"])[0])


def test_weights_rest_between_updates_and_the_rule_counts_its_own():
    rule = dr.Accumulate(dr.AdamW(0.1), steps=3)
    w, state = np.float32([1.0, -1.0]), rule.init(np.float32([1.0, -1.0]))
    for i in range(1, 8):
        before = w
        w, state = rule.step(w, np.float32([1.0, np.nan if i == 7 else 0.5]), state)
        assert np.array_equal(w, before) == (i % 3 != 0)
        assert int(state["count"]) == i // 3 and w.dtype == np.float32


# --- explained ---

SHOWN = {
    **TRAINING,
    "rmsprop plain": dr.RMSprop(0.1),
    "clip by layer": dr.Clip(dr.SGD(0.1), layer_norm=0.1),
    "plateau": dr.Adam(dr.OnPlateau(0.1)),
}


@pytest.mark.parametrize("name", SHOWN)
def test_explained_weights_are_those_of_the_step(name):
    net = dr.Sequential(dr.Dense(2, "tanh"), dr.Dense(1)).init((1, 2), seed=1, dtype="float64")
    x, y, rule = np.array([[1.0, 2.0]]), np.array([[0.5]]), SHOWN[name]
    worked = dr.explain(net, x, y, loss="mse", optimizer=rule, steps=2)
    params, state = net.params, rule.init(net.params)
    for step in worked.steps:
        grads = dr.grad(lambda p: loss_of("mse")(net(x, params=p), y))(params)
        params, state = rule.step(params, grads, state)
        new = [q.value for q in step if q.name.startswith("w") and q.name.endswith("_new")]
        weights = [w for layer in params.values() for w in np.ravel(layer["weight"].T)]
        np.testing.assert_allclose(sorted(new[: len(weights)]), sorted(weights), rtol=1e-12)
    assert type(rule).__name__ in worked.text()


def test_explanations_name_the_settings_of_rules_and_schedules_inside():
    net = dr.Sequential(dr.Dense(1, bias=False)).init((1, 1), dtype="float64")
    rule = dr.Clip(dr.SGD(dr.InverseTimeDecay(0.5, 10), 0.9), value=2.0)
    worked = dr.explain(net, np.ones((1, 1)), np.zeros((1, 1)), optimizer=rule)
    assert {"momentum": 0.9, "value": 2.0, "learning_rate_start": 0.5}.items() <= {
        q.name: q.value for q in worked.steps[0]
    }.items()
    assert "Clip: rule (SGD: learning rate (InverseTimeDecay: start 0.5" in worked.text()


# --- what is refused ---


class Odd:
    def init(self, params):
        return (1.0,)

    def step(self, params, grads, state):
        return params, state


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.Adam(lr=0.1), "Adam has no setting 'lr'; .* Here it is learning_rate$"),
        (lambda: dr.AdamW(betas=(0.9, 0.99)), "Here it is beta1 and beta2$"),
        (lambda: dr.SGD(momentm=0.9), "Did you mean 'momentum'"),
        (lambda: dr.CosineDecay(0.1, T_max=30), "Here it is steps$"),
        (lambda: dr.OneCycle(max_lr=0.1, steps=30), "Here it is peak$"),
        (lambda: dr.OnPlateau(lr=0.1), "Here it is start$"),
        (lambda: dr.Rprop(nonsense=1), "Rprop has no setting 'nonsense'; it has learning_rate, .*"),
    ],
)
def test_a_setting_of_another_name(make, words):
    with pytest.raises(dr.ArgumentError, match=words):
        make()


def test_every_rule_knows_each_of_its_settings():
    for cls in (dr.SGD, dr.Adam, dr.Muon, dr.LBFGS, dr.Rprop, dr.CosineDecay, dr.OnPlateau):
        made = cls(0.1, 5) if cls is dr.CosineDecay else cls(0.1) if cls is dr.OnPlateau else cls()
        assert replace(made, **{f.name: getattr(made, f.name) for f in fields(made)}) == made


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.AdamW(0), "AdamW: learning_rate must be a positive number, not 0; give 0.01"),
        (lambda: dr.AdamW(weight_decay=-1), "AdamW: weight_decay must be 0 or a positive number"),
        (lambda: dr.AdamW(weight_decay=np.nan), "not nan"),
        (lambda: dr.SGD(weight_decay=True), "SGD: weight_decay must be .* not True"),
        (lambda: dr.Lion(beta2=1.0), r"Lion: beta2 must be in \[0, 1\), not 1.0"),
        (lambda: dr.LAMB(epsilon=0), "LAMB: epsilon must be a positive number, not 0"),
        (lambda: dr.RMSprop(rho=2), "RMSprop: rho must be"),
        (lambda: dr.RMSprop(momentum=1), "RMSprop: momentum must be"),
        (lambda: dr.Adadelta(rho=-0.1), "Adadelta: rho must be"),
        (lambda: dr.Adagrad(epsilon="a"), "Adagrad: epsilon must be .* not 'a'"),
        (lambda: dr.NAdam(momentum_decay=-1), "NAdam: momentum_decay must be"),
        (lambda: dr.RAdam(beta2=0.5), r"RAdam: beta2 must be in \[2/3, 1\), not 0.5: no step"),
        (lambda: dr.Rprop(shrink=1.0), r"Rprop: shrink must be in \(0, 1\), not 1.0"),
        (lambda: dr.Rprop(grow=0.9), "Rprop: grow must be 1 or more, not 0.9"),
        (lambda: dr.Rprop(smallest=1.0, largest=0.1), "smallest must be at most largest, not 1.0"),
        (lambda: dr.Rprop(dr.StepDecay(0.1, 5)), "Rprop: learning_rate must be a positive number"),
        (lambda: dr.SGD(dr.StepDecay), "learning_rate is a class; give an instance, StepDecay"),
        (lambda: dr.SGD(lambda t: -1.0), "at step 0 .* returned -1.0"),
        (lambda: dr.SGD(lambda t: np.ones(2)), "must return one finite number"),
        (lambda: dr.SGD(lambda t: None), "returned None"),
        (lambda: dr.Clip(dr.SGD()), "one of value, norm, layer_norm, not none; for two"),
        (lambda: dr.Clip(dr.SGD(), value=1, norm=1), "not value and norm"),
        (lambda: dr.Clip(dr.SGD(), norm=0), "Clip: norm must be a positive number, not 0"),
        (lambda: dr.Clip(dr.SGD, norm=1), "Clip: rule must be an instance"),
        (lambda: dr.Clip("sgd", norm=1), "Clip: rule must be .* not 'sgd'"),
        (lambda: dr.Averaged(dr.SGD(), 1.0), r"Averaged: decay must be in \[0, 1\), not 1.0"),
        (lambda: dr.Averaged(Odd()).init(1.0), "must be a dict without an average"),
        (lambda: dr.Averaged(dr.Averaged(dr.SGD())).init(1.0), "without an average of its own"),
        (
            lambda: dr.Averaged(dr.SGD()).step(1.0, 1.0, {}),
            "Averaged.step takes a state of average",
        ),
        (lambda: dr.Accumulate(dr.SGD(), 0), "steps is a number of batches, 1 or more, not 0"),
        (lambda: dr.Accumulate(dr.SGD(), 2.5), "not 2.5"),
        (lambda: dr.Accumulate(dr.SGD), "Accumulate: rule must be an instance"),
        (lambda: dr.Accumulate(dr.Accumulate(dr.SGD())).init(1.0), "give more steps"),
        (lambda: dr.Accumulate(dr.SGD()).step(1.0, 1.0, {}), "Accumulate.step takes a state of"),
        (lambda: dr.NAdam().step(1.0, 1.0, {"count": 1}), "state of count, product, m, v"),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(DataError, match=words):
        make()


# --- any rules around any rule ---

INNER = st.sampled_from(
    [
        dr.SGD(0.1, 0.9, nesterov=True),
        dr.SGD(dr.Warmup(dr.CosineDecay(0.2, 9, restarts=True), 3)),
        dr.Adagrad(0.1),
        dr.Adadelta(),
        dr.RMSprop(0.01, momentum=0.5, centered=True),
        dr.Adam(0.02, amsgrad=True),
        dr.AdamW(dr.OnPlateau(0.02, monitor="loss", patience=0, min_delta=0.1)),
        dr.NAdam(0.02),
        dr.RAdam(0.05),
        dr.Lion(0.01),
        dr.LAMB(0.03),
        dr.Muon(
            dr.OnPlateau(0.1, monitor="loss", patience=0), others=dr.Clip(dr.SGD(0.1), value=1)
        ),
        dr.Muon(0.05, except_=("dense1",)),
    ]
)
AROUND = {
    "clip": lambda rule: dr.Clip(rule, norm=0.5),
    "clip by layer": lambda rule: dr.Clip(rule, layer_norm=0.2),
    "average": lambda rule: dr.Averaged(rule, decay=0.9),
    "accumulate": lambda rule: dr.Accumulate(rule, steps=3),
}
ORDERS = st.permutations(list(AROUND)).flatmap(
    lambda names: st.integers(0, len(names)).map(lambda count: names[:count])
)


@settings_of_tests(max_examples=12, deadline=None)
@given(rule=INNER, around=ORDERS, epochs=st.integers(1, 5), native=st.booleans())
def test_a_run_cut_in_two_has_the_bits_of_one(rule, around, epochs, native):
    """Seven epochs of five batches, the last smaller: cut after any of them, with any rules."""
    for name in around:
        rule = AROUND[name](rule)
    whole, parts = mlp(dtype="float32"), mlp(dtype="float32")
    given_to = {"optimizer": rule, "batch_size": 8, "seed": 2}
    with pytest.MonkeyPatch.context() as patch:
        choose("native" if native else "interpreted", patch)
        one = dr.fit(whole, X, Y, epochs=7, **given_to)
        first = dr.fit(parts, X, Y, epochs=epochs, **given_to)
        two = dr.fit(parts, X, Y, epochs=7 - epochs, resume=first, **given_to)
    assert_same_bits(whole, parts)
    assert one.history["loss"] == two.history["loss"]
    for a, b in zip(flatten(one.carry.opt_state)[0], flatten(two.carry.opt_state)[0], strict=True):
        np.testing.assert_array_equal(a, b)
