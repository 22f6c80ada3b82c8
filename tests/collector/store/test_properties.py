"""Columns of any integers come back from the codec and from a sealed chunk as they went in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from joulemark.collector.store.codec import packed, unpacked
from joulemark.collector.store.columns import SHARED, Columns
from joulemark.energy.series import Int64
from joulemark.readings import Quality

EDGES = st.sampled_from([-(2**63), -(2**63) + 1, -1, 0, 1, 2**62, 2**63 - 1])
ANY = EDGES | st.integers(-(2**63), 2**63 - 1)


def column(n: int, elements: st.SearchStrategy[int] = ANY) -> st.SearchStrategy[Int64]:
    return arrays.arrays(np.int64, n, elements=elements)


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    """One to twelve rows of one to three meters, with and without clocks, qualities and reasons."""
    n, meters = draw(st.integers(1, 12)), range(draw(st.integers(1, 3)))
    rows = st.integers(0, n - 1)
    return Columns(
        {name: draw(column(n)) for name in SHARED},
        tuple(draw(column(n)) for _ in meters),
        tuple(draw(st.none() | column(n)) for _ in meters),
        tuple(draw(st.none() | column(n, st.sampled_from([int(q) for q in Quality]))) for _ in meters),
        tuple(draw(st.dictionaries(rows, st.text(min_size=1, max_size=4), max_size=6)) for _ in meters),
    )


@given(st.integers(1, 150).flatmap(column))
def test_any_column_survives_the_codec(values: Int64) -> None:
    """Any int64, to both edges, in columns of any length from one entry on."""
    assert unpacked(packed(values), len(values)).tolist() == values.tolist()


def same(one: Int64 | None, other: Int64 | None) -> bool:
    return one is other is None or (one is not None and other is not None and one.tolist() == other.tolist())


@given(columns())
def test_any_rows_survive_sealing(rows: Columns) -> None:
    """Times, values, device times, qualities and reasons of a sealed chunk are those of the rows it was made of."""
    again = Columns.unseal(*rows.seal())
    assert {name: again.shared[name].tolist() for name in SHARED} == {name: rows.shared[name].tolist() for name in SHARED}
    assert all(same(a, b) for a, b in zip(again.values, rows.values, strict=True))
    assert all(same(a, b) for a, b in zip(again.device_delta_ns, rows.device_delta_ns, strict=True))
    assert all(same(a, b) for a, b in zip(again.quality, rows.quality, strict=True))
    assert [dict(r) for r in again.reasons] == [dict(r) for r in rows.reasons]
