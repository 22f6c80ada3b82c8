"""Power and run put together: the widest boundary leads, nothing is added twice, the tool's figures stand beside ours."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import numpy as np
import pytest

from joulemark.cards.compute import COMPUTE_SCHEMA, compute
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Accuracy, Boundary, Current, MeterInfo, Quantity
from joulemark.runs import PhaseKind, Run, Tokens, ToolReported, Window
from joulemark.standard.schema import schemas

S = 10**9
T0 = 1_790_000_000 * S


def power(watts: float, boundary: Boundary, name: str, *, covers: tuple[str, ...] = (), end_s: int = 40) -> Series:
    """Constant power at 1 Hz from 10 s before T0."""
    t_ns = T0 + np.arange(-10, end_s) * S
    meter = MeterInfo(f"test:h:{name}:power", "test", Quantity.POWER, -3, boundary, Current.AC, covers=covers or (name,))
    return Series.plain(meter, t_ns, np.full(len(t_ns), round(watts * 1000)))


def run(*windows: tuple[str, PhaseKind, int, int], reported: tuple[ToolReported, ...] = ()) -> Run:
    tokens = Tokens(input=1000, output=2000, source="server usage")
    return Run(
        tuple(Window(n, k, T0 + b * S, T0 + e * S, 0, tokens, 10, 0) for n, k, b, e in windows), benchmark="t", tool_reported=reported
    )


MEASURED = ("decode", PhaseKind.MEASURED, 0, 20)


def valid(result: dict[str, Any]) -> dict[str, Any]:
    jsonschema.Draft202012Validator(schemas()[COMPUTE_SCHEMA]).validate(json.loads(json.dumps(result, allow_nan=False)))
    return result


def test_phase_energy_per_token_and_request() -> None:
    """500 W for 20 s are 10 kJ: 5 J per output token, and the object fits its published schema."""
    result = valid(compute([power(500, Boundary.SERVER_INPUT, "psu")], run(MEASURED)))
    (phase,) = result["phases"]
    assert phase["energy_j"] == pytest.approx(10_000, rel=1e-12)
    assert phase["joules_per_1k_output_tokens"] == pytest.approx(5000, rel=1e-12)
    assert phase["joules_per_1k_total_tokens"] == pytest.approx(10_000 / 3, rel=1e-12)
    assert phase["joules_per_request"] == pytest.approx(1000, rel=1e-12)
    assert phase["mean_of_samples_w"] == 500.0
    assert phase["uncertainty"]["missing"] == ["spec"]


def test_widest_boundary_leads_and_none_is_added() -> None:
    """With GPU and wall power the wall is the headline, the GPU stands beside it, the sum appears nowhere."""
    series = [power(300, Boundary.GPU, "g"), power(500, Boundary.WALL_ANALYZER, "w")]
    result = valid(compute(series, run(MEASURED)))
    (phase,) = result["phases"]
    assert (phase["boundary"], phase["energy_j"]) == ("wall_analyzer", pytest.approx(10_000))
    assert [(o["boundary"], o["energy_j"]) for o in phase["other_boundaries"]] == [("gpu", pytest.approx(6000))]
    assert any("not added" in finding for finding in result["findings"])


def test_each_boundary_stands_before_those_it_contains() -> None:
    """From the rack inward: an analyser at the wall sees more than an outlet of the strip behind it, and leads."""
    order = ["rack", "pdu_inlet", "wall_analyzer", "outlet", "server_input", "psu_input", "package", "module", "gpu"]
    series = [power(100 * n, Boundary(name), name) for n, name in enumerate(sorted(order), start=1)]
    assert compute(series, run(MEASURED))["power"]["boundaries"] == order


def test_devices_of_one_boundary_add_up_but_a_total_not_with_its_parts() -> None:
    """Two outlets are summed; an analyser's channels are not summed with the total that covers them."""
    outlets = [power(200, Boundary.OUTLET, "a"), power(300, Boundary.OUTLET, "b")]
    assert compute(outlets, run(MEASURED))["phases"][0]["energy_j"] == pytest.approx(10_000)
    channels = [power(200, Boundary.OUTLET, "a"), power(300, Boundary.OUTLET, "b"), power(501, Boundary.OUTLET, "t", covers=("a", "b"))]
    result = valid(compute(channels, run(MEASURED)))
    assert result["phases"][0]["energy_j"] == pytest.approx(501 * 20)
    assert [meter["used"] for meter in result["power"]["meters"]] == [False, False, True]


def test_tool_figures_are_compared_at_their_own_boundary() -> None:
    """A tool's GPU energy is compared with ours of the GPUs, not of the wall; one we cannot match keeps its value alone."""
    reported = (
        ToolReported("nvidia_total_gpu_energy", 6060.0, "J", "decode", "file"),
        ToolReported("nvidia_energy_per_output_token", 3030.0, "mJ/token", "decode", "file"),
        ToolReported("nvidia_energy_per_user", 1.0, "joules/user", "decode", "file"),
        ToolReported("nvidia_total_gpu_energy", 1.0, "J", "elsewhere", "file"),
    )
    series = [power(300, Boundary.GPU, "g"), power(500, Boundary.WALL_ANALYZER, "w")]
    (phase,) = valid(compute(series, run(MEASURED, reported=reported)))["phases"]
    energy, token, user = phase["tool_reported"]
    assert (energy["ours"], energy["difference_rel"]) == (pytest.approx(6000), pytest.approx(0.01))
    assert token["difference_rel"] == pytest.approx(0.01)
    assert (user["ours"], user["difference_rel"]) == (None, None)


def test_phase_without_power_is_null_and_the_others_stand() -> None:
    """A phase after the end of the log has null for its energy and a finding; the phase before it is reported."""
    windows = run(MEASURED, ("late", PhaseKind.MEASURED, 30, 60))
    result = valid(compute([power(500, Boundary.OUTLET, "a")], windows))
    decode, late = result["phases"]
    assert decode["energy_j"] == pytest.approx(10_000)
    assert (late["energy_j"], late["mean_power_w"], late["joules_per_request"]) == (None, None, None)
    assert "before its end" in late["findings"][0]


def test_no_covered_phase_names_the_missing_seconds() -> None:
    """When no measured phase is covered, InsufficientData says on which side and how many seconds are missing."""
    with pytest.raises(InsufficientData, match=r"21\.000 s before its end") as caught:
        compute([power(500, Boundary.OUTLET, "a")], run(("decode", PhaseKind.MEASURED, 0, 60)))
    assert caught.value.exit_code == 4


def test_the_same_log_twice_is_refused() -> None:
    """A power log named twice would double the energy: UsageError."""
    one = power(500, Boundary.OUTLET, "a")
    with pytest.raises(UsageError, match="twice"):
        compute([one, one], run(MEASURED))


def test_accuracy_enters_the_uncertainty() -> None:
    """With a stated accuracy nothing is missing, and a limit of 1 % of 10 kJ gives U95 of at least 2 x 100 J / sqrt 3."""
    result = valid(compute([power(500, Boundary.OUTLET, "a")], run(MEASURED), accuracy=Accuracy(pct_reading=1.0)))
    (phase,) = result["phases"]
    assert phase["uncertainty"]["missing"] == []
    assert phase["u95_j"] >= 2 * 100 / 3**0.5
