"""Training: the loop, what it records and shows, early stopping, model files, tables.

In: a network and data. Out: the network trained in place, a ``Run``, a file.
"""

from deltarule.train.callbacks import Callback, EarlyStopping, Moment
from deltarule.train.checkpoint import load, save
from deltarule.train.loop import fit
from deltarule.train.run import Run

__all__ = ["Callback", "EarlyStopping", "Moment", "Run", "fit", "load", "save"]
