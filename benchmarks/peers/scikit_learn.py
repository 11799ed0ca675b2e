"""scikit-learn's MLPClassifier and MLPRegressor, continued by warm start."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from . import NotForThisJob, Training
from jobs import Job


def training(job: Job, X: Any, y: Any) -> Training:
    """Some epochs a call; it computes in the dtype of the inputs."""
    if job.normalize:
        raise NotForThisJob("it has no normalization")
    kind = MLPClassifier if job.classes else MLPRegressor
    model = kind(
        hidden_layer_sizes=job.sizes[1:-1],
        activation=job.activation,
        solver=job.rule,
        alpha=0.0,
        batch_size=job.batch,
        learning_rate_init=job.rate,
        momentum=0.0,
        shuffle=not job.full,
        max_iter=job.epochs,
        n_iter_no_change=10**9,  # all epochs, whatever the loss does
        tol=0.0,
        warm_start=True,
        random_state=0,
    )
    target = y if job.classes or job.sizes[-1] > 1 else y[:, 0]

    def run() -> None:
        with warnings.catch_warnings():  # it warns that the epochs asked for were run
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, target)

    return Training(run, job.steps * job.epochs)
