"""deltarule: one call of ``dr.fit`` that stops after each turn until it is called again.

In: a job. Out: its training, through public names only.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import deltarule as dr

from . import Training
from jobs import Job

LONG = 5e10  # flops of a turn beside which drawing the order of its rows is nothing
MANY = 100_000  # epochs: more than are ever run


class Pace(dr.Callback):
    """Holds the training after each turn of some epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.over = epochs, False
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)

    def on_epoch(self, moment: dr.Moment) -> None:
        """Wait where a turn is over."""
        if moment.epoch % self.epochs == 0:
            self.done.release()
            self.go.acquire()
            if self.over:
                moment.stop("measured")


def network(job: Job) -> dr.Sequential:
    """The network, initialized in the job's dtype."""
    hidden: list[dr.Module] = []
    for n in job.sizes[1:-1]:
        if job.normalize:
            hidden += [dr.Dense(n), dr.BatchNorm(), dr.Activation(job.activation)]
        else:
            hidden += [dr.Dense(n, job.activation)]
    net = dr.Sequential(*hidden, dr.Dense(job.sizes[-1]))
    net.init((job.batch, job.sizes[0]), seed=0, dtype=job.dtype)
    return net


def settings_of(job: Job) -> dict[str, Any]:
    """Arguments of ``dr.fit``."""
    return {
        "loss": "cross_entropy" if job.classes else "mse",
        "optimizer": (dr.Adam if job.rule == "adam" else dr.SGD)(job.rate),
        "batch_size": job.batch,
        "shuffle": not job.full,
        "progress": False,
        "seed": 0,
    }


def training(job: Job, X: Any, y: Any) -> Training:
    """Epochs of one call in its own thread; of a full batch, calls that continue each other."""
    return calls(job, X, y) if job.full else paced(job, X, y)


def paced(job: Job, X: Any, y: Any) -> Training:
    """One long call, held between turns."""
    wanted = math.ceil(job.drawn / job.rows)
    epochs = max(job.epochs, min(wanted, int(LONG / (job.flops * job.steps))))
    pace, net, errors = Pace(epochs), network(job), []

    def fit() -> None:
        try:
            dr.fit(net, X, y, epochs=MANY, callbacks=[pace], **settings_of(job))
        except BaseException as error:
            errors.append(error)
            pace.done.release()

    thread = threading.Thread(target=fit, daemon=True)

    def run() -> None:
        if thread.ident is None:
            thread.start()
        else:
            pace.go.release()
        pace.done.acquire()
        if errors:
            raise errors[0]

    def stop() -> None:
        pace.over = True
        pace.go.release()
        thread.join()

    return Training(run, job.steps * epochs, stop)


def calls(job: Job, X: Any, y: Any) -> Training:
    """A call a turn. Its tracing is part of the time; between epochs nobody looks."""
    net = network(job)
    last: list[Any] = [None]

    def run() -> None:
        settings = settings_of(job)
        last[0] = dr.fit(net, X, y, epochs=job.epochs, resume=last[0], **settings)

    return Training(run, job.steps * job.epochs)
