"""The training loop: forward, error, backward, update, repeat; what the texts on backpropagation describe, as ``fit``.

In: a network, data, a loss, an update rule. Out: the network trained in place, and the ``Run``.
"""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive import stage
from deltarule.derive.tree import flatten, tree_map
from deltarule.errors import DataError, NonFiniteLoss
from deltarule.nn import Loss, Module, loss_of
from deltarule.optim import optimizer_of
from deltarule.program import random
from deltarule.program.types import ArrayType
from deltarule.train.callbacks import Callback, Moment
from deltarule.train.epoch import Carry, Epochs, arrays, first_not_finite, stage_program
from deltarule.train.metrics import Metric, metrics_of
from deltarule.train.prepare import Array, check_labels, prepare
from deltarule.train.progress import Quiet, showing
from deltarule.train.run import Run


def fit(
    net: Module,
    X: Any,
    y: Any,
    *,
    loss: Any = "mse",
    optimizer: Any = "adam",
    epochs: int = 20,
    batch_size: int = 32,
    validation: Any = None,
    metrics: Any = (),
    sample_weight: Any = None,
    class_weight: Any = None,
    shuffle: bool = True,
    progress: bool | None = None,
    seed: int | None = None,
    callbacks: Sequence[Callback] = (),
    resume: Run | None = None,
) -> Run:
    """Train a network in place, continuing from its weights; a new network is initialized first.

    Each epoch goes once through the rows in an order that is a function of (seed, epoch), in batches; each batch is one step:
    forward, loss, backward, update. The last batch may be smaller. Losses are means over the rows of a batch.

    Parameters
    ----------
    net : Module
        The network.
    X : array (rows, ...)
        Inputs.
    y : array (rows,) or (rows, outputs)
        Targets: floats, or class indices for cross_entropy.
    loss : str or callable
        mse, half_squared_error, mae, cross_entropy, binary_cross_entropy (both from raw outputs), or a function
        (outputs, targets) -> a number or one per row, in NumPy.
    optimizer : str or rule
        "adam", "sgd", ``dr.Adam(1e-3)``, ``dr.SGD(0.1, momentum=0.9)``, or an object with ``init`` and ``step``.
    epochs, batch_size : int
        Passes through the rows, and rows per step.
    validation : float, (X, y), or None
        A fraction of the rows held out, or other rows; val_loss and metrics are taken there.
    metrics : str, callable, or a sequence of these
        accuracy, mae, rmse, r2, or functions of (outputs, targets).
    sample_weight : array (rows,), optional
        Weight of each row's loss, scaled to mean 1.
    class_weight : dict or "balanced", optional
        Weight of each class.
    shuffle : bool
        Another order in each epoch.
    progress : bool, optional
        True shows figures, False nothing; by default a bar in a terminal and nothing in a pipe.
    seed : int, optional
        Everything random follows from it; drawn, and kept in the Run, where none is given.
    callbacks : sequence of Callback
        Hooks between epochs, such as ``dr.EarlyStopping()``.
    resume : Run, optional
        Continue this run: its optimizer state, seed and epoch count, to the same bits as one longer run.

    Returns
    -------
    Run

    Raises
    ------
    DataError, ShapeError
        Before the first step, where data and network do not fit.
    NonFiniteLoss
        Where the loss becomes NaN or infinite; the last good weights are kept.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = np.array([0.0, 1.0, 1.0, 0.0])
    >>> net = dr.Sequential(dr.Dense(8, "tanh"), dr.Dense(1))
    >>> run = dr.fit(net, X, y, optimizer=dr.Adam(0.05), epochs=300, batch_size=4, seed=0)
    >>> (net(X)[:, 0] > 0.5).tolist()
    [False, True, True, False]
    """
    training = Training(net, X, y, loss, optimizer, epochs, batch_size, validation, metrics,
                        sample_weight, class_weight, shuffle, seed, callbacks, resume)  # fmt: skip
    with showing(progress, epochs, training.data.rows) as display:
        return training.run(display)


class Training:
    """One call of ``fit``: everything checked, traced and ready, then ``run``."""

    def __init__(
        self, net: Module, X: Any, y: Any, loss: Any, optimizer: Any, epochs: int, batch_size: int, validation: Any,
        metrics: Any, sample_weight: Any, class_weight: Any, shuffle: bool, seed: int | None, callbacks: Sequence[Callback],
        resume: Run | None,
    ) -> None:  # fmt: skip
        whole_number("epochs", epochs, 0)
        whole_number("batch_size", batch_size, 1)
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise DataError(f"callbacks are objects of dr.Callback, not {callback!r}")
        if resume is not None and seed not in (None, resume.seed):
            raise DataError(f"resume continues a run of seed {resume.seed}; seed={seed} was given")
        self.net, self.epochs, self.shuffle, self.callbacks = net, epochs, shuffle, callbacks
        self.loss: Loss = loss_of(loss)
        self.metrics: dict[str, Metric] = metrics_of(metrics)
        self.optimizer = optimizer_of(optimizer)
        self.seed = (
            resume.seed if resume is not None else secrets.randbits(32) if seed is None else seed
        )
        self.data = prepare(
            net, X, y, self.loss, validation, sample_weight, class_weight, self.seed
        )
        self.batch = min(batch_size, self.data.rows)
        self._initialize()
        self.key = random.fold_in(random.key(self.seed), random.site("training"))
        self.carry = self._first_carry(resume)
        self.record = resume or Run({}, self.seed)
        if resume is None:
            self.record.history["loss"] = []
        self.chunks = Epochs(
            net, self.loss, self.optimizer, self.carry, self.key, self.data, self.batch, epochs
        )

    def _initialize(self) -> None:
        net, data = self.net, self.data
        shape = (self.batch, *data.inputs.shape[1:])
        if not net.built:
            net.init(shape, self.seed, net.dtype)
        outputs = stage(lambda x: [net(x)], [ArrayType(shape, net.dtype)]).graph.result_types[0]
        if self.loss.classes and outputs.shape:
            check_labels(data.targets, outputs.shape[-1])
            if data.held is not None:
                check_labels(data.held[1], outputs.shape[-1], "validation y")

    def _first_carry(self, resume: Run | None) -> Carry:
        params, state = self.net.params, self.net.state
        if resume is None or resume.carry is None:
            return _as_arrays(Carry(params, state, self.optimizer.init(params), np.int64(0)))
        old: Carry = resume.carry
        if flatten(old.opt_state)[1] != flatten(self.optimizer.init(params))[1]:
            raise DataError(
                "resume: the optimizer is of another kind than that of the run to continue"
            )
        return _as_arrays(Carry(params, state, old.opt_state, old.count))

    def run(self, display: Quiet) -> Run:
        """All epochs; the network holds the result, also when interrupted."""
        record, start = self.record, time.perf_counter()
        done = record.epochs
        moment = Moment(self.net, done, {})
        self._call("on_start", moment)
        try:
            for epoch in range(done, done + self.epochs):
                logs = self._epoch(epoch, display)
                moment = Moment(self.net, epoch + 1, logs)
                self._record(logs)
                display.epoch(epoch + 1, logs)
                self._call("on_epoch", moment)
                if moment.reason:
                    record.stopped = moment.reason
                    break
        except KeyboardInterrupt:
            record.stopped = "interrupted"
            self._publish()
            warnings.warn(
                "training was interrupted; the network keeps the weights reached so far",
                stacklevel=3,
            )
        record.seconds += time.perf_counter() - start
        record.carry = self.carry
        self._call("on_end", moment)
        return record

    def _epoch(self, epoch: int, display: Quiet) -> dict[str, float]:
        start = time.perf_counter()
        rows = self.data.rows
        order = random.permutation(self.seed, epoch, rows) if self.shuffle else np.arange(rows)
        losses, seen = [], 0
        for program, part in self.chunks.chunks(order):
            before = self.carry
            self.carry, found = program(before, self.key, self.data, part, self.batch)
            if not np.isfinite(found).all():
                self._fail(before, part, epoch)
            losses.append(found)
            seen += len(part)
            display.rows(seen)
        self._publish()
        logs = {"loss": mean_loss(np.concatenate(losses), rows, self.batch), **self._evaluate()}
        logs["rows_per_second"] = rows / (time.perf_counter() - start)
        return logs

    def _publish(self) -> None:
        self.net.params, self.net.state = self.carry.params, self.carry.state

    def _evaluate(self) -> dict[str, float]:
        """Loss and metrics on held-out rows; metrics on the training rows where none are held out."""
        held = self.data.held
        if held is None and not self.metrics:
            return {}
        X, y = (self.data.inputs, self.data.targets) if held is None else held
        outputs = self.net(X)
        prefix = "" if held is None else "val_"
        logs = {} if held is None else {"val_loss": float(self.loss(outputs, y))}
        return logs | {
            prefix + name: float(metric(outputs, y)) for name, metric in self.metrics.items()
        }

    def _record(self, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            self.record.history.setdefault(name, []).append(value)

    def _call(self, hook: str, moment: Moment) -> None:
        """Run a hook; weights that it set are taken over."""
        if not self.callbacks:
            return
        for callback in self.callbacks:
            getattr(callback, hook)(moment)
        params, state = self.net.params, self.net.state
        self.carry = _as_arrays(Carry(params, state, self.carry.opt_state, self.carry.count))

    def _fail(self, carry: Carry, order: Array, epoch: int) -> None:
        """Repeat the chunk step by step from its start; keep the last good weights; name step and place."""
        good, batch = carry, self.batch
        for i in range(0, len(order), batch):
            rows = order[i : i + batch]
            program = self.chunks.program(*((1, 0) if len(rows) == batch else (0, len(rows))))
            after, found = program(carry, self.key, self.data, rows, batch)
            if not np.isfinite(found).all():
                break
            good = carry if all(np.isfinite(p).all() for p in flatten(carry.params)[0]) else good
            carry = after
        place = first_not_finite(*self._single(carry, rows))
        self.carry = good
        self._publish()
        raise NonFiniteLoss(
            f"the loss became {float(found[-1])} in epoch {epoch + 1}, step {int(carry.count) + 1}. The first number that is not "
            f"finite is that of {place}. The network keeps the weights of step {int(good.count)}. Scale inputs and targets to "
            "about 1, or lower the learning rate"
        )

    def _single(self, carry: Carry, rows: Array) -> tuple[Any, list[Any]]:
        """The graph of one step on ``rows``, without a loop, and its arguments."""
        staged = stage_program(
            self.chunks.step, carry, self.key, self.data, 0, self.batch, len(rows)
        )
        return staged.graph, [
            *flatten(carry)[0],
            self.key,
            *arrays(self.data),
            rows,
            *staged.captured,
        ]


def mean_loss(losses: Array, rows: int, batch: int) -> float:
    """Mean over rows from the means of batches, the last of which may be smaller."""
    sizes = np.full(len(losses), batch, float)
    sizes[-1] = rows - batch * (len(losses) - 1)
    return float(np.sum(losses.astype(float) * sizes) / rows)


def whole_number(name: str, value: Any, least: int) -> None:
    """Raise where a setting is no integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise DataError(f"{name} must be a whole number of at least {least}, not {value!r}")


def _as_arrays(carry: Carry) -> Carry:
    return tree_map(lambda x: x if isinstance(x, np.ndarray) else np.asarray(x), carry)  # type: ignore[no-any-return]
