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
from deltarule.derive.tree import flatten, unflatten
from deltarule.derive.ufuncs import network_types
from deltarule.errors import DataError, NonFiniteLoss, ShapeError
from deltarule.nn import Loss, Module, loss_of
from deltarule.nn.tuning import Tunings
from deltarule.optim import check_batches, grouped, optimizer_of, searches
from deltarule.program import random, type_of
from deltarule.program.types import ArrayType
from deltarule.train.callbacks import Callback, Moment
from deltarule.train.epoch import Carry, Epochs, Program, is_random, step_of
from deltarule.train.failure import Stretch, find_failure, finite
from deltarule.train.figures import SPEED
from deltarule.train.habits import FIT, hints
from deltarule.train.judge import Judge
from deltarule.train.order import BLOCK_ROWS, MANY, Orders
from deltarule.train.outputs import check_outputs
from deltarule.train.pace import Pace
from deltarule.train.pairing import check_pairing
from deltarule.train.plateaus import Plateaus
from deltarule.train.prepare import Array, check_classes, prepare
from deltarule.train.progress import Quiet, showing
from deltarule.train.recall import recalled
from deltarule.train.record import record_of
from deltarule.train.resume import first_carry
from deltarule.train.run import INTERRUPTED, Run
from deltarule.train.settings import (
    callbacks_of,
    one_array,
    seed_of,
    trainable,
    truth,
    whole_number,
)


@hints(FIT)
def fit(
    net: Module,
    X: Any,
    y: Any,
    *,
    loss: Any = "mse",
    optimizer: Any = "adam",
    epochs: int = 20,
    batch_size: int | None = 32,
    validation: Any = None,
    metrics: Any = (),
    train_metrics: Any = (),
    sample_weight: Any = None,
    class_weight: Any = None,
    shuffle: bool = True,
    progress: bool | None = None,
    seed: int | None = None,
    callbacks: Any = (),
    resume: Run | None = None,
) -> Run:
    """Train a network in place, continuing from its weights; a new network is initialized first.

    Each epoch goes once through the rows in an order that is a function of (seed, epoch), in
    batches; each batch is one step: forward, loss, backward, update. The last batch may be smaller.
    Losses are means over the rows of a batch; that of an epoch in the history is the mean over its
    rows, each taken before the update of its step. Where ``net.tune`` adds penalties, what is minimized
    is loss + penalty: the history has both, and loss stays comparable with val_loss.

    Parameters
    ----------
    net : Module
        The network.
    X : array (rows, ...)
        Inputs.
    y : array (rows,) or (rows, outputs)
        Targets: floats; or class indices for cross_entropy, focal and hinge.
    loss : str or callable
        mse, half_squared_error, mae, huber, cross_entropy, binary_cross_entropy (both from raw
        outputs), or a function (outputs, targets) -> a number, or one per row, in NumPy. Such a
        function gets integer targets as integers.
    optimizer : str or rule
        "adam", "sgd" or another's name; ``dr.AdamW(1e-3)``, ``dr.SGD(dr.CosineDecay(0.1, 5000))``,
        ``dr.Clip(dr.Adam(), norm=1.0)``; or an object with ``init`` and ``step``.
    epochs : int
        Passes through the rows.
    batch_size : int or None
        Rows per step; None takes all, which ``dr.LBFGS`` and ``dr.Rprop`` need.
    validation : float, (X, y), (X, y, sample_weight), function, or None
        A fraction of the rows, drawn by the seed and in equal shares of each class; other rows; or a
        function of the network, called after every epoch, that returns a number or a dict of names
        and numbers. What is found is recorded under names with val_: val_loss, val_accuracy, and
        val_NAME for a function called NAME.
    metrics : str, callable, or a sequence or dict of these
        accuracy, mae, rmse, r2 and others, or functions of (outputs, targets), which a dict gives
        names; on the rows held out, without such on the training rows.
    train_metrics : str, callable, or a sequence or dict of these
        Metrics on the training rows beside those held out. They cost an evaluation of these rows.
    sample_weight : array (rows,), optional
        Weight of each row's loss, scaled to mean 1. val_loss is weighted in the same way, with the
        weights of its own rows; metrics count each row once.
    class_weight : dict or "balanced", optional
        Weight of each class, in val_loss too.
    shuffle : bool
        Another order in each epoch.
    progress : bool, optional
        True shows figures, False nothing. By default a bar in a terminal or notebook, and in a pipe
        a line now and then where a training takes longer than half a minute.
    seed : int, optional
        Everything random follows from it; drawn, and kept in the Run, where none is given.
    callbacks : Callback, function, or a sequence of these
        Hooks between epochs, such as ``dr.EarlyStopping()``; a function is called after each epoch
        with a ``dr.Moment``.
    resume : Run, optional
        Continue this run from the network's weights, with its optimizer state, seed and epoch
        count: to the same bits as one longer run, where the weights are those that it left.
        ``dr.Run.load(path)`` reads it from the file of a ``dr.Checkpoint``.

    Returns
    -------
    Run

    Raises
    ------
    DataError, ShapeError, ArgumentError
        Before the first step, where data, settings and network do not fit.
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
        train_metrics=train_metrics,
        sample_weight=sample_weight,
        class_weight=class_weight,
        shuffle=shuffle,
        seed=seed,
        callbacks=callbacks,
        resume=resume,
    )
    done = training.record.epochs
    with showing(progress, done, done + epochs, epochs * training.data.rows) as display:
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
        batch_size: int | None,
        validation: Any,
        metrics: Any,
        train_metrics: Any,
        sample_weight: Any,
        class_weight: Any,
        shuffle: bool,
        seed: int | None,
        callbacks: Any,
        resume: Run | None,
    ) -> None:
        whole_number("epochs", epochs, 0)
        if batch_size is not None:
            whole_number("batch_size", batch_size, 1)
        truth("shuffle", shuffle)
        self.net = trainable(net)
        self.callbacks = callbacks_of(callbacks)
        self.loss: Loss = loss_of(loss)
        self.optimizer = optimizer_of(optimizer)
        self.plateaus = Plateaus(self.optimizer)
        self.seed = seed_of(seed, resume)
        weights = sample_weight, class_weight
        self.data = prepare(net, X, y, self.loss, validation, *weights, self.seed)
        given = metrics, train_metrics, validation
        self.judge = Judge(net, self.data, self.loss, *given)
        self.batch = min(batch_size or self.data.rows, self.data.rows)
        check_batches(self.optimizer, self.data.rows, self.batch)
        self._initialize()
        self.tuned = Tunings.of(net)
        before = {} if resume is None else resume.history
        self.with_penalty = self.tuned.penalized or "penalty" in before
        self.key = random.fold_in(random.key(self.seed), random.site("training"))
        rule, params = grouped(self.optimizer, self.tuned.factors), net.params
        carry = first_carry(params, net.state, rule.init(self.tuned.trained(params)), resume)
        if resume is not None and searches(rule):
            carry = recalled(net, self.loss, rule, self.data, carry, self.key)
        self.leaves, self.spec = flatten(carry)
        self.dtype = net.dtype
        self.slots = flatten(net.slots())[0]  # of the first leaves
        self.record = self._first_record(resume)
        self.begun = self.record.epochs, int(carry.count)
        self.last = self.record.epochs + epochs
        self.watched = bool(self.callbacks or self.plateaus.places) or not self.judge.idle
        step = step_of(net, self.loss, self.optimizer)
        self.epochs = Epochs(step, carry, self.key, self.data, self.batch, self.last)
        if searches(self.optimizer) and is_random(self.epochs.staged[self.batch].graph):
            raise DataError(
                f"{type(self.optimizer).__name__} compares losses at several weights, and this network "
                "or loss draws random numbers (dropout, noise): leave them out, or use dr.Adam()"
            )
        many = self.epochs.native and epochs * self.data.rows >= MANY
        self.orders = Orders(self.seed, self.data.rows, shuffle, many)
        self.steppers = tuple(callback for callback in self.callbacks if callback.steps)
        every = [callback.every for callback in self.steppers]
        self.pace = Pace(self.epochs.one.seconds, every)
        self.steps = int(carry.count)
        self.reason = ""
        self.penalties: list[Array] = []  # of the steps since an epoch was recorded
        self.stretches: list[Stretch] = []

    def _initialize(self) -> None:
        """Weights, where there are none; then a check that data, network and loss fit."""
        net, data = self.net, self.data
        if not net.built:
            net.init((self.batch, *data.inputs.shape[1:]), self.seed, net.dtype)
        if not net.params:
            raise DataError(f"{net!r} has no weights: there is nothing to train")
        if not net.trainable:
            raise DataError(
                f"all weights of {net!r} are frozen: there is nothing to train; unfreeze some, "
                "net.unfreeze('dense2')"
            )
        self._check_types(type_of(data.inputs), type_of(data.targets))
        if data.held is not None:
            self._check_types(type_of(data.held.inputs), type_of(data.held.targets))

    def _check_types(self, inputs: ArrayType, targets: ArrayType) -> None:
        with network_types():
            graph = stage(lambda x: [one_array(self.net(x))], [inputs]).graph
            (outputs,) = graph.result_types
            if outputs.shape[:1] != inputs.shape[:1]:
                raise ShapeError(
                    f"the network returned shape {outputs.shape} for inputs of shape "
                    f"{inputs.shape}; its first axis must count the rows"
                )
            check_outputs(self.loss, graph.outputs[0])
            check_pairing(self.loss, outputs, targets)
            if self.loss.classes:
                check_classes(self.data, outputs.shape, self.loss)
            stage(lambda y, t: [self.loss(y, t)], [outputs, targets])

    def _first_record(self, resume: Run | None) -> Run:
        names = self._figures()
        self.plateaus.check(names)
        if resume is None:
            return Run({name: [] for name in names}, self.seed)
        old = resume.history
        if "penalty" in names:  # none before there was one
            old = {"loss": old["loss"], "penalty": [0.0] * resume.epochs, **old}
        fewer = self.judge.function is None and len(names) < len(old)
        if fewer or not set(names) <= set(old):
            raise DataError(
                f"resume: the run recorded {', '.join(old)}, this call records "
                f"{', '.join(names)}; give the same validation and metrics"
            )
        history = {name: list(values) for name, values in old.items()}
        done = resume.seconds, resume.stopped
        return Run(history, self.seed, *done, kept=dict(resume.kept))

    def _figures(self) -> tuple[str, ...]:
        """Names of what an epoch records, as far as they are known before it."""
        penalty = ["penalty"] if self.with_penalty else []
        rate = ["learning_rate"] if self.plateaus.places else []
        return ("loss", *penalty, *self.judge.names, *rate, SPEED)

    # --- epochs ---

    def run(self, display: Quiet) -> Run:
        """All epochs; the network holds the result, also when interrupted."""
        record = self.record
        self.start = time.perf_counter() - record.seconds
        moment = self._moment({})
        self._call("on_start", moment, self.callbacks)
        record.stopped = ""
        try:
            while record.epochs < self.last and not self.reason:
                moment = self._block(record.epochs, self._together(), display)
            record.stopped = self.reason if record.epochs < self.last else ""
            self._check_weights()
        except KeyboardInterrupt:
            record.stopped = INTERRUPTED
        finally:
            self._publish()
        self._call("on_end", self._moment(moment.logs), sorted(self.callbacks, key=_late))
        if record.stopped == INTERRUPTED:
            warnings.warn(self._interrupted(), stacklevel=4)
        return record

    def _interrupted(self) -> str:
        """What Ctrl-C leaves."""
        best = self.record.restored
        kept = f"of epoch {best}, the best" if best else "reached so far"
        return (
            f"training was interrupted; the network keeps the weights {kept}, after "
            f"{self.record.epochs} of {self.last} epochs"
        )

    def _together(self) -> int:
        """How many epochs to run now: several short ones where nobody looks between them."""
        if self.watched:
            return 1
        most = min(self.pace.steps // self.epochs.steps, BLOCK_ROWS // self.data.rows)
        return max(1, min(most, self.last - self.record.epochs))

    def _block(self, first: int, count: int, display: Quiet) -> Moment:
        """Some epochs, one after the other; what is known after the last."""
        orders = self.data.indices(self.orders(first, count))
        runs = self.epochs.runs(orders)  # compiled, where they are new
        start = time.perf_counter()
        losses = self._train(runs, display).reshape(count, -1)
        speed = count * self.data.rows / (time.perf_counter() - start)
        means = mean_losses(losses, self.data.rows, self.batch)
        if self.watched:
            self._publish()
        each = {"loss": means, **self._penalties(count)}
        found, rate = self.judge(self.carry, self.last), self.plateaus.rate(self.carry)
        others = {**found, **rate, SPEED: speed}
        self._record(each, others)
        now = {name: values[-1] for name, values in each.items()} | others
        display.epochs(first, means, now if count == 1 else others)
        if self.plateaus.places:
            self.leaves = flatten(self.plateaus.moved(self.carry, now))[0]
        moment = self._moment(now)
        self._call("on_epoch", moment, self.callbacks)
        return moment

    def _record(self, each: dict[str, list[float]], others: dict[str, float]) -> None:
        """Add epochs to the history: figures of each, and those that all have in common.

        A function of the network names its figures at the first epoch.
        """
        history = self.record.history
        if not self.record.epochs:
            self.record.history = history = {name: [] for name in (*each, *others)}
        if len(history) != len(others) + len(each) or not history.keys() > others.keys():
            raise DataError(
                f"validation gave {', '.join(others)} after epoch {self.record.epochs + 1}, and "
                f"{', '.join(name for name in history if name not in each)} before: the figures of "
                "all epochs have the same names"
            )
        count = len(each["loss"])
        for name, value in others.items():
            history[name] += [value] * count
        for name, values in each.items():
            history[name] += values

    def _penalties(self, count: int) -> dict[str, list[float]]:
        """The mean over rows of what was added to the loss in each epoch, where something is."""
        if not self.tuned.penalized:
            return {"penalty": [0.0] * count} if self.with_penalty else {}
        found, self.penalties = np.concatenate(self.penalties), []
        return {"penalty": mean_losses(found.reshape(count, -1), self.data.rows, self.batch)}

    def _moment(self, logs: dict[str, float]) -> Moment:
        """What a hook is given now."""
        record, more = self.record, self.judge.function is not None
        record.carry, record.seconds = self.carry, time.perf_counter() - self.start
        return Moment(self.net, record.epochs, logs, self._figures(), self.steps, record, more)

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
        self.leaves, losses, penalties = piece.program(piece.start, piece.batches)
        self.pace.saw(len(losses), time.perf_counter() - start)
        if not np.isfinite(losses).all():
            self._fail()
        self.penalties += [] if penalties is None else [penalties]
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

    def _call(self, hook: str, moment: Moment, callbacks: Sequence[Callback]) -> None:
        """Run a hook; weights that it set are taken over."""
        for callback in callbacks:
            getattr(callback, hook)(moment)
        self.reason = self.reason or moment.reason
        if hook in ("on_start", "on_epoch") and Tunings.of(self.net) != self.tuned:
            raise DataError(
                f"{hook} of a callback changed how weights are trained, which holds from the next fit "
                "on: end this one, and go on with dr.fit(..., resume=run)"
            )
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


def _late(callback: Callback) -> bool:
    """Whether it comes after others."""
    return callback.late


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
