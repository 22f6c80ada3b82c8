"""Power logs made wrong: series with finite numbers, or a refusal that names the file, and never anything else."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import traces
from joulemark.energy.phase import measure
from joulemark.errors import JoulemarkError
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity
from joulemark.runs import PhaseKind, Window
from tests.mutations import finite, mutated

S = 1_000_000_000
METER = MeterInfo("nvml:host:GPU-1:energy", "nvml", Quantity.ENERGY_COUNTER, -3, Boundary.GPU, covers=("GPU-1",))
TELEMETRY = {"gpu_uuid": "GPU-1", "gpu_index": 0, "hostname": "h", "telemetry_data": {"gpu_power_usage": 300.5, "energy_consumption": 12.0}}
VALID = {
    "spl.txt": "".join(f"Time,07-17-2024 09:44:{s:02d}.305,Watts,{200 + s}.5,Volts,230.1,Amps,1.02,PF,0.9,Mark,notset\n" for s in range(6)),
    "smi.csv": "timestamp, index, uuid, power.draw [W]\n"
    + "".join(f"2024/01/02 03:04:{s:02d}.678, {g}, GPU-{g}, 56.12 W\n" for s in range(4) for g in range(2)),
    "plain.csv": "timestamp,power_w\n" + "".join(f"2024-01-02T03:04:{s:02d}Z,{100 + s}.25\n" for s in range(6)),
    "telemetry.jsonl": "".join(json.dumps({**TELEMETRY, "timestamp_ns": 1_790_000_000_000_000_000 + s * S}) + "\n" for s in range(5)),
    "readings/nvml%3Ahost%3AGPU-1%3Aenergy.csv": "t_ns,t_unc_ns,energy_millijoule,quality\n"
    + "".join(f"{1_790_000_000_000_000_000 + s * S},5,{7000 + 1000 * s},ok\n" for s in range(6)),
}


def attempt(path: Path) -> None:
    """Read and measure; every number that comes out is finite, every failure one of ours that says something."""
    try:
        found = traces.read(path, tz=UTC, boundary=Boundary.GPU)
        for one in found:
            assert np.isfinite(one.si()).all()
            assert set(one.quality.tolist()) <= set(Quality)
            assert (one.t_unc_ns >= 0).all()
            json.dumps(one.meter.to_json(), allow_nan=False)
        begin, end = int(found[0].t_ns[0]), int(found[0].t_ns[-1])
        if begin < end:
            assert finite(measure(Window("all", PhaseKind.MEASURED, begin, end), [found[0]]).to_json())
    except JoulemarkError as error:
        failure = error
    else:
        return
    assert failure.what
    assert failure.exit_code in (2, 4)


@given(data=st.data(), name=st.sampled_from(list(VALID)))
def test_power_logs_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str) -> None:
    """A valid log of any format with pieces cut, doubled or poisoned gives finite series or a refusal."""
    folder = tmp_path_factory.mktemp("wrong", numbered=True)
    (folder / "readings").mkdir()
    (folder / "meters.json").write_text(json.dumps({"meters": [METER.to_json()]}))
    path = folder / name
    path.write_bytes(data.draw(mutated(VALID[name].encode())))
    attempt(path)


@given(data=st.data())
def test_a_description_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A bundle whose `meters.json` was changed gives finite series or a refusal."""
    folder = tmp_path_factory.mktemp("wrong", numbered=True)
    (folder / "readings").mkdir()
    (folder / "meters.json").write_bytes(data.draw(mutated(json.dumps({"meters": [METER.to_json()]}).encode())))
    name = "readings/nvml%3Ahost%3AGPU-1%3Aenergy.csv"
    (folder / name).write_text(VALID[name])
    attempt(folder / name)


@pytest.mark.parametrize("name", VALID)
def test_the_valid_ones_are_valid(tmp_path: Path, name: str) -> None:
    """Each file that the tests above spoil is read as it stands."""
    (tmp_path / "readings").mkdir()
    (tmp_path / "meters.json").write_text(json.dumps({"meters": [METER.to_json()]}))
    (tmp_path / name).write_text(VALID[name])
    assert len(traces.read(tmp_path / name, tz=UTC)[0]) >= 4
