from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from joulemark import traces
from joulemark.calibration.fit import Plateau, deming, two_plateaus
from joulemark.calibration.plateaus import two_levels
from joulemark.energy.integrate import trapezoid_j
from joulemark.energy.series import Series
from joulemark.errors import FormatError
from joulemark.readings import Current, Quality
from joulemark.units import NS_PER_S

SMC = Path("mlperf_power") / "training_v4.0_smc_llama2_70b_lora_1node"
FIT, HELD_OUT = "4951-240509201759121728742_1", "5027-240510020224961918558_1"


def line(key: str, value: object, time_ms: object = 1_715_257_324_220) -> str:
    return ":::MLLOG " + json.dumps({"namespace": "", "time_ms": time_ms, "event_type": "POINT_IN_TIME", "key": key, "value": value}) + "\n"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "node_0.txt"
    path.write_text(line("power_measurement_start", "null") + "".join(lines))
    return path


def smc(corpus: Path, run: str) -> tuple[Series, Series]:
    """(DC, AC) readings of one run of the public pair."""
    ac, dc = (traces.read(corpus / SMC / side / f"result_{run}.node_0.txt.gz", tz=None)[0] for side in ("ac", "dc"))
    return dc, ac


def test_readings_are_watts_at_utc_milliseconds(tmp_path: Path) -> None:
    """Each power_reading is a reading; start and stop are none, and a failed read is a gap with its reason."""
    path = written(
        tmp_path, line("power_reading", 2795), line("power_reading", 0, 1_715_257_326_214), line("power_reading", 2755.5, 1_715_257_328_000)
    )
    (one,) = traces.read(path, tz=None)
    assert one.t_ns.tolist() == [1_715_257_324_220_000_000, 1_715_257_326_214_000_000, 1_715_257_328_000_000_000]
    assert one.si()[[0, 2]].tolist() == [2795.0, 2755.5]
    assert one.quality.tolist() == [Quality.OK, Quality.GAP, Quality.OK]
    assert one.meter.current is Current.AC


def test_a_conversion_efficiency_means_behind_the_supply(tmp_path: Path) -> None:
    """A log that states how much its supply loses was read on the DC side."""
    path = written(tmp_path, line("conversion_eff", 0.95), line("power_reading", 2600))
    assert traces.read(path, tz=None)[0].meter.current is Current.DC


@pytest.mark.parametrize("time_ms", [None, "x", True, 12])
def test_a_reading_without_time_is_refused(tmp_path: Path, time_ms: object) -> None:
    """A stamp that is none is named with its line."""
    with pytest.raises(FormatError, match=r"node_0.txt:2: .* is not a time"):
        traces.read(written(tmp_path, line("power_reading", 2795, time_ms)), tz=None)


def test_a_broken_line_is_refused(tmp_path: Path) -> None:
    """Half a line in the middle of the log is named, and not skipped."""
    with pytest.raises(FormatError, match=r"node_0.txt:2"):
        traces.read(written(tmp_path, ':::MLLOG {"key": "power_read\n', line("power_reading", 2600)), tz=None)


def test_the_public_pair_aligns_on_its_two_levels(corpus: Path) -> None:
    """DC against AC of one node: gain 1.0011 and 181 W by plateau means, and the run held out goes from -3.13 % to -0.40 %."""
    low, high = two_levels(*smc(corpus, FIT))
    ends = [Plateau(float(sensor.mean()), float(reference.mean())) for sensor, reference in (low, high)]
    fit = two_plateaus(*ends)
    assert len(low[0]) == 37
    assert fit.gain == pytest.approx(1.0011, abs=0.003)
    assert fit.offset_w == pytest.approx(181.0, abs=16.0)
    dc, ac = smc(corpus, HELD_OUT)
    begin_ns, end_ns = int(ac.t_ns[0]), int(ac.t_ns[-1])
    dc_j, ac_j = (trapezoid_j(one.integrable().t_ns, one.integrable().si(), begin_ns, end_ns) for one in (dc, ac))
    duration_s = (end_ns - begin_ns) / NS_PER_S
    assert dc_j / ac_j - 1.0 == pytest.approx(-0.03129, abs=1e-4)
    assert fit.energy_j(dc_j, duration_s) / ac_j - 1.0 == pytest.approx(-0.00399, abs=1e-4)


def test_pairs_of_readings_would_bend_the_line(corpus: Path) -> None:
    """The trap: a regression over raw pairs loses 11 % of the gain, and Deming over them 6 %: both meters see the steps apart in time."""
    dc, ac = smc(corpus, FIT)
    slope, offset_w = np.polyfit(dc.si(), ac.si(), 1)
    assert (slope, offset_w) == pytest.approx((0.8888, 942.9), rel=1e-3)
    rows = np.column_stack([dc.si(), ac.si()])
    by_level = [rows[rows[:, 1] < 3500.0], rows[(rows[:, 1] >= 3500.0) & (rows[:, 1] < 7000.0)], rows[rows[:, 1] >= 7000.0]]
    raw = deming(by_level, ratio=1.0)
    assert raw.gain < 0.96
    assert raw.offset_w > 400.0
