"""The table of machines: sizes add up within a family, and what is not in it is not guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.machines import counted, machine, machines


@pytest.mark.parametrize(
    ("provider", "name", "gpus", "gpu_memory_gib"),
    [
        ("azure", "Standard_ND96isr_H100_v5", 8, 80),
        ("azure", "standard_nd96isr_mi300x_v5", 8, 192),
        ("AWS", "p5.48xlarge", 8, 80),
        ("aws", "g6.12xlarge", 4, 24),
        ("gcp", "a2-megagpu-16g", 16, 40),
        ("gcp", "a2-ultragpu-2g", 2, 80),
        ("gcp", "g2-standard-32", 1, 24),
    ],
)
def test_a_machine_is_found_by_its_name(provider: str, name: str, gpus: int, gpu_memory_gib: int) -> None:
    """Number and memory of GPUs are those of the type, whatever the case of its name."""
    found = machine(provider, name)
    assert found is not None
    assert (found.gpu_count, found.gpu_memory_gib) == (gpus, Decimal(gpu_memory_gib))


def test_an_unknown_machine_is_not_guessed() -> None:
    """Neither a type that is not listed nor one of another provider is taken for the nearest."""
    assert machine("aws", "p5.96xlarge") is None
    assert machine("azure", "p5.48xlarge") is None


def test_the_machines_of_google_say_their_parts() -> None:
    """Every machine of Google names the SKUs of its cores and GPUs; those with bundled disks have 375 GiB for each, in whole numbers."""
    google = [found for (provider, _), found in machines().items() if provider == "gcp"]
    assert len(google) >= 18
    for found in google:
        assert found.core_sku
        assert found.gpu_sku
        assert found.local_ssd_gib % 375 == 0


def test_larger_machines_are_multiples() -> None:
    """Types with eight GPUs of one family have eight times the memory, cores and disk of that with one GPU."""
    for one, eight in (("a2-highgpu-1g", "a2-highgpu-8g"), ("a2-ultragpu-1g", "a2-ultragpu-8g"), ("a3-highgpu-1g", "a3-highgpu-8g")):
        small, large = machine("gcp", one), machine("gcp", eight)
        assert small is not None
        assert large is not None
        assert (small.vcpu * 8, small.memory_gib * 8, small.local_ssd_gib * 8) == (large.vcpu, large.memory_gib, large.local_ssd_gib)


def test_the_table_wins_over_a_wrong_count() -> None:
    """Twelve GPUs in a machine that has eight are eight, with a note; a machine that nobody knows has what the list says."""
    eight, note = counted("azure", "Standard_ND96isr_H100_v5", 12)
    assert (eight, note) == (8, "the list says 12 GPUs, a Standard_ND96isr_H100_v5 has 8")
    assert counted("azure", "Standard_ND96isr_H100_v5", 8) == (8, "")
    assert counted("aws", "p5.48xlarge", None) == (8, "")
    assert counted("nebius", "gpu-h100", 12) == (12, "")
    assert counted("nebius", "cpu", 0) == (None, "")


@pytest.mark.parametrize("name", ["a2-highgpu-1g", "a3-edgegpu-8g", "a4-highgpu-8g", "g2-standard-4", "g4-standard-48"])
def test_a_host_without_its_gpus_is_refused(name: str) -> None:
    """A price of a machine of Google that is listed without its GPUs is refused, also of one that the table does not know."""
    with pytest.raises(FormatError, match="host_only"):
        counted("gcp", name, None)
    assert counted("gcp", "n1-standard-4", None) == counted("gcp", "g1-small", 0) == (None, "")
