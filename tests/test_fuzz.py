"""What people write by hand, made wrong: configuration, price files, traces to replay. Refusals with a next step, nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import config
from joulemark.errors import ConfigError, MeterUnavailable, UsageError
from joulemark.meters import registry, trace_file
from joulemark.pricing.sources import manual
from tests.mutations import finite, mutated
from tests.pricing.records import TOML

CONFIG = b"""
[agent]
agent_id = "host"
collector = "127.0.0.1:7470"
interval_ms = 50
batch_period_ms = 1000

[spool]
path = "/tmp/spool.db"

[collector]
seal_after_s = 600.0

[[meter]]
kind = "fake"
mean_w = 300.0
boundary = "gpu"
fault = "none"
interval_ms = 100

[[meter]]
kind = "replay"
speed = 2.0
"""
TRACE = b"t_ns,power_milliwatt,energy_millijoule,outlet2.power_watt\n0,91200,0,5\n100000000,,9128,\n250000000,91350,18300,7\n"


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@given(data=st.data())
def test_configuration_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A configuration with pieces cut, doubled or poisoned is taken, its meters too, or refused as one."""
    path = written(tmp_path_factory.mktemp("wrong", numbered=True), "joulemark.toml", data.draw(mutated(CONFIG)))
    try:
        read = config.load(path)
        for table in read.meters:
            options = {key: value for key, value in table.options.items() if key not in ("interval_ms", "on_open_error")}
            registry.build([config.MeterTable(table.kind, options)], host="h")
    except ConfigError as error:
        failure = error
    else:
        return
    assert failure.next_step


@given(data=st.data())
def test_price_files_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A price file with pieces cut, doubled or poisoned gives a snapshot that can be written again, or a refusal."""
    path = written(tmp_path_factory.mktemp("wrong", numbered=True), "prices.toml", data.draw(mutated(TOML.encode())))
    try:
        snapshot = manual.read(path)
    except UsageError:
        return
    assert snapshot.snapshot_id
    assert finite(json.loads(json.dumps(snapshot.to_json(), allow_nan=False)))


@given(data=st.data())
def test_traces_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A trace to replay with pieces cut, doubled or poisoned is integers in rising time, or refused; the meter says so when opened."""
    path = written(tmp_path_factory.mktemp("wrong", numbered=True), "trace.csv", data.draw(mutated(TRACE)))
    try:
        trace = trace_file.load(path)
    except UsageError:
        (meter,) = registry.build([config.MeterTable("replay", {"file": str(path)})], host="h")
        with pytest.raises(MeterUnavailable):
            meter.open()
        return
    assert list(trace.t_ns) == sorted(set(trace.t_ns))
    assert all(value is None or type(value) is int for column in trace.columns for value in column.values)


def test_the_valid_ones_are_valid(tmp_path: Path) -> None:
    """Each file that the tests above spoil is read as it stands."""
    assert len(config.load(written(tmp_path, "a.toml", CONFIG)).meters) == 2
    assert manual.read(written(tmp_path, "b.toml", TOML.encode())).prices
    assert len(trace_file.load(written(tmp_path, "c.csv", TRACE)).columns) == 3
