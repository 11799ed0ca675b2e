"""Learning rates that fall on a plateau, against PyTorch's figures and in training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError
from networks import LABELS, X, Y, assert_same_bits, choose, mlp

GOLDEN = json.loads((Path(__file__).parent / "golden" / "plateau.json").read_text())
OF_PYTORCH = {
    "default": dr.OnPlateau(0.1),
    "half": dr.OnPlateau(0.1, factor=0.5, patience=2, min_delta=0.01),
    "cooldown": dr.OnPlateau(0.1, factor=0.3, patience=1, cooldown=4, min_delta=0.0),
    "floor": dr.OnPlateau(0.1, factor=0.2, patience=0, min_rate=0.003, min_delta=0.05),
    "max": dr.OnPlateau(0.1, factor=0.5, patience=3, mode="max"),
}


@pytest.mark.parametrize("name", OF_PYTORCH)
def test_fifty_figures_give_the_rates_of_pytorch(name):
    rate = OF_PYTORCH[name]
    state, rates = dr.SGD(rate).init(1.0), []
    for figure in GOLDEN["figures"]:
        state = rate.seen(state, figure)
        rates.append(float(state["plateau"]["rate"]))
    np.testing.assert_allclose(rates, GOLDEN[name], rtol=1e-14)
    assert {*OF_PYTORCH, "source", "figures"} == set(GOLDEN)


RULES = [
    dr.SGD,
    dr.Adam,
    dr.AdamW,
    dr.NAdam,
    dr.LAMB,
    dr.Lion,
    dr.Adagrad,
    dr.RMSprop,
    dr.RAdam,
    dr.Adadelta,
    dr.Muon,
]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_takes_the_rate_of_its_state(rule):
    """Where the rate is the first one, steps are those of a number; a smaller one makes them smaller."""
    w, g = np.array([[1.0, -2.0]]), np.array([[0.5, 0.25]])
    plain, waiting = rule(0.1), rule(dr.OnPlateau(0.1, patience=0))
    expected, _ = plain.step(w, g, plain.init(w))
    state = waiting.init(w)
    found, _ = waiting.step(w, g, state)
    np.testing.assert_array_equal(found, expected)
    state = waiting.learning_rate.seen(waiting.learning_rate.seen(state, 1.0), 1.0)
    tenth, _ = rule(0.01).step(w, g, rule(0.01).init(w))
    found, state = waiting.step(w, g, state)
    np.testing.assert_allclose(found, tenth, rtol=1e-14)
    assert float(state["plateau"]["rate"]) == pytest.approx(0.01)


def test_a_training_by_hand_and_by_fit_is_the_same(monkeypatch):
    choose("interpreted", monkeypatch)
    plateau = dr.OnPlateau(0.3, monitor="val_mae", factor=0.5, patience=1, min_delta=1e-3)
    given = {"batch_size": 8, "validation": (X[:9], Y[:9]), "metrics": "mae", "seed": 0}
    net, steps = mlp(), mlp()
    run = dr.fit(net, X, Y, optimizer=dr.SGD(plateau), epochs=20, **given)
    rates = run.history["learning_rate"]
    assert rates[0] == 0.3 and len(set(rates)) > 2
    # the rates that the recorded figures lead to
    state, expected = dr.SGD(plateau).init(1.0), []
    for figure in run.history["val_mae"]:
        expected.append(float(state["plateau"]["rate"]))
        state = plateau.seen(state, figure)
    assert rates == expected
    # each epoch alone with that rate as a number
    other = None
    for rate in rates:
        other = dr.fit(steps, X, Y, optimizer=dr.SGD(rate), epochs=1, resume=other, **given)
    np.testing.assert_allclose(run.history["loss"], other.history["loss"], rtol=1e-12)


def test_no_other_program_for_another_rate(monkeypatch):
    choose("native", monkeypatch)
    made = []
    from deltarule.train import epoch

    build = epoch.build
    monkeypatch.setattr(epoch, "build", lambda *a: made.append(a) or build(*a))
    rule = dr.Adam(dr.OnPlateau(0.1, monitor="loss", patience=0, min_delta=1.0))
    run = dr.fit(mlp(), X, Y, optimizer=rule, epochs=6, batch_size=37, seed=0)
    assert len(set(run.history["learning_rate"])) == 5
    assert len(made) <= 1  # none with DELTARULE_BACKEND=numpy


def test_a_run_resumed_keeps_its_rate_and_its_patience(monkeypatch):
    choose("native", monkeypatch)
    plateau = dr.OnPlateau(0.1, monitor="loss", factor=0.5, patience=1, min_delta=0.1)
    rule = dr.Averaged(dr.Clip(dr.Adam(plateau), norm=1.0), decay=0.9)
    whole, parts = mlp(), mlp()
    run = dr.fit(whole, X, Y, optimizer=rule, epochs=12, seed=1)
    first = dr.fit(parts, X, Y, optimizer=rule, epochs=5, seed=1)
    second = dr.fit(parts, X, Y, optimizer=rule, epochs=7, resume=first)
    assert_same_bits(whole, parts)
    assert run.history["learning_rate"] == second.history["learning_rate"]
    assert len(set(run.history["learning_rate"])) > 1


def test_rules_inside_rules_have_plateaus_of_their_own():
    inner = dr.OnPlateau(0.5, monitor="loss", factor=0.1, patience=0, min_delta=1.0)
    rule = dr.Accumulate(dr.Muon(dr.OnPlateau(0.1), others=dr.SGD(inner)), steps=2)
    run = dr.fit(mlp(), X, Y, optimizer=rule, epochs=4, validation=0.2, seed=0)
    state = run.carry.opt_state
    assert float(state["plateau"]["rate"]) == 0.1
    assert float(state["others"]["plateau"]["rate"]) == pytest.approx(5e-4)


def test_more_accuracy_is_better():
    plateau = dr.OnPlateau(0.1, monitor="accuracy", patience=0, factor=0.5, min_delta=0.0)
    rule = dr.Adam(plateau)
    given = {"loss": "cross_entropy", "metrics": "accuracy", "epochs": 8, "seed": 0}
    run = dr.fit(mlp(outputs=3), X, LABELS, optimizer=rule, **given)
    figures, rates = run.history["accuracy"], run.history["learning_rate"]
    falls = sum(b <= max(figures[: i + 1]) for i, b in enumerate(figures[1:-1]))
    assert rates[-1] == pytest.approx(0.1 * 0.5**falls)


def test_a_figure_that_is_not_a_number_is_no_improvement():
    rate = dr.OnPlateau(1.0, patience=1)
    state = dr.SGD(rate).init(1.0)
    for figure in (np.nan, np.nan, 5.0, np.nan):
        state = rate.seen(state, figure)
    assert float(state["plateau"]["best"]) == 5.0 and float(state["plateau"]["rate"]) == 0.1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.OnPlateau(0), "OnPlateau: start must be a positive number, not 0"),
        (lambda: dr.OnPlateau(0.1, factor=1.0), r"factor must be in \(0, 1\), not 1.0"),
        (lambda: dr.OnPlateau(0.1, patience=-1), "patience is a number of epochs, not -1"),
        (lambda: dr.OnPlateau(0.1, cooldown=1.5), r"cooldown is a number of epochs, not 1\.5"),
        (lambda: dr.OnPlateau(0.1, mode="up"), "mode is 'min', 'max' or 'auto', not 'up'"),
        (lambda: dr.OnPlateau(0.1, min_rate=1.0), r"must be at most start, not 1 > 0\.1"),
        (lambda: dr.Rprop(dr.OnPlateau(0.1)), "Rprop: learning_rate must be a positive number"),
        (lambda: dr.SGD(dr.OnPlateau), "is a class; give an instance, OnPlateau"),
        (
            lambda: train(0.1, callbacks=[dr.OnPlateau(0.1)]),
            r"given as a learning rate, as dr\.Adam\(dr\.OnPlateau",
        ),
        (lambda: train(dr.OnPlateau(0.1)), "OnPlateau watches 'val_loss', which is not recorded"),
        (
            lambda: train(0.1, callbacks=[dr.CosineDecay(0.1, 10)]),
            r"dr\.CosineDecay is given as a learning rate, as dr\.Adam\(dr\.CosineDecay",
        ),
        (
            lambda: train(dr.OnPlateau(0.1, monitor="r2"), metrics="r2", validation=0.5),
            "On the rows held out it is val_r2$",
        ),
        (lambda: train(dr.OnPlateau(0.1, monitor="los")), "Did you mean 'loss'"),
        (
            lambda: train(dr.OnPlateau(0.1, monitor="odd"), metrics=[odd]),
            "whether more odd is better is not known",
        ),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(DataError, match=words):
        make()


def odd(outputs, targets):
    return 0.0


def train(rate, **more):
    return dr.fit(mlp(), X, Y, optimizer=dr.SGD(rate), epochs=1, **more)
