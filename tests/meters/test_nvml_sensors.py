from __future__ import annotations

import pynvml
import pytest

from joulemark.meters import nvml_sensors


@pytest.mark.parametrize(
    ("product", "architecture", "coverage"),
    [("NVIDIA A100-SXM4-80GB", 7, 0.25), ("NVIDIA GH200 480GB", 9, 0.2), ("NVIDIA H200", 9, 0.25), ("NVIDIA B200", 10, None)],
)
def test_published_sensors(product: str, architecture: int, coverage: float | None) -> None:
    """Coverage is window over period where somebody measured it, and unknown elsewhere."""
    assert nvml_sensors.instant_sensor(product, architecture).coverage == (None if coverage is None else pytest.approx(coverage))


@pytest.mark.parametrize(
    ("product", "architecture", "averages"),
    [
        ("NVIDIA A100-SXM4-80GB", 7, False),
        ("NVIDIA A30", 7, False),
        ("NVIDIA A40", 7, True),
        ("NVIDIA RTX A6000", 7, True),
        ("NVIDIA H100 80GB HBM3", 9, True),
        ("Tesla T4", 6, False),
        ("a GPU of tomorrow", nvml_sensors.ARCH_UNKNOWN, True),
    ],
)
def test_what_the_plain_power_call_means(product: str, architecture: int, averages: bool) -> None:
    """Ampere except the GA100 chip, and newer, average over a second; older chips answer at the instant."""
    assert nvml_sensors.plain_call_averages(product, architecture) is averages


def test_architecture_numbers_are_the_drivers() -> None:
    """The spelled-out architecture numbers are those of the driver's library."""
    for name in ("PASCAL", "VOLTA", "TURING", "AMPERE", "HOPPER", "UNKNOWN"):
        assert getattr(nvml_sensors, f"ARCH_{name}") == getattr(pynvml, f"NVML_DEVICE_ARCH_{name}")


def test_coverage_needs_both_constants() -> None:
    """Without a window or a period the coverage is unknown, and a window longer than the period covers all."""
    assert nvml_sensors.Sensor(None, 0.1, "").coverage is None
    assert nvml_sensors.Sensor(0.1, None, "").coverage is None
    assert nvml_sensors.Sensor(1.0, 0.1, "").coverage == 1.0
