"""Update rules against plain NumPy in float64, and against the figures of PyTorch's definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import deltarule as dr
from deltarule.compile import jit
from deltarule.derive.tree import flatten, tree_map
from deltarule.errors import DataError, ShapeError
from deltarule.optim import optimizer_of, settings

STEPS = 50


def sgd(lr=0.01, momentum=0.0, nesterov=False):
    """PyTorch's SGD, element by element."""

    def run(w, gradients):
        v = None
        for g in gradients:
            v = g if v is None else momentum * v + g
            direction = g if not momentum else g + momentum * v if nesterov else v
            w = w - lr * direction
        return w

    return run


def adam(lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    """Algorithm 1 of Kingma and Ba (2015), with the bias corrections as it writes them."""

    def run(w, gradients):
        m = v = np.zeros_like(w)
        for t, g in enumerate(gradients, 1):
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        return w

    return run


RULES = {
    "sgd": (dr.SGD(0.05), sgd(0.05)),
    "momentum": (dr.SGD(0.05, 0.9), sgd(0.05, 0.9)),
    "nesterov": (dr.SGD(0.05, 0.8, nesterov=True), sgd(0.05, 0.8, True)),
    "adam": (dr.Adam(), adam()),
    "adam, other settings": (dr.Adam(0.1, 0.5, 0.9, 1e-3), adam(0.1, 0.5, 0.9, 1e-3)),
    "adam without decay": (dr.Adam(0.01, 0.0, 0.0), adam(0.01, 0.0, 0.0)),
}


@dataclass
class Pair:
    left: np.ndarray
    right: np.ndarray


def tree(seed, dtype=float):
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=s).astype(dtype) for s in ((3, 2), (2,), (), (4,), (1,), (2, 2))]
    return {
        "dense": {"weight": x[0], "bias": x[1]},
        "list": [x[2], (x[3],)],
        "pair": Pair(x[4], x[5]),
    }


def run(rule, params, gradients):
    state = rule.init(params)
    for g in gradients:
        params, state = rule.step(params, g, state)
    return params, state


@pytest.mark.parametrize("name", RULES)
def test_fifty_steps_are_the_reference(name):
    rule, reference = RULES[name]
    gradients = [tree(seed) for seed in range(1, STEPS + 1)]
    found, _ = run(rule, tree(0), gradients)
    leaves = [flatten(g)[0] for g in gradients]
    for i, (w, start) in enumerate(zip(flatten(found)[0], flatten(tree(0))[0], strict=True)):
        np.testing.assert_allclose(w, reference(start, [g[i] for g in leaves]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_compiled_steps_are_the_interpreted_ones(name):
    rule, _ = RULES[name]
    step = jit.compile(rule.step)
    params, state = tree(0), rule.init(tree(0))
    other, other_state = params, state
    for seed in range(1, 6):
        params, state = rule.step(params, tree(seed), state)
        other, other_state = step(other, tree(seed), other_state)
    for a, b in zip(flatten((params, state))[0], flatten((other, other_state))[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_float32_stays_float32_also_with_numpys_settings(name):
    rule, _ = RULES[name]
    numpys = {k: np.float64(v) for k, v in settings(rule).items() if isinstance(v, float)}
    rule = type(rule)(**{**{k: v for k, v in settings(rule).items() if k != "name"}, **numpys})
    params, state = run(rule, tree(0, np.float32), [tree(1, np.float32)] * 2)
    floats = [x for x in flatten((params, state))[0] if x.dtype.kind == "f"]
    assert {x.dtype for x in floats} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", RULES)
def test_a_step_changes_none_of_its_arguments(name):
    rule, _ = RULES[name]
    params, gradient = tree(0), tree(1)
    state = rule.init(params)
    kept = tree_map(np.array, (params, gradient, state))
    rule.step(params, gradient, state)
    for a, b in zip(flatten(kept)[0], flatten((params, gradient, state))[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_adam_counts_its_steps_and_sgd_keeps_nothing():
    params, gradients = tree(0), [tree(1)] * 7
    state = run(dr.Adam(), params, gradients)[1]
    assert int(state["count"]) == 7 and state["count"].dtype == np.int64
    assert dr.SGD().init(params) == {} and run(dr.SGD(), params, gradients)[1] == {}
    state = run(dr.SGD(momentum=0.9), params, [tree(1)])[1]
    np.testing.assert_array_equal(state["velocity"]["pair"].right, tree(1)["pair"].right)


def test_adams_first_step_has_the_length_of_the_learning_rate():
    for g in (1e-6, 1.0, 1e6):
        w, _ = run(dr.Adam(0.1, epsilon=1e-20), np.array([5.0]), [np.array([g])])
        np.testing.assert_allclose(w, [4.9], rtol=1e-12)


def test_defaults_are_those_of_the_papers():
    assert settings(dr.Adam()) == {
        "name": "Adam", "learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
        "amsgrad": False, "weight_decay": 0.0,
    }  # fmt: skip
    assert settings(dr.SGD()) == {
        "name": "SGD", "learning_rate": 0.01, "momentum": 0.0, "nesterov": False,
        "weight_decay": 0.0,
    }  # fmt: skip


def test_momentum_reaches_the_minimum_of_a_narrow_valley():
    valley = np.array([1.0, 100.0])
    plain, fast = (
        run_on(rule, lambda w: np.sum(valley * w**2) / 2)
        for rule in (dr.SGD(0.015), dr.SGD(0.015, 0.9))
    )
    assert fast < plain / 100


def run_on(rule, f, steps=300):
    w = np.array([1.0, 1.0])
    state = rule.init(w)
    for _ in range(steps):
        w, state = rule.step(w, dr.grad(f)(w), state)
    return f(w)


@pytest.mark.parametrize("rule", [dr.SGD(0.1), dr.SGD(0.05, 0.9), dr.Adam(0.1)])
def test_steps_can_be_differentiated(rule):
    def after(w):
        v, state = w, rule.init(w)
        for _ in range(3):
            v, state = rule.step(v, dr.grad(lambda u: np.sum(u**4) / 4)(v), state)
        return np.sum(v**2)

    dr.check_grads(after, np.array([0.7, -1.2]), order=1)


# --- what is refused ---


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.SGD(0), "learning_rate must be a positive number, not 0"),
        (lambda: dr.SGD(-0.1), "not -0.1"),
        (lambda: dr.SGD(np.nan), "not nan"),
        (lambda: dr.SGD(np.inf), "not inf"),
        (lambda: dr.SGD("0.1"), "not '0.1'"),
        (lambda: dr.SGD(True), "not True"),
        (lambda: dr.SGD(0.1, 1.0), r"SGD: momentum must be in \[0, 1\), not 1.0"),
        (lambda: dr.SGD(0.1, -0.5), "not -0.5"),
        (lambda: dr.SGD(0.1, nesterov=True), "momentum, which is 0"),
        (lambda: dr.Adam(beta1=1.0), "Adam: beta1 must be"),
        (lambda: dr.Adam(beta2=-1), "Adam: beta2 must be"),
        (lambda: dr.Adam(epsilon=0), "Adam: epsilon must be a positive number"),
        (
            lambda: optimizer_of("admw"),
            "called 'admw'; did you mean 'adamw'[?] known: sgd, adagrad",
        ),
        (lambda: optimizer_of(dr.Adam), r"give an instance, Adam\(\)"),
        (lambda: optimizer_of(3), r"init\(params\) and step\(params, grads, state\); 3 has not"),
        (
            lambda: dr.Adam().step(1.0, 1.0, {}),
            "takes a state of count, m, v.*given is one of no entries",
        ),
        (lambda: dr.SGD().step(1.0, 1.0, dr.Adam().init(1.0)), "takes a state of no entries"),
        (lambda: dr.SGD().step(1.0, 1.0, None), "NoneType"),
    ],
)
def test_bad_settings_and_states(make, words):
    with pytest.raises(DataError, match=words):
        make()


@pytest.mark.parametrize("name", RULES)
def test_gradients_must_fit_the_weights(name):
    rule, _ = RULES[name]
    params = {"a": np.ones((2, 3)), "b": np.ones(3)}
    state = rule.init(params)
    with pytest.raises(
        ShapeError, match=r"weights\['a'\] have shape \(2, 3\), the gradient has shape \(3,\)"
    ):
        rule.step(params, {"a": np.ones(3), "b": np.ones(3)}, state)
    with pytest.raises(ShapeError, match="weights are nested as"):
        rule.step(params, {"a": np.ones((2, 3))}, state)


def test_names_of_rules():
    assert optimizer_of("SGD") == dr.SGD() and optimizer_of("adam") == dr.Adam()
    assert dr.SGD(1) == dr.SGD(1.0) and type(dr.SGD(1).learning_rate) is float
