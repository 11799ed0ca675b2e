"""Handwritten digits, 8 x 8: accuracy and time to train beside scikit-learn's MLPClassifier.

In: the 1,797 images that scikit-learn carries, split once for both. Out: the share of right answers on
450 held-out images and the seconds of training, for several seeds, by turns.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import deltarule as dr

from scores import report

EPOCHS, BATCH, HIDDEN, RATE = 30, 32, 64, 1e-3


def ours(data: list[Any], seed: int) -> float:
    """Train our network; the accuracy on the held-out images."""
    X, Xtest, y, ytest = data
    net = dr.Sequential(dr.Dense(HIDDEN, "relu"), dr.Dense(10))
    optimizer = dr.Adam(RATE)
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "validation": None}
    dr.fit(
        net, X, y, loss="cross_entropy", optimizer=optimizer, seed=seed, progress=False, **settings
    )
    return float(np.mean(net(Xtest).argmax(axis=1) == ytest))


def theirs(data: list[Any], seed: int) -> float:
    """Train scikit-learn's network of the same shape with the same settings."""
    X, Xtest, y, ytest = data
    net = MLPClassifier(
        hidden_layer_sizes=(HIDDEN,),
        alpha=0.0,
        batch_size=BATCH,
        learning_rate_init=RATE,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        random_state=seed,
    )
    with warnings.catch_warnings():  # it warns that the epochs asked for were run
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, y)
    return float(net.score(Xtest, ytest))


def main() -> None:
    """Five seeds, by turns."""
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    data = train_test_split(
        images, digits.target, test_size=450, random_state=0, stratify=digits.target
    )
    X, Xtest, y, ytest = data
    baseline = DummyClassifier().fit(X, y).score(Xtest, ytest)
    settings = {"epochs": EPOCHS, "batch": BATCH, "hidden": [HIDDEN], "rate": RATE, "rows": len(X)}
    report("digits", "accuracy", data, ours, theirs, baseline, settings)


if __name__ == "__main__":
    main()
