"""Bytes that no agent of ours would send: they are refused with one kind of error, and cost little."""

from __future__ import annotations

import array
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import FormatError
from joulemark.proto import convert, marks
from joulemark.proto.messages import Batch, BatchView, ClockState, Loss, MeterCost, Overhead
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample

DEVICE = DeviceInfo(
    "fake:h:0",
    (
        MeterInfo("fake:h:0:power", "fake", Quantity.POWER, -3, Boundary.GPU),
        MeterInfo("fake:h:0:energy", "fake", Quantity.ENERGY_COUNTER, -3, Boundary.GPU, modulus=2**32, covers=("a", "b")),
    ),
)
PARSERS: tuple[Callable[[bytes], Any], ...] = (
    convert.decode,
    convert.parse_request,
    convert.parse_response,
    convert.parse_broadcast_request,
    convert.parse_broadcast_response,
    marks.start_body,
    marks.phase_body,
    marks.stop_body,
)
INPUT_SHARE = 12
"""A refused or accepted batch may take this many times its own size, and a megabyte."""


def sample(row: int) -> Sample:
    gap = row % 5 == 4
    return Sample(
        "fake:h:0",
        row * 10**9,
        row * 10**9 + 2000,
        1_790_000_000_000_000_000 + row // 7,
        (None if gap else 300_000, row),
        (row * 10**9 + 5, None),
        (Quality.GAP if gap else Quality.OK, Quality.OK),
        ("no answer" if gap else "", ""),
        seq=row + row // 9,
        pinned=row % 8 == 0,
    )


def message(rows: int = 12) -> pb.Batch:
    """A batch with every kind of content."""
    batch = Batch(
        1,
        2,
        "boot",
        3,
        ClockState(5, 6, offset_known=True),
        {"fake:h:0": tuple(sample(i) for i in range(rows))},
        (DEVICE,),
        (Loss("fake:h:0", 3, 1, 2, "spool full"),),
        Overhead(1, 2, 3, (MeterCost("fake", 1, 0, 5),)),
    )
    out = pb.Batch()
    out.ParseFromString(convert.freeze(batch).body)
    return out


VALID = message().SerializeToString()


def decoded(body: bytes) -> BatchView | None:
    """The view, None for a refusal; any other error fails the test."""
    try:
        return convert.decode(body)
    except FormatError:
        return None


def whole(view: BatchView) -> bool:
    """Whether every column of a view has the length that its block has rows."""
    return all(
        b.row_count > 0
        and len(b.mono_delta_ns) == len(b.bracket_ns) == 8 * b.row_count
        and len(b.utc_minus_mono_ns) in (8, 8 * b.row_count)
        and len(b.seq) in (8, 8 * b.row_count)
        and all(0 <= row < b.row_count for row in b.pinned_rows)
        and all(
            len(c.values) == 8 * b.row_count
            and len(c.device_delta_ns) in (0, 8 * b.row_count)
            and len(c.quality) in (0, b.row_count)
            and all(0 <= row < b.row_count for row in c.reasons)
            for c in b.columns
        )
        for b in view.blocks
    )


@given(st.sampled_from(PARSERS), st.binary(max_size=300))
def test_random_bytes(parse: Callable[[bytes], Any], raw: bytes) -> None:
    """Whatever arrives, a parser answers or raises FormatError, nothing else."""
    with suppress(FormatError):
        parse(raw)


@given(st.integers(0, len(VALID) - 1))
def test_truncated_batches(length: int) -> None:
    """A batch cut at any byte is refused, or what is left of it is whole in itself."""
    view = decoded(VALID[:length])
    assert view is None or whole(view)


@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 7)), min_size=1, max_size=4))
def test_flipped_bits(flips: list[tuple[int, int]]) -> None:
    """A batch with some bits flipped is refused, or every column of it still has its length."""
    body = bytearray(VALID)
    for at, bit in flips:
        body[at] ^= 1 << bit
    view = decoded(bytes(body))
    assert view is None or whole(view)


@given(st.lists(st.tuples(st.integers(0, len(VALID)), st.binary(max_size=12)), max_size=3), st.integers(0, 20))
def test_inserted_and_removed_bytes(inserted: list[tuple[int, bytes]], removed: int) -> None:
    """Bytes put into a batch, and taken out of it, leave it whole or refused."""
    body = VALID
    for at, piece in inserted:
        body = body[:at] + piece + body[at + removed :]
    view = decoded(body)
    assert view is None or whole(view)


LENGTHS = st.integers(0, 130)


@given(st.sampled_from(["mono_delta_ns", "bracket_ns", "utc_minus_mono_ns", "seq"]), LENGTHS)
def test_columns_of_any_length(name: str, length: int) -> None:
    """A shared column of any length but its own is refused."""
    changed = message()
    own = getattr(changed.blocks[0], name)
    setattr(changed.blocks[0], name, bytes(length))
    allowed = {len(own), 8, 8 * 12} if name in ("utc_minus_mono_ns", "seq") else {len(own)}
    assert (decoded(changed.SerializeToString()) is not None) == (length in allowed)


@given(st.sampled_from(["values", "device_delta_ns", "quality"]), LENGTHS)
def test_meter_columns_of_any_length(name: str, length: int) -> None:
    """A meter's column of any length but its own, or none where it may be left out, is refused."""
    changed = message()
    setattr(changed.blocks[0].columns[0], name, b"\x01" * length)
    allowed = {"values": {96}, "device_delta_ns": {0, 96}, "quality": {0, 12}}[name]
    assert (decoded(changed.SerializeToString()) is not None) == (length in allowed)


@pytest.mark.parametrize("row", [-(2**31), -1, 12, 2**31 - 1])
def test_rows_that_do_not_exist(row: int) -> None:
    """A pin or a reason for a row outside of the block is refused."""
    pinned, reason = message(), message()
    pinned.blocks[0].pinned_rows.append(row)
    reason.blocks[0].columns[0].reasons.add(row=row, text="x")
    assert decoded(pinned.SerializeToString()) is None
    assert decoded(reason.SerializeToString()) is None


@pytest.mark.parametrize("encoding", [0, 2, 77, -1])
def test_unknown_encodings(encoding: int) -> None:
    """An encoding that this version does not know is refused, never guessed at."""
    changed = message()
    changed.blocks[0].encoding = encoding  # type: ignore[assignment]  # numbers that name no encoding are the point
    assert decoded(changed.SerializeToString()) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_descriptions_that_are_no_meters(value: Any) -> None:
    """A description that is any JSON but a meter's is refused."""
    changed = message()
    changed.devices[0].meter_json[0] = json.dumps(value)
    assert decoded(changed.SerializeToString()) is None


FIELDS = list(DEVICE.meters[1].to_json())


@given(st.sampled_from(FIELDS), JSON)
def test_descriptions_with_one_field_changed(name: str, value: Any) -> None:
    """With one field replaced by any JSON a description is refused, or is one that can be written and read again."""
    changed = message()
    changed.devices[0].meter_json[1] = json.dumps({**DEVICE.meters[1].to_json(), name: value})
    view = decoded(changed.SerializeToString())
    if view is not None:
        again = json.loads(json.dumps(view.devices[0].meters[1].to_json(), allow_nan=False))
        assert MeterInfo.from_json(again) == view.devices[0].meters[1]
        assert view.devices[0].meters[1].value_column


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 10_000, "NaN", "1e999", '"\\ud800"'])
def test_descriptions_made_to_break_a_parser(text: str) -> None:
    """Nesting without end, numbers without end and half a character are refused like any other text."""
    changed = message()
    changed.devices[0].meter_json[0] = text
    assert decoded(changed.SerializeToString()) is None


def swollen(fill: Callable[[pb.Batch], object]) -> bytes:
    changed = message()
    fill(changed)
    return changed.SerializeToString()


MEGA = 1_000_000
SWOLLEN: dict[str, Callable[[], bytes]] = {
    "a million pins": lambda: swollen(lambda m: m.blocks[0].pinned_rows.extend([1] * MEGA)),
    "a million reasons": lambda: VALID + wrapped(7, wrapped(9, b"\x22\x00" * MEGA)),
    "a million columns": lambda: VALID + wrapped(7, b"\x4a\x00" * MEGA),
    "a million blocks": lambda: VALID + b"\x3a\x00" * MEGA,
    "a million devices": lambda: VALID + b"\x32\x00" * MEGA,
    "a million meters": lambda: VALID + wrapped(6, b"\x12\x00" * MEGA),
    "a million losses": lambda: VALID + b"\x42\x00" * MEGA,
    "a million costs": lambda: VALID + wrapped(9, b"\x22\x00" * MEGA),
    "a long text": lambda: swollen(lambda m: setattr(m, "boot_id", "x" * 3 * MEGA)),
}


def wrapped(field: int, body: bytes) -> bytes:
    """A field with a length, as protobuf writes it."""
    length, out = len(body), bytearray([field << 3 | 2])
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes([*out, length]) + body


@pytest.mark.parametrize("name", SWOLLEN)
def test_memory_stays_near_the_input(name: str) -> None:
    """A batch swollen with a million of anything takes a small multiple of its own size."""
    body = SWOLLEN[name]()
    tracemalloc.start()
    decoded(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < INPUT_SHARE * len(body) + 2**20


EDGES = st.sampled_from([-(2**63), -(2**63) + 1, -1, 0, 1, 2**31, 2**62, 2**63 - 2, 2**63 - 1]) | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(EDGES, st.sampled_from(list(Quality)), st.integers(0, 2**40), st.text(max_size=3)), min_size=1, max_size=8))
def test_every_value_quality_and_hole_survives(cells: list[tuple[int, Quality, int, str]]) -> None:
    """Each int64 to its edges, each quality, each reason and each hole in the numbers comes back as it was frozen."""
    rows = tuple(
        Sample("fake:h:0", 5, 7, 11, (value, value), (None, None), (quality, Quality.OK), (reason, ""), seq)
        for value, quality, seq, reason in cells
    )
    block = convert.decode(convert.freeze(Batch(1, 1, "b", 1, ClockState(), {"fake:h:0": rows})).body).blocks[0]
    assert list(array.array("q", block.columns[0].values)) == [value for value, *_ in cells]
    quality = bytes(block.columns[0].quality) or bytes([Quality.OK]) * len(cells)
    assert list(quality) == [quality for _, quality, *_ in cells]
    numbers = list(array.array("q", block.seq))
    if len(numbers) == 1:
        numbers = [numbers[0] + i for i in range(len(cells))]
    assert numbers == [seq for *_, seq, _ in cells]
    assert [block.columns[0].reasons.get(i, "") for i in range(len(cells))] == [reason for *_, reason in cells]
