"""Tables to arrays and back.

In: a CSV, TSV or Parquet file, or a pandas, polars or Arrow table, and the name of the target column.
Out: float32 inputs, targets (float32 or class indices), row splits, a baseline, and predictions in the
target's own unit. What is learned comes from training rows only and is stored as plain JSON.
"""

from deltarule.data.baseline import METRICS, Baseline, baseline, score
from deltarule.data.preprocess import Encoded, Preprocessor, check_values
from deltarule.data.split import split
from deltarule.data.table import read_table
from deltarule.data.target import only_with_target, rows_with_target, task_of
from deltarule.data.write import write_table

__all__ = [
    "METRICS",
    "Baseline",
    "Encoded",
    "Preprocessor",
    "baseline",
    "check_values",
    "only_with_target",
    "read_table",
    "rows_with_target",
    "score",
    "split",
    "task_of",
    "write_table",
]
