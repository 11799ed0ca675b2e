"""A training that writes checkpoints, to be killed at some moment and gone on with.

Arguments: the file, "new" or "resume", the number of epochs in all. Out: the final weights as the network's
outputs, on standard output; "ready" as soon as there is a checkpoint.
"""

from __future__ import annotations

import sys
import time

import numpy as np

import deltarule as dr

EPOCHS = 30
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 6))
Y = np.sin(X @ rng.normal(size=6)) + 0.3 * rng.normal(size=200)


class Slow(dr.Callback):
    """Leaves time to be killed."""

    def on_epoch(self, moment):
        print("epoch", moment.epoch, flush=True)
        time.sleep(0.02)


def main(path, mode):
    net = dr.Sequential(dr.Dense(8, "tanh"), dr.Dropout(0.1), dr.Dense(1))
    epochs, resume = EPOCHS, None
    if mode == "resume":
        net, resume = dr.load(path), dr.Run.load(path)
        epochs -= resume.epochs
    run = dr.fit(
        net, X, Y, optimizer=dr.Adam(dr.CosineDecay(0.1, 100)), epochs=epochs, batch_size=32, seed=5,
        validation=0.25, metrics="mae", resume=resume,
        callbacks=[dr.EarlyStopping(1000), dr.Checkpoint(path, every=3), *([Slow()] * (mode == "new"))],
    )  # fmt: skip
    figures = {name: values for name, values in run.history.items() if name != "rows_per_second"}
    print("outputs", net(X).tobytes().hex())
    print("history", figures, run.restored)


if __name__ == "__main__":
    main(*sys.argv[1:])
