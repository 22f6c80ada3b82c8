"""The codec of Gorilla (Pelkonen et al., VLDB 2015, section 4.1), written from the paper: what most time-series stores do to a sample.

Times in ms: the first delta in 14 bits, then deltas of deltas in 1 to 36 bits. Values as doubles: XOR with the one before.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

BUCKETS = ((7, 0b10, 2), (9, 0b110, 3), (12, 0b1110, 4), (32, 0b1111, 4))
"""(bits of the delta of deltas, prefix, its length), narrowest first; a single 0 bit stands for 0."""


class Bits:
    """A row of bits, as one large number."""

    def __init__(self) -> None:
        self.chunks: list[str] = []

    def put(self, value: int, width: int) -> None:
        """`width` bits of `value`."""
        self.chunks.append(f"{value & (1 << width) - 1:0{width}b}")

    def data(self) -> bytes:
        """All of them, filled up to whole bytes."""
        text = "".join(self.chunks)
        text += "0" * (-len(text) % 8)
        return int(f"1{text}", 2).to_bytes(len(text) // 8 + 1, "big")[1:]


def double_bits(value: float) -> int:
    """The 64 bits of a double."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value))
    return int(bits)


def encoded(t_ms: Sequence[int], values: Sequence[float]) -> bytes:
    """A block of samples. A first delta of 16 s or more, and a delta of deltas beyond 32 bits, raise ValueError."""
    out = Bits()
    out.put(len(t_ms), 32)
    out.put(t_ms[0], 64)
    out.put(double_bits(values[0]), 64)
    before, last_delta, window = double_bits(values[0]), None, (0, 0)
    for place in range(1, len(t_ms)):
        delta = t_ms[place] - t_ms[place - 1]
        if last_delta is None:
            if not 0 <= delta < 1 << 14:
                raise ValueError(f"a first delta of {delta} ms")
            out.put(delta, 14)
        else:
            put_time(out, delta - last_delta)
        last_delta = delta
        bits = double_bits(values[place])
        window = put_value(out, bits ^ before, window)
        before = bits
    return out.data()


def put_time(out: Bits, change: int) -> None:
    """A delta of deltas."""
    if change == 0:
        out.put(0, 1)
        return
    for width, prefix, length in BUCKETS:
        if -(1 << width - 1) < change <= 1 << width - 1:
            out.put(prefix, length)
            out.put(change - 1, width)  # so that -(2^(w-1))+1 .. 2^(w-1) fit, as in the paper
            return
    raise ValueError(f"a delta of deltas of {change} ms")


def put_value(out: Bits, xor: int, window: tuple[int, int]) -> tuple[int, int]:
    """The XOR of two values; the window (leading zeros, meaningful bits) that holds then."""
    if xor == 0:
        out.put(0, 1)
        return window
    leading, trailing = min(31, 64 - xor.bit_length()), (xor & -xor).bit_length() - 1
    kept_leading, kept_length = window
    if kept_length and leading >= kept_leading and trailing >= 64 - kept_leading - kept_length:
        out.put(0b10, 2)
        out.put(xor >> 64 - kept_leading - kept_length, kept_length)
        return window
    length = 64 - leading - trailing
    out.put(0b11, 2)
    out.put(leading, 5)
    out.put(length - 1, 6)
    out.put(xor >> trailing, length)
    return leading, length


class Reader:
    """Bits from the front."""

    def __init__(self, data: bytes) -> None:
        self.text = f"{int.from_bytes(bytes([1]) + data, 'big'):b}"[1:]
        self.at = 0

    def take(self, width: int) -> int:
        """The next `width` bits as a number."""
        self.at += width
        return int(self.text[self.at - width : self.at], 2)


def decoded(data: bytes) -> tuple[list[int], list[float]]:
    """Inverse of `encoded`."""
    bits = Reader(data)
    count, t_ms, value = bits.take(32), [bits.take(64)], bits.take(64)
    values, delta, window = [value], 0, (0, 0)
    for place in range(1, count):
        delta = bits.take(14) if place == 1 else delta + taken_time(bits)
        t_ms.append(t_ms[-1] + delta)
        if bits.take(1):
            if bits.take(1):
                leading = bits.take(5)
                window = leading, bits.take(6) + 1
            value ^= bits.take(window[1]) << 64 - window[0] - window[1]
        values.append(value)
    return t_ms, [struct.unpack(">d", v.to_bytes(8, "big"))[0] for v in values]


def taken_time(bits: Reader) -> int:
    """A delta of deltas."""
    for ones in range(4):
        if not bits.take(1):
            width = (0, 7, 9, 12)[ones]
            break
    else:
        width = 32
    if not width:
        return 0
    raw = bits.take(width)
    return (raw - (1 << width) if raw >= 1 << width - 1 else raw) + 1
