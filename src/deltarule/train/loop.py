"""The training loop of the texts, ``fit``: forward, error, backward, update, repeat.

In: a network, data, a loss, an update rule. Out: the network trained in place, and the ``Run``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive import stage
from deltarule.derive.tree import flatten, tree_map, unflatten
from deltarule.derive.ufuncs import network_types
from deltarule.errors import DataError, NonFiniteLoss, ShapeError
from deltarule.nn import Loss, Module, loss_of
from deltarule.optim import optimizer_of
from deltarule.program import random, type_of
from deltarule.program.types import ArrayType
from deltarule.train.callbacks import Callback, Moment
from deltarule.train.epoch import Carry, Epochs, Program, step_of
from deltarule.train.evaluate import Evaluation
from deltarule.train.failure import Stretch, find_failure, finite
from deltarule.train.metrics import Metric, metrics_of
from deltarule.train.order import BLOCK_ROWS, MANY, Orders
from deltarule.train.pace import Pace
from deltarule.train.pairing import check_pairing
from deltarule.train.prepare import Array, check_classes, prepare
from deltarule.train.progress import Quiet, showing
from deltarule.train.record import record_of
from deltarule.train.run import Run
from deltarule.train.settings import (
    callbacks_of,
    one_array,
    seed_of,
    shapes_of,
    trainable,
    whole_number,
)


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

    Each epoch goes once through the rows in an order that is a function of (seed, epoch), in
    batches; each batch is one step: forward, loss, backward, update. The last batch may be smaller.
    Losses are means over the rows of a batch; that of an epoch in the history is the mean over its
    rows, each taken before the update of its step.

    Parameters
    ----------
    net : Module
        The network.
    X : array (rows, ...)
        Inputs.
    y : array (rows,) or (rows, outputs)
        Targets: floats, or class indices for cross_entropy.
    loss : str or callable
        mse, half_squared_error, mae, huber, cross_entropy, binary_cross_entropy (both from raw
        outputs), or a function (outputs, targets) -> a number, or one per row, in NumPy. Such a
        function gets integer targets as integers.
    optimizer : str or rule
        "adam", "sgd" or another's name; ``dr.AdamW(1e-3)``, ``dr.SGD(dr.CosineDecay(0.1, 5000))``,
        ``dr.Clip(dr.Adam(), norm=1.0)``; or an object with ``init`` and ``step``.
    epochs, batch_size : int
        Passes through the rows, and rows per step.
    validation : float, (X, y), or None
        A fraction of the rows held out, or other rows; val_loss and metrics are taken there.
    metrics : str, callable, or a sequence of these
        accuracy, mae, rmse, r2, or functions of (outputs, targets); on the validation rows where
        there are some.
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
        Continue this run from the network's weights, with its optimizer state, seed and epoch
        count: to the same bits as one longer run, where the weights are those that it left.

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
    training = Training(
        net,
        X,
        y,
        loss=loss,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        metrics=metrics,
        sample_weight=sample_weight,
        class_weight=class_weight,
        shuffle=shuffle,
        seed=seed,
        callbacks=callbacks,
        resume=resume,
    )
    done = training.record.epochs
    with showing(progress, done + epochs, epochs * training.data.rows) as display:
        run = training.run(display)
    net.trained = record_of(run)
    return run


class Training:
    """One call of ``fit``: everything checked, traced and ready, then ``run``."""

    def __init__(
        self,
        net: Module,
        X: Any,
        y: Any,
        *,
        loss: Any,
        optimizer: Any,
        epochs: int,
        batch_size: int,
        validation: Any,
        metrics: Any,
        sample_weight: Any,
        class_weight: Any,
        shuffle: bool,
        seed: int | None,
        callbacks: Any,
        resume: Run | None,
    ) -> None:
        whole_number("epochs", epochs, 0)
        whole_number("batch_size", batch_size, 1)
        self.net = trainable(net)
        self.callbacks = callbacks_of(callbacks)
        self.loss: Loss = loss_of(loss)
        self.metrics: dict[str, Metric] = metrics_of(metrics, self.loss)
        self.optimizer = optimizer_of(optimizer)
        self.seed = seed_of(seed, resume)
        weights = sample_weight, class_weight
        self.data = prepare(net, X, y, self.loss, validation, *weights, self.seed)
        self.batch = min(batch_size, self.data.rows)
        self._initialize()
        self.key = random.fold_in(random.key(self.seed), random.site("training"))
        carry = self._first_carry(resume)
        self.leaves, self.spec = flatten(carry)
        self.dtype = net.dtype
        self.slots = flatten(net.slots())[0]  # of the first leaves
        self.record = self._first_record(resume)
        self.begun = self.record.epochs, int(carry.count)
        self.last = self.record.epochs + epochs
        self.watched = bool(self.callbacks or self.metrics or self.data.held)
        step = step_of(net, self.loss, self.optimizer)
        self.epochs = Epochs(step, carry, self.key, self.data, self.batch, epochs)
        many = self.epochs.native and epochs * self.data.rows >= MANY
        self.orders = Orders(self.seed, self.data.rows, shuffle, many)
        self.steppers = tuple(callback for callback in self.callbacks if callback.steps)
        every = [callback.every for callback in self.steppers]
        self.pace = Pace(self.epochs.one.seconds, every)
        self.steps = int(carry.count)
        self.reason = ""
        self.stretches: list[Stretch] = []
        self.evaluation: Evaluation | None = None  # made when it is wanted first

    def _initialize(self) -> None:
        """Weights, where there are none; then a check that data, network and loss fit."""
        net, data = self.net, self.data
        if not net.built:
            net.init((self.batch, *data.inputs.shape[1:]), self.seed, net.dtype)
        if not net.params:
            raise DataError(f"{net!r} has no weights: there is nothing to train")
        for inputs, targets in ((data.inputs, data.targets), data.held or (None, None)):
            if inputs is not None:
                self._check_types(type_of(inputs), type_of(targets))

    def _check_types(self, inputs: ArrayType, targets: ArrayType) -> None:
        with network_types():
            (outputs,) = stage(lambda x: [one_array(self.net(x))], [inputs]).graph.result_types
            if outputs.shape[:1] != inputs.shape[:1]:
                raise ShapeError(
                    f"the network returned shape {outputs.shape} for inputs of shape "
                    f"{inputs.shape}; its first axis must count the rows"
                )
            check_pairing(self.loss, outputs, targets)
            if self.loss.classes:
                check_classes(self.data, outputs.shape)
            stage(lambda y, t: [self.loss(y, t)], [outputs, targets])

    def _first_carry(self, resume: Run | None) -> Carry:
        params, state = self.net.params, self.net.state
        fresh = Carry(params, state, self.optimizer.init(params), np.int64(0))
        if resume is not None:
            old = resume.carry
            if old is None:
                raise DataError("resume: the run holds no state of an optimizer to continue from")
            if shapes_of(old.opt_state) != shapes_of(fresh.opt_state):
                raise DataError(
                    "resume: the optimizer or the network is of another kind than in the run to "
                    "continue"
                )
            fresh = Carry(params, state, old.opt_state, old.count)
        return tree_map(np.asarray, fresh)  # type: ignore[no-any-return]

    def _first_record(self, resume: Run | None) -> Run:
        names = self._figures()
        if resume is None:
            return Run({name: [] for name in names}, self.seed)
        if set(resume.history) != set(names):
            raise DataError(
                f"resume: the run recorded {', '.join(resume.history)}, this call records "
                f"{', '.join(names)}; give the same validation and metrics"
            )
        history = {name: list(values) for name, values in resume.history.items()}
        return Run(history, self.seed, resume.seconds)

    def _figures(self) -> tuple[str, ...]:
        """Names of what an epoch records."""
        held = self.data.held is not None
        metrics = [f"val_{name}" if held else name for name in self.metrics]
        return ("loss", *(["val_loss"] if held else []), *metrics, "rows_per_second")

    # --- epochs ---

    def run(self, display: Quiet) -> Run:
        """All epochs; the network holds the result, also when interrupted."""
        record, start = self.record, time.perf_counter()
        moment = self._moment({})
        self._call("on_start", moment, self.callbacks)
        try:
            while record.epochs < self.last and not self.reason:
                moment = self._block(record.epochs, self._together(), display)
            record.stopped = self.reason if record.epochs < self.last else ""
            self._check_weights()
        except KeyboardInterrupt:
            record.stopped = "interrupted"
            message = "training was interrupted; the network keeps the weights reached so far"
            warnings.warn(message, stacklevel=3)
        finally:
            self._publish()
        record.seconds += time.perf_counter() - start
        record.carry = self.carry
        self._call("on_end", moment, self.callbacks)
        return record

    def _together(self) -> int:
        """How many epochs to run now: several short ones where nobody looks between them."""
        if self.watched:
            return 1
        most = min(self.pace.steps // self.epochs.steps, BLOCK_ROWS // self.data.rows)
        return max(1, min(most, self.last - self.record.epochs))

    def _block(self, first: int, count: int, display: Quiet) -> Moment:
        """Some epochs, one after the other; what is known after the last."""
        runs = self.epochs.runs(self.orders(first, count))  # compiled, where they are new
        start = time.perf_counter()
        losses = self._train(runs, display).reshape(count, -1)
        speed = count * self.data.rows / (time.perf_counter() - start)
        means = mean_losses(losses, self.data.rows, self.batch)
        others = {**self._evaluate(), "rows_per_second": speed}
        self.record.history["loss"] += means
        for name, value in others.items():
            self.record.history[name] += [value] * count
        display.epochs(first, means, others)
        moment = self._moment({"loss": means[-1], **others})
        if self.callbacks:
            self._publish()
            self._call("on_epoch", moment, self.callbacks)
        return moment

    def _moment(self, logs: dict[str, float]) -> Moment:
        """What a hook is given now."""
        return Moment(self.net, self.record.epochs, logs, self._figures(), self.steps)

    def _train(self, runs: Sequence[tuple[Program, Array]], display: Quiet) -> Array:
        """The losses of all steps."""
        losses = []
        for program, batches in runs:
            for part in self.pace.pieces(batches, self.steps):
                losses.append(self._piece(Stretch(program, self.leaves, part)))
                display.rows(part.size)
        return np.concatenate(losses)

    def _piece(self, piece: Stretch) -> Array:
        """The losses of some steps, done by one call of native code."""
        self.stretches = [*self.stretches[-1:], piece]
        start = time.perf_counter()
        self.leaves, losses = piece.program(piece.start, piece.batches)
        self.pace.saw(len(losses), time.perf_counter() - start)
        if not np.isfinite(losses).all():
            self._fail()
        self.steps += len(losses)
        if due := [c for c in self.steppers if self.steps % c.every == 0]:
            self._publish()
            self._call("on_step", self._moment({"loss": float(losses[-1])}), due)
        return losses

    @property
    def carry(self) -> Carry:
        """Weights, state and the rule's state as they are now."""
        return unflatten(self.spec, self.leaves)  # type: ignore[no-any-return]

    def _publish(self) -> None:
        """Give the network its current weights and state."""
        if self.net.dtype != self.dtype:  # a callback set weights of another float type
            self.net.params = self.carry.params
        for slot, value in zip(self.slots, self.leaves, strict=False):
            slot.write(value)

    def _evaluate(self) -> dict[str, float]:
        """Loss and metrics on held-out rows; metrics on all rows where none are held out."""
        held = self.data.held
        if held is None and not self.metrics:
            return {}
        X, y = (self.data.inputs, self.data.targets) if held is None else held
        if self.evaluation is None:
            self.evaluation = Evaluation(self.net, self.carry, X, self.last - self.record.epochs)
        outputs = self.evaluation(self.carry)
        prefix = "" if held is None else "val_"
        with np.errstate(all="ignore"):
            logs = {} if held is None else {"val_loss": float(self.loss(outputs, y))}
        return logs | {prefix + name: float(f(outputs, y)) for name, f in self.metrics.items()}

    def _call(self, hook: str, moment: Moment, callbacks: Sequence[Callback]) -> None:
        """Run a hook; weights that it set are taken over."""
        for callback in callbacks:
            getattr(callback, hook)(moment)
        self.reason = self.reason or moment.reason
        if callbacks:
            pairs = zip(self.slots, self.leaves, strict=False)
            found = [_like(slot.read(), value, hook) for slot, value in pairs]
            self.leaves = [*found, *self.leaves[len(found) :]]

    # --- numbers that are not finite ---

    def _check_weights(self) -> None:
        """The last update may have spoilt the weights, which no later loss would tell."""
        if self.stretches and not finite(flatten(self.carry.params)[0]):
            self._fail()

    def _fail(self) -> None:
        """Keep the last good weights; name step and place."""
        failure = find_failure(self.epochs, self.stretches)
        start = unflatten(self.spec, self.stretches[0].start)
        if failure is None:
            self.leaves = list(self.stretches[-1].start)
            raise NonFiniteLoss(
                "the loss became NaN or infinite, but not when the steps were repeated"
            )
        step = int(start.count) + failure.index
        done, steps_done = self.begun
        epoch = done + (step - steps_done) // self.epochs.steps
        self.leaves = list(failure.good)
        what = (
            "the loss became"
            if not np.isfinite(failure.loss)
            else "the weights are not finite, at a loss of"
        )
        raise NonFiniteLoss(
            f"{what} {failure.loss:g} in epoch {epoch + 1}, step {step + 1}. The first number that "
            f"is not finite is that of {failure.place}. The network keeps the weights of step "
            f"{int(self.carry.count)}. Scale inputs and targets to about 1, or lower the learning "
            "rate"
        )


def _like(new: Any, old: Array, hook: str) -> Array:
    """An array that a callback may have set, in the type of the one before it."""
    if np.shape(new) != old.shape:
        raise ShapeError(
            f"{hook} of a callback set an array of shape {np.shape(new)} where {old.shape} is needed"
        )
    return np.asarray(new, old.dtype)


def mean_losses(losses: Array, rows: int, batch: int) -> list[float]:
    """Mean over rows of each epoch, from the means of its batches, whose last may be smaller."""
    epochs = losses.astype(float)
    last = rows - batch * (epochs.shape[1] - 1)
    totals = batch * epochs[:, :-1].sum(axis=1) + last * epochs[:, -1]
    return [float(total) for total in totals / rows]
