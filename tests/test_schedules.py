"""Schedules: figures of PyTorch's, counts of every kind, rates in the compiled epoch, errors.

In: `golden/schedules.json`, the rates of steps 0 to 59 of `torch.optim.lr_scheduler`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError
from networks import BACKENDS, choose

GOLDEN = json.loads((Path(__file__).parent / "golden" / "schedules.json").read_text())
STEPS = np.arange(60)

OF_PYTORCH = {
    "step": dr.StepDecay(0.1, 7, 0.5),
    "exponential": dr.ExponentialDecay(0.1, 1, 0.9),
    "polynomial": dr.PolynomialDecay(0.1, 40, power=2.0),
    "linear": dr.PolynomialDecay(0.1, 50),
    "cosine": dr.CosineDecay(0.1, 60, 0.01),
    "restarts": dr.CosineDecay(0.1, 20, 0.01, restarts=True),
    "growing restarts": dr.CosineDecay(0.1, 8, restarts=True, growth=2),
    "one cycle": dr.OneCycle(0.1, 60),
    "one cycle, other settings": dr.OneCycle(0.1, 60, 0.5, 10, 100),
}
ALL = {
    **OF_PYTORCH,
    "inverse time": dr.InverseTimeDecay(0.1, 10),
    "warm-up": dr.Warmup(0.1, 5),
    "warm-up and cosine": dr.Warmup(dr.CosineDecay(0.1, 20, 0.01), 5),
    "warm-up and polynomial": dr.Warmup(dr.PolynomialDecay(0.1, 20, 0.01, 0.5), 5),
}


@pytest.mark.parametrize("name", OF_PYTORCH)
def test_rates_are_those_of_pytorch(name):
    np.testing.assert_allclose(OF_PYTORCH[name](STEPS), GOLDEN[name], rtol=1e-10, atol=1e-14)


def test_every_stored_figure_is_compared():
    assert set(GOLDEN) - {"source"} == set(OF_PYTORCH)


def test_rates_of_formulas():
    expected = [0.1 / (1 + t / 10) for t in STEPS]
    np.testing.assert_allclose(dr.InverseTimeDecay(0.1, 10)(STEPS), expected, rtol=1e-14)
    expected = [0.1 * (t + 1) / 6 if t < 5 else 0.1 for t in STEPS]
    np.testing.assert_allclose(dr.Warmup(0.1, 5)(STEPS), expected, rtol=1e-14)
    cosine = dr.CosineDecay(0.1, 20, 0.01)
    expected = [0.1 * (t + 1) / 6 if t < 5 else float(cosine(t - 5)) for t in STEPS]
    np.testing.assert_allclose(dr.Warmup(cosine, 5)(STEPS), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_counts_of_every_kind_give_the_same_positive_rate(name):
    schedule = ALL[name]
    rates = schedule(STEPS)
    assert rates.dtype == np.float64 and (rates >= 0).all() and rates.max() > 0.04
    for t in (0, 1, 13, 59):
        for count in (t, np.int64(t), np.int32(t), float(t), np.array(t)):
            assert float(schedule(count)) == pytest.approx(rates[t], rel=1e-14)


@pytest.mark.parametrize("growth", [2, 3, 1.5])
@pytest.mark.parametrize("steps", [1, 7, 10, 1000])
def test_a_restart_is_at_its_step_and_not_before(steps, growth):
    schedule = dr.CosineDecay(1.0, steps, restarts=True, growth=growth)
    begin, length = 0.0, float(steps)
    for _ in range(8):
        assert float(schedule(begin)) == pytest.approx(1.0)
        begin, length = begin + length, length * growth
        before = float(schedule(begin - 0.01 * length / growth))
        assert before < 0.01


def test_rates_after_the_end_stay():
    for schedule, last in (
        (dr.CosineDecay(0.1, 10, 0.02), 0.02),
        (dr.PolynomialDecay(0.1, 10, 0.02, 2.0), 0.02),
        (dr.OneCycle(0.1, 10, end_divisor=2), 0.002),
    ):
        np.testing.assert_allclose(schedule(np.array([10, 11, 1000])), last, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ALL)
def test_the_epoch_uses_the_rate_of_each_step(name, backend, monkeypatch):
    choose(backend, monkeypatch)
    schedule = ALL[name]
    net = dr.Sequential(dr.Dense(1, bias=False)).init((1, 1), seed=0, dtype="float64")
    net.params = {"dense1": {"weight": np.array([[1.0]])}}
    loss = lambda outputs, targets: np.mean(outputs)  # noqa: E731  (its gradient is 1)
    dr.fit(net, np.ones((8, 1)), np.zeros(8), loss=loss, optimizer=dr.SGD(schedule),
           batch_size=2, epochs=10, seed=0)  # fmt: skip
    expected = 1.0 - sum(schedule(STEPS[:40]))
    np.testing.assert_allclose(net.params["dense1"]["weight"], [[expected]], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.StepDecay(0, 10), "StepDecay: start must be a positive number, not 0"),
        (lambda: dr.StepDecay(0.1, 0), "StepDecay: steps must be a whole number of at least 1"),
        (lambda: dr.StepDecay(0.1, 2.5), "not 2.5; an epoch has"),
        (lambda: dr.StepDecay(0.1, True), "not True"),
        (lambda: dr.ExponentialDecay(0.1, 10, 0.0), "ExponentialDecay: factor must be"),
        (lambda: dr.PolynomialDecay(0.1, 10, -1), "PolynomialDecay: end must be 0 or a positive"),
        (lambda: dr.PolynomialDecay(0.1, 10, power=0), "PolynomialDecay: power must be"),
        (lambda: dr.InverseTimeDecay(np.inf, 10), "InverseTimeDecay: start must be"),
        (lambda: dr.CosineDecay(0.1, 10, growth=0.5), "CosineDecay: growth must be 1 or more"),
        (lambda: dr.CosineDecay(0.1, 10, growth=2), "growth is 2, but no round follows; give"),
        (lambda: dr.Warmup(0, 10), "Warmup: after must be a positive number, not 0"),
        (lambda: dr.Warmup(dr.OneCycle, 10), "Warmup: after is a class"),
        (lambda: dr.OneCycle(0.1, 100, warmup=1), r"OneCycle: warmup must be in \(0, 1\), not 1"),
        (lambda: dr.OneCycle(0.1, 3), "warmup=0.3 of steps=3 is no whole step"),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(DataError, match=words):
        make()
