"""Training: the loop, what it records and shows, early stopping, model files, tables.

In: a network and arrays, or a table and the name of its target. Out: the network trained in place,
a ``Run`` with its history, a model file; and from such a file, predictions and scores.
"""

from deltarule.train.callbacks import Callback, Moment
from deltarule.train.checkpoint import load, save
from deltarule.train.keeping import Checkpoint, Log
from deltarule.train.loop import fit
from deltarule.train.run import Run
from deltarule.train.stopping import EarlyStopping, TimeLimit
from deltarule.train.transfer import Transfer, transfer

__all__ = [
    *("Callback", "Checkpoint", "EarlyStopping", "Log", "Moment", "Run", "TimeLimit"),
    *("Transfer", "fit", "load", "save", "transfer"),
]
