"""Where the time of a training goes.

In: what ``fit`` takes, or a table. Out: the ``Profile`` of some steps, kernel by kernel. The network keeps
its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.data import Preprocessor, only_with_target, read_table, task_of
from deltarule.errors import DataError
from deltarule.nn import Module
from deltarule.optim import Adam
from deltarule.train.choices import LOSSES, network_for
from deltarule.train.epoch import looped
from deltarule.train.loop import Training

if TYPE_CHECKING:
    from deltarule.compile.profile import Profile

STEPS = 100  # of one call
CALLS = 3


def profile_fit(
    net: Module,
    X: Any,
    y: Any,
    *,
    loss: Any = "mse",
    optimizer: Any = "adam",
    batch_size: int | None = 32,
) -> Profile:
    """Time the kernels of a training step: gather, forward, loss, backward, update.

    Parameters
    ----------
    net, X, y, loss, optimizer, batch_size
        As ``fit`` takes them. A new network is initialized; weights are not changed.

    Returns
    -------
    Profile
        Print it; ``rows`` holds the kernels.

    Raises
    ------
    CompileError
        Where programs are interpreted: DELTARULE_BACKEND is numpy.
    DataError
        As ``fit`` raises it.

    Examples
    --------
    >>> import os, numpy as np, deltarule as dr
    >>> X, y = np.ones((64, 8)), np.ones((64, 1))
    >>> net = dr.Sequential(dr.Dense(16, "relu"), dr.Dense(1))
    >>> if os.environ.get("DELTARULE_BACKEND") != "numpy":
    ...     assert "contract" in {row.kind for row in dr.profile_fit(net, X, y).rows}
    """
    from deltarule.compile.profile import Clocked
    from deltarule.compile.program import Executable

    training = Training(
        net,
        X,
        y,
        loss=loss,
        optimizer=optimizer,
        epochs=1,
        batch_size=batch_size,
        validation=None,
        metrics=(),
        train_metrics=(),
        sample_weight=None,
        class_weight=None,
        shuffle=True,
        seed=0,
        callbacks=(),
        resume=None,
    )
    epochs = training.epochs
    rng = np.random.default_rng(0)
    batches = rng.integers(0, training.data.rows, (STEPS, training.batch))
    staged, form = epochs.stage(training.batch), epochs.form
    clocked = Clocked(Executable(looped(staged), form=form))
    given = [*staged.captured, *epochs.fixed, *training.leaves, batches]
    for _ in range(CALLS):
        clocked(*given)
    return clocked.profile()


def profile_table(
    source: Any,
    target: str,
    *,
    hidden: Sequence[int] = (128, 64),
    batch_size: int = 64,
) -> Profile:
    """Time the training step of the network that ``train_table`` makes for a table.

    Parameters
    ----------
    source, target, hidden, batch_size
        As ``train_table`` takes them.

    Raises
    ------
    TableError, DataError
        The table cannot be read, has no such column, or no rows.
    """
    table, _ = only_with_target(read_table(source), target)
    if not table.num_rows:
        raise DataError(f"no row of {source} has a value of {target}: there is nothing to train on")
    prepared = Preprocessor.fit(table, target, task_of(target, table[target]), ())
    return profile_fit(
        network_for(prepared, hidden),
        prepared.inputs(table),
        prepared.targets(table),
        loss=LOSSES[prepared.task],
        optimizer=Adam(),
        batch_size=batch_size,
    )
