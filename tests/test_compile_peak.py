"""What is measured of the machine is positive and possible, and measured by the code that it claims."""

from __future__ import annotations

import re

import numpy as np
import pytest

from deltarule.compile import peak
from deltarule.compile.llvm.load import Processor, this_processor
from deltarule.compile.peak import measured_bandwidth, measured_peak, multiply_adds, reads
from deltarule.errors import TypeRuleError

pytestmark = pytest.mark.native
F32, F64 = np.dtype("float32"), np.dtype("float64")
SLOWEST, FASTEST = 1e8, 1e14  # a second; of one core, very much on the safe side


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(peak, "TRAFFIC", 1 << 22)
    monkeypatch.setattr(peak, "TRIPS", 1 << 12)
    for kept in (peak._peak, peak._bandwidth):
        kept.cache_clear()
    yield
    for kept in (peak._peak, peak._bandwidth):
        kept.cache_clear()


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("threads", [1, 2])
def test_it_is_possible_and_measured_once(dtype, threads):
    found = measured_peak(dtype, threads)
    assert SLOWEST < found < threads * FASTEST
    assert measured_peak(dtype.name, threads) == found
    assert SLOWEST < measured_bandwidth(threads) < FASTEST


@pytest.mark.parametrize("dtype", [F32, F64])
def test_the_multiply_adds_are_done_and_counted(dtype):
    """x <- x / 2 + 1 ends at 2 in each lane of each sum; its operations are those of the text."""
    processor = this_processor()
    function, flops = multiply_adds(dtype, processor)
    lanes, sums = processor.vector_bytes // dtype.itemsize, processor.registers * 3 // 4
    out = np.zeros((sums + 1, lanes), dtype)
    peak.native(function, processor)(out.ctypes.data)
    assert (out[:sums] == 2).all() and (out[sums:] == 0).all()
    written = len(re.findall(r"call <\d+ x \w+> @llvm.fmuladd", "\n".join(function.lines)))
    assert flops == 2 * peak.TRIPS * written * lanes


def test_the_loop_of_multiply_adds_touches_no_memory():
    function, _ = multiply_adds(F32, this_processor())
    lines = function.lines
    end = next(i for i, line in enumerate(lines) if line.strip().startswith("br i1"))
    assert not [line for line in lines[:end] if "load" in line or "store" in line]


@pytest.mark.parametrize("most", [0, 5000, 1 << 20])
def test_every_byte_is_read_once(most):
    """The sums over the lanes are those of the array; they are written to its start."""
    processor = this_processor()
    function, size = reads(most, processor)
    assert size <= max(most, 2 * processor.registers // 2 * processor.vector_bytes)
    data = np.random.default_rng(0).integers(0, 9, size // 4).astype(F32)
    wanted = data.sum()
    peak.native(function, processor)(data.ctypes.data)
    sums = processor.registers // 2 * processor.vector_bytes // 4
    assert data[:sums].sum() == wanted


def test_processors_without_fused_multiply_adds_have_a_peak_too():
    smaller = Processor(this_processor().triple, "", "", 16, 16)
    function, _ = multiply_adds(F32, smaller)
    out = np.zeros(4 * 12, F32)
    peak.native(function, smaller)(out.ctypes.data)
    assert (out == 2).all()


@pytest.mark.parametrize("threads", [0, -1, True, 1.5])
def test_threads_are_a_whole_number(threads):
    with pytest.raises(TypeRuleError, match="at least 1"):
        measured_peak("float32", threads)
    with pytest.raises(TypeRuleError, match="at least 1"):
        measured_bandwidth(threads)


def test_other_dtypes_are_refused():
    with pytest.raises(TypeRuleError, match="int32"):
        measured_peak("int32")
