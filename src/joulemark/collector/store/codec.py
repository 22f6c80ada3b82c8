"""Columns of integers as bytes: the only importer of pcodec. Level 6, some 30 ns a value to write and 7 ns to read."""

from __future__ import annotations

from typing import Final

import numpy as np
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone  # type: ignore[attr-defined]  # a compiled module without stubs

from joulemark.energy.series import Int64
from joulemark.errors import FormatError

DIFFERENCES: Final = (DeltaSpec.no_op(), DeltaSpec.try_consecutive(1), DeltaSpec.try_consecutive(2))
CONFIGS: Final = tuple(ChunkConfig(compression_level=6, mode_spec=ModeSpec.auto(), delta_spec=spec) for spec in DIFFERENCES)
"""How often a column is differenced before it is coded: noise not at all, times once, a counter under a steady load twice. The mode is
found for each column: meters show multiples of their step, and what recorded analysers take is halved by that."""
PLACES: Final = 4
SAMPLE: Final = 256
"""Rows in each of so many places by which the order of differences is judged."""

Orders = dict[str, int]
"""For columns of one kind, by name, how often to difference them."""


def packed(column: Int64, *, order: int = 1) -> bytes:
    """`column` compressed, exactly, after being differenced `order` times."""
    data: bytes = standalone.simple_compress(np.ascontiguousarray(column, dtype=np.int64), CONFIGS[order])
    return data


def unpacked(data: bytes, count: int) -> Int64:
    """The first `count` entries of a column that `packed` made, int64[count]; what comes after them is not decoded.

    Raises FormatError where there are not so many. Into memory of a known size the codec writes a third faster than into its own.
    """
    found = np.empty(count, dtype=np.int64)
    if (known := standalone.simple_decompress_into(data, found).n_processed) < count:
        raise FormatError(f"a sealed column has {known} of {count} entries", "restore readings.db from a backup")
    return found


def best_order(column: Int64) -> int:
    """The order under which rows from all over `column` take the fewest bytes."""
    some = column
    if len(column) > PLACES * SAMPLE:
        begins = np.linspace(0, len(column) - SAMPLE, PLACES).astype(np.int64).tolist()
        some = np.concatenate([column[begin : begin + SAMPLE] for begin in begins])
    sizes = [len(packed(some, order=order)) for order in range(len(CONFIGS))]
    return sizes.index(min(sizes))


def line(column: Int64) -> tuple[int, int] | None:
    """(first, step) where each entry is the one before plus the same step, modulo 2**64; None where that is not so."""
    if len(column) == 1:
        return int(column[0]), 0
    steps = np.diff(column)
    return (int(column[0]), int(steps[0])) if (steps == steps[0]).all() else None


def drawn(first: int, step: int, count: int) -> Int64:
    """Inverse of `line`."""
    return np.arange(count, dtype=np.int64) * step + first
