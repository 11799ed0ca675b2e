"""The version of deltarule, which model files keep.

In: nothing. Out: one string.
"""

__version__ = "0.1.0"
