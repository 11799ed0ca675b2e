"""Networks: modules with named weights, layers, initial weights, losses.

In: layers and settings. Out: a network whose call is traced like any NumPy function, and losses of its raw outputs.
"""

from deltarule.nn.layers import Activation_ as Activation
from deltarule.nn.layers import Dense, Dropout, Sequential
from deltarule.nn.losses import Loss, loss_of
from deltarule.nn.module import Module, State

__all__ = ["Activation", "Dense", "Dropout", "Loss", "Module", "Sequential", "State", "loss_of"]
