"""Each power log format is told by its first line; what cannot be read is said, never guessed."""

from __future__ import annotations

import contextlib
import gzip
import json
from datetime import UTC
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark import traces
from joulemark.energy.series import Series
from joulemark.errors import FormatError, NaiveTimeError, UsageError
from joulemark.readings import Accuracy
from joulemark.traces import aiperf_telemetry, bundle, nvidia_smi, plain, spl
from joulemark.traces.recording import Recording

SPL = "Time,07-17-2024 09:44:23.305,Watts,{},Volts,-1.000000,Amps,-1.000000,PF,-1.000000,Mark,x\n"
HEADS = {
    spl: SPL.format("200.5"),
    aiperf_telemetry: '{"timestamp_ns":1,"telemetry_data":{}}\n',
    nvidia_smi: "timestamp, index, power.draw [W]\n",
    bundle: "t_ns,t_unc_ns,power_milliwatt,quality\n",
    plain: "time,power_w\n",
}


@pytest.mark.parametrize("reader", HEADS, ids=lambda reader: reader.__name__)
def test_first_line_chooses_the_reader(reader: ModuleType) -> None:
    """Each format's own first line leads to its own reader."""
    assert next(r for r in traces.READERS if r.matches(HEADS[reader].strip())) is reader


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    """A gzip file is unpacked whatever its name is, and reads as the plain one does."""
    text = SPL.format("200.5") * 3
    (tmp_path / "plain.txt").write_text(text)
    (tmp_path / "packed.txt").write_bytes(gzip.compress(text.encode()))
    plain_series, packed = (traces.read(tmp_path / name, tz=UTC)[0] for name in ("plain.txt", "packed.txt"))
    assert plain_series.value.tolist() == packed.value.tolist() == [200_500_000] * 3


def test_utf16_of_a_windows_shell_is_read(tmp_path: Path) -> None:
    """A log redirected by PowerShell is UTF-16 with a byte order mark, and reads as the same log in UTF-8."""
    (tmp_path / "smi.csv").write_bytes("timestamp, power.draw [W]\r\n2024/01/02 03:04:05.678, 56.12 W\r\n".encode("utf-16"))
    (series,) = traces.read(tmp_path / "smi.csv", tz=UTC)
    assert series.si().tolist() == [56.12]


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x1f\x8b\x08broken", b"timestamp, power.draw [W]\n", b"time,power_w\n"])
def test_files_without_readings_are_refused(tmp_path: Path, content: bytes) -> None:
    """An empty, foreign, damaged or header-only file raises FormatError that names the file."""
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="log"):
        traces.read(path, tz=UTC)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that does not exist raises FormatError, exit code 2."""
    with pytest.raises(FormatError) as caught:
        traces.read(tmp_path / "none.csv", tz=UTC)
    assert caught.value.exit_code == 2


def test_bare_local_time_needs_a_zone(tmp_path: Path) -> None:
    """A log whose times carry no zone raises NaiveTimeError that names --tz, and nothing is guessed."""
    path = tmp_path / "spl.txt"
    path.write_text(SPL.format("200.5"))
    with pytest.raises(NaiveTimeError, match="--tz"):
        traces.read(path, tz=None)


def test_accuracy_of_the_user_is_kept(tmp_path: Path) -> None:
    """An accuracy handed in stands in every meter of the file."""
    path, accuracy = tmp_path / "spl.txt", Accuracy(pct_reading=0.1, source="user")
    path.write_text(SPL.format("200.5"))
    assert {s.meter.accuracy for s in traces.read(path, tz=UTC, accuracy=accuracy)} == {accuracy}


def reading_or_refusal(content: bytes | str, head: str = "") -> list[Series] | None:
    """What `traces` makes of a hostile file: series, or None for a refusal; any other exception fails the test."""
    text = head + (content if isinstance(content, str) else content.decode("utf-8", "replace"))
    recording = Recording(Path("hostile"), text, UTC)
    reader = next((r for r in traces.READERS if r.matches(recording.head)), None)
    try:
        return None if reader is None else reader.read(recording)
    except UsageError:
        return None


TIMES = ["07-17-2024 09:44:23.305", "2024/01/02 03:04:05.6", "2024-01-02T03:04:05+14:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59"]
VALUES = ["-1", "1e999", "NaN", "[N/A]", "", "9.91E+37", "1e-400", "1700000000.5", "8", "-5"]
FIELD = st.one_of(
    st.sampled_from(["Time", "Watts", "Ch1", "ok", '"', *TIMES, *VALUES]),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8),
)
ROW_LIKE = st.lists(FIELD, max_size=8).map(",".join)


@settings(max_examples=150, deadline=None)
@given(reader=st.sampled_from(list(HEADS)), rows=st.lists(ROW_LIKE, max_size=6))
def test_no_row_breaks_a_reader(reader: ModuleType, rows: list[str]) -> None:
    """Any rows under a valid first line give series or a refusal with exit code 2, never another exception."""
    head = HEADS[reader]
    reading_or_refusal("\n".join(rows), head)
    prefixed = "\n".join(f"Time,07-17-2024 09:44:23.305,Watts,{row}" for row in rows)
    reading_or_refusal(prefixed)


@settings(max_examples=100, deadline=None)
@given(
    values=st.dictionaries(
        st.sampled_from(["nvidia_power_usage", "nvidia_energy_consumption", "amd_power", "x"]),
        st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none(), st.lists(st.integers(), max_size=2)),
    ),
    t_ns=st.one_of(st.integers(), st.floats(allow_nan=False), st.none()),
)
def test_no_telemetry_line_breaks_the_aiperf_reader(values: dict[str, object], t_ns: object) -> None:
    """Any JSON values in a telemetry line give series or a refusal, never another exception."""
    reading_or_refusal(json.dumps({"telemetry_data": values, "timestamp_ns": t_ns, "gpu_uuid": "a"}) + "\n")


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=300))
def test_no_bytes_break_the_readers(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Any bytes on disk give series or a refusal, never another exception."""
    path = tmp_path_factory.mktemp("hostile") / "log"
    path.write_bytes(content)
    with contextlib.suppress(UsageError):
        traces.read(path, tz=UTC)
