"""A stranger with the bundle and `joulemark compute` gets the card's numbers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark import traces
from joulemark.cards import bundle
from joulemark.cards.contents import contents, one_line
from joulemark.cards.evidence import Evidence
from joulemark.cli.compute import command
from joulemark.energy.series import Series
from joulemark.readings import Quality

Gather = Callable[..., Evidence]
FIGURES = (
    "energy_j",
    "energy_counter_j",
    "energy_trapezoid_j",
    "u95_j",
    "mean_power_w",
    "mean_of_samples_w",
    "coverage",
    "joules_per_1k_output_tokens",
    "joules_per_1k_total_tokens",
    "joules_per_request",
)


def recomputed(directory: Path) -> dict[str, object]:
    readings = sorted(str(path) for path in (directory / "energy" / "readings").iterdir())
    power = [word for path in readings for word in ("--power", path)]
    done = CliRunner().invoke(command, [*power, "--benchmark", str(directory), "--json"], catch_exceptions=False)
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("case", ["wall", "counter", "both", "gap"])
def test_compute_agrees_with_the_card(gather: Gather, wall: Series, counter: Series, with_gap: Series, tmp_path: Path, case: str) -> None:
    """Energy, uncertainty and every ratio come out of the bundle's readings as they stand on the card, to 1e-12."""
    series = {"wall": (wall,), "counter": (counter,), "both": (wall, counter), "gap": (with_gap,)}[case]
    bundle.write(tmp_path, gather(series=series))
    made = json.loads((tmp_path / "energy" / "card.json").read_text())
    again = recomputed(tmp_path)
    assert len(again["phases"]) == len(made["phases"]) == 2  # type: ignore[arg-type]  # a list in parsed JSON
    for ours, theirs in zip(made["phases"], again["phases"], strict=True):  # type: ignore[call-overload]  # a list in parsed JSON
        for name in FIGURES:
            assert theirs[name] == (None if ours[name] is None else pytest.approx(ours[name], rel=1e-12)), name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_readings_come_back_as_the_integers_they_were(gather: Gather, counter: Series, tmp_path: Path, data: st.DataObject) -> None:
    """Times, uncertainties, values, qualities and reasons survive the CSV exactly, for any integers and any reason text."""
    n = data.draw(st.integers(3, 12))
    quality = np.array(data.draw(st.lists(st.sampled_from(list(Quality)), min_size=n, max_size=n)), dtype=np.uint8)
    quality[[0, 1, -1]] = Quality.OK
    value = np.array(data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n)), dtype=np.int64)
    value[quality == Quality.GAP] = 0
    reason = one_line(data.draw(st.text()))
    odd = [row for row in range(n) if not Quality(int(quality[row])).integrable]
    one = replace(
        counter,
        t_ns=np.linspace(counter.t_ns[0], counter.t_ns[-1], n).astype(np.int64),
        t_unc_ns=np.array(data.draw(st.lists(st.integers(0, 2**40), min_size=n, max_size=n)), dtype=np.int64),
        value=value,
        quality=quality,
        reasons={row: reason or Quality(int(quality[row])).name.lower() for row in odd},
        clock_bound_ns=data.draw(st.integers(0, 10**12)),
    )
    for path, content in contents(gather(series=(one,))).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (file,) = (tmp_path / "readings").iterdir()
    (back,) = traces.read(file, tz=None)
    assert back.meter == one.meter
    assert (back.clock_bound_ns, back.device_stamps) == (one.clock_bound_ns, True)
    for name in ("t_ns", "t_unc_ns", "value", "quality"):
        np.testing.assert_array_equal(getattr(back, name), getattr(one, name))
    assert dict(back.reasons) == dict(one.reasons)
