"""Golden cases: what a device said once, recorded, and what its driver makes of it, in folders `golden/<kind>/<case>/`.

`case.toml` says what the device is, where the input comes from (`origin`), and whether real hardware said it (`captured`); the other
files are the input, in the form of its kind; `expected.json` holds descriptions and values. `JOULEMARK_GOLDEN=write` writes it anew.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from joulemark.readings import MeterInfo, Sample
from joulemark.timebase import SystemClock
from tests.meters.conformance import built
from tests.meters.live import LIVE

GOLDEN = Path(__file__).parent / "golden"
NOW_NS = 3_600_000_000_000
"""Device times this near to now are those of the test itself, no part of the record."""

CASES = sorted(path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("*/*/case.toml"))


def told(meter: MeterInfo, sample: Sample, i: int) -> dict[str, Any]:
    """What a driver says of one meter: every field that is not its default, and the value."""
    plain = MeterInfo(meter.meter_id, meter.kind, meter.quantity, meter.exponent, meter.boundary).to_json()
    said = {name: value for name, value in meter.to_json().items() if name in ("quantity", "exponent", "boundary") or value != plain[name]}
    at_ns = sample.t_device_ns[i]
    now = at_ns is not None and abs(at_ns - SystemClock().utc_ns()) < NOW_NS
    stamp = "now" if now else at_ns
    return {
        **said,
        "value": sample.values[i],
        "quality": sample.qualities[i].name.lower(),
        "reason": sample.reasons[i],
        "t_device_ns": stamp,
    }


@pytest.mark.parametrize("case", CASES)
def test_recorded_input_gives_the_expected_readings(case: str, tmp_path: Path) -> None:
    """The driver makes of a recorded input exactly the descriptions and values that are kept beside it."""
    folder = GOLDEN / case
    kind = folder.parent.name
    about = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
    assert set(about) == {"device", "origin", "captured"}
    with LIVE[kind].recorded(folder, tmp_path) as options, built(kind, options) as meter:
        meter.open()
        samples = meter.read(SystemClock())
        found = {
            info.meter_id: told(info, sample, i)
            for device, sample in zip(meter.info, samples, strict=True)
            for i, info in enumerate(device.meters)
        }
    if os.environ.get("JOULEMARK_GOLDEN") == "write":
        (folder / "expected.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert found == json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def test_every_kind_has_a_golden_case() -> None:
    """Each kind keeps at least one recorded input."""
    assert {case.split("/")[0] for case in CASES} == set(LIVE)
