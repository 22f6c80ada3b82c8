"""Alignments over REST: handed in, listed, given back, and used by the run that follows."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.contents import alignment_files
from joulemark.cards.evidence import Aligned
from joulemark.energy.series import Series
from joulemark.readings import Boundary, MeterInfo, Quantity
from tests.collector.api.conftest import Api, S
from tests.collector.conftest import Agent
from tests.kit import alignment


def of_the_agents_meter(made_ns: int, channel: int = 0) -> Aligned:
    """An alignment of a meter that the test's agent sends: 10 % more, and 5 W. `channel` 0: its power, 1: its counter."""
    sensor, reference = Agent().device.meters[channel], MeterInfo("scpi:host-a:9:power", "scpi", Quantity.POWER, -3, Boundary.GPU)
    t_ns = made_ns - np.arange(60, 0, -1, dtype=np.int64) * S
    series = [Series.plain(meter, t_ns, np.full(60, watts * 1000)) for meter, watts in ((sensor, 200), (reference, 225))]
    record = replace(
        alignment.made(1, before_ns=made_ns).record,
        alignment_id=("mine", "counter")[channel],
        sensor=sensor.meter_id,
        reference=reference.meter_id,
        made_ns=made_ns,
        expires_ns=made_ns + 90 * 86_400 * S,
        gain=1.1,
        offset_w=5.0,
        lag_s=0.0,
    )
    return Aligned(record, *series)


def body(one: Aligned) -> dict[str, dict[str, str]]:
    return {"files": {path: data.decode() for path, data in alignment_files((one,)).items()}}


def test_an_alignment_corrects_the_runs_that_follow(api: Api) -> None:
    """Handed in, it stands in the list, comes back with its files, and lies with its readings in the bundle of the next run."""
    made = of_the_agents_meter(api.clock.utc_ns() - 60 * S)
    answer = api.post("/v1/calibrations", body(made))
    assert (answer.status_code, answer.json()["alignment_id"]) == (201, "mine")
    (listed,) = api.get("/v1/calibrations", params={"sensor": made.record.sensor}).json()
    assert (listed["gain"], listed["offset_w"], len(listed["plateaus"])) == (1.1, 5.0, 3)
    assert api.get("/v1/calibrations", params={"sensor": "other"}).json() == []
    assert api.get("/v1/calibrations/mine").json()["files"] == body(made)["files"]
    assert api.post("/v1/calibrations", body(of_the_agents_meter(made.record.made_ns, 1))).status_code == 201
    run_id = api.run_of_three_seconds()
    assert api.get(f"/v1/runs/{run_id}/card").json()["headline"]["energy_j"] == pytest.approx(1.1 * 600.0 + 5.0 * 3.0)
    with zipfile.ZipFile(io.BytesIO(api.get(f"/v1/runs/{run_id}/bundle").content)) as archive:
        records = json.loads(archive.read("energy/calibration.json"))["alignments"]
        assert [record["alignment_id"] for record in records] == ["counter", "mine"]
        assert [n for n in archive.namelist() if n.startswith("energy/calibration/mine/") and n.endswith(".csv")] != []


@pytest.mark.parametrize("ago_s", [-1, 91 * 86_400])
def test_one_from_later_or_expired_corrects_nothing(api: Api, ago_s: int) -> None:
    """A run is not corrected by what was made after it, nor by what no longer held."""
    assert api.post("/v1/calibrations", body(of_the_agents_meter(api.clock.utc_ns() - ago_s * S))).status_code == 201
    run_id = api.run_of_three_seconds()
    assert api.get(f"/v1/runs/{run_id}/card").json()["headline"]["energy_j"] == pytest.approx(600.0)
    with zipfile.ZipFile(io.BytesIO(api.get(f"/v1/runs/{run_id}/bundle").content)) as archive:
        assert "energy/calibration.json" not in archive.namelist()


def test_what_is_no_alignment_is_refused(api: Api) -> None:
    """422 with the reason; an unknown one is 404, also one whose name leads elsewhere."""
    made = body(of_the_agents_meter(api.clock.utc_ns()))
    made["files"]["calibration.json"] = "{}"
    refused = api.post("/v1/calibrations", made)
    assert (refused.status_code, "schema" in refused.json()["detail"]) == (422, True)
    for name in ("none", "..%2F..%2Fcatalog.db"):
        assert api.get(f"/v1/calibrations/{name}").status_code == 404
    assert api.get("/v1/calibrations").json() == []


def test_the_readings_of_an_alignment_may_be_long(api: Api) -> None:
    """A body of several megabytes is taken here, and nowhere else."""
    made = of_the_agents_meter(api.clock.utc_ns())
    n = 60_000
    t_ns = api.clock.utc_ns() - np.arange(n, 0, -1, dtype=np.int64) * S // 20
    long = [Series.plain(one.meter, t_ns, np.full(n, 123_456)) for one in (made.sensor, made.reference)]
    large = body(replace(made, sensor=long[0], reference=long[1]))
    assert len(json.dumps(large)) > 2 * 1024 * 1024
    assert api.post("/v1/calibrations", large).status_code == 201
    assert api.post("/v1/runs", {"benchmark": "x" * 2_000_000, "moment": api.moment(0)}).status_code == 413
