"""Code that runs between epochs, or steps: hooks with declared names only.

In: a ``Moment``, what is known then. Out: nothing, or ``moment.stop(reason)``.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deltarule.errors import DataError
from deltarule.optim import OnPlateau
from deltarule.optim.schedules import Schedule

if TYPE_CHECKING:
    from deltarule.train.run import Run

HOOKS = ("on_start", "on_step", "on_epoch", "on_end")


@dataclass(slots=True)
class Moment:
    """What a hook is given.

    Attributes
    ----------
    net : Module
        With its current weights: they may be read and set.
    epoch : int
        Epochs done.
    logs : dict
        Figures of this epoch: loss, val_loss, metrics, rows_per_second; in ``on_step`` the loss of
        the step's batch, taken before its update; empty in ``on_start``.
    figures : tuple of str
        Names of what every epoch records.
    step : int
        Steps done, those of a resumed run included.
    run : Run
        The record so far: history, seed, seconds; its carry is where the training stands.
    more : bool
        Whether validation by a function will record further figures, which it has not named yet.
    """

    net: Any
    epoch: int
    logs: dict[str, float]
    figures: tuple[str, ...]
    step: int
    run: Run
    more: bool = False
    reason: str = ""

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""
        self.reason = reason


class Callback:
    """The base of callbacks: override ``on_start``, ``on_step``, ``on_epoch``, ``on_end``.

    A misspelt hook is an error. Epochs run as machine code, which a callback with ``on_step`` leaves
    after every step: that costs some 25 us each time, many times the step itself in a small network.
    ``every`` makes it rarer. For ``on_epoch`` alone a function of a ``Moment`` will do.

    Attributes
    ----------
    every : int
        ``on_step`` is called after the steps whose number is a multiple of it.

    Examples
    --------
    >>> import deltarule as dr
    >>> class Show(dr.Callback):
    ...     def on_epoch(self, moment):
    ...         print(moment.epoch, *moment.logs)
    >>> net = dr.Sequential(dr.Dense(1))
    >>> run = dr.fit(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, seed=0, callbacks=[Show()])
    1 loss rows_per_second
    2 loss rows_per_second
    >>> run = dr.fit(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, callbacks=lambda m: print(m.epoch))
    1
    2
    """

    every = 1
    late = False  # whether its on_end comes after those of the others

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith("on_") and name not in HOOKS:
                near = difflib.get_close_matches(name, HOOKS, n=1)
                hint = f", did you mean {near[0]}?" if near else "."
                raise DataError(
                    f"{cls.__name__}.{name} is no hook{hint} The hooks are {', '.join(HOOKS)}"
                )

    def on_start(self, moment: Moment) -> None:
        """Before the first epoch."""

    def on_step(self, moment: Moment) -> None:
        """After a step. Weights that it sets are those of the next one."""

    def on_epoch(self, moment: Moment) -> None:
        """After each epoch."""

    def on_end(self, moment: Moment) -> None:
        """After the last epoch, also when the training was stopped or interrupted."""

    @property
    def steps(self) -> bool:
        """Whether it has an ``on_step``."""
        return getattr(self.on_step, "__func__", None) is not Callback.on_step


class AfterEpoch(Callback):
    """A function that is called with the ``Moment`` after each epoch."""

    def __init__(self, function: Callable[[Moment], Any]) -> None:
        self.function = function

    def on_epoch(self, moment: Moment) -> None:
        """Call it."""
        self.function(moment)


def callback_of(given: Any) -> Callback:
    """A callback as it is; a function as what is called after each epoch."""
    if isinstance(given, type):
        raise DataError(
            f"callbacks are objects, not classes: write {given.__name__}() with its settings"
        )
    if isinstance(given, Callback):
        return given
    if isinstance(given, (OnPlateau, Schedule)):
        kind = type(given).__name__
        raise DataError(
            f"dr.{kind} is given as a learning rate, as dr.Adam(dr.{kind}(...)), not as a callback"
        )
    if not callable(given):
        raise DataError(
            f"callbacks are objects of dr.Callback or functions of one argument, not {given!r}"
        )
    try:
        inspect.signature(given).bind(None)
    except TypeError:
        raise DataError(
            f"{getattr(given, '__name__', given)} cannot be called with one argument: a function as a "
            "callback is called after each epoch with a dr.Moment, which has net, epoch and logs"
        ) from None
    except ValueError:  # a function of C that does not tell its arguments
        pass
    return AfterEpoch(given)
