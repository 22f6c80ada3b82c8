"""A test that fails when 1k tokens take more energy than they did."""

import time

import pytest

from joulemark.pytest_plugin import Phase

LIMIT_J = 900.0


def generate() -> int:
    """Stands for the engine: how many tokens it made."""
    time.sleep(0.3)
    return 600


def test_energy_per_token(joulemark_phase: Phase) -> None:
    """1k output tokens take less than the limit."""
    with joulemark_phase("warmup", "warmup"):
        generate()
    with joulemark_phase() as counts:
        counts.output_tokens = generate()
    energy = joulemark_phase.energy()
    if energy is None:
        pytest.skip(joulemark_phase.reason)
    assert energy["joules_per_1k_output_tokens"] - energy["u95_j"] / 0.6 < LIMIT_J
