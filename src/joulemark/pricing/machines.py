"""Machines with GPUs that providers rent, by their names: what a price is of, where a list gets it wrong or leaves it out."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from joulemark.config import build

PATH: Final = Path(__file__).parent / "machines.toml"


@dataclass(frozen=True, slots=True)
class Machine:
    """One type of machine. `local_ssd_gib`: of the disk that comes with it and is charged with it.

    `core_sku`, `gpu_sku`: how the list of its provider calls its parts, empty where the list has whole machines.
    """

    provider: str
    instance_type: str
    gpu_model: str
    gpu_count: int
    gpu_memory_gib: Decimal
    vcpu: int
    memory_gib: Decimal
    local_ssd_gib: int = 0
    core_sku: str = ""
    gpu_sku: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """One `[[family]]` table of the file: machines with the same GPU, with their sizes."""

    provider: str
    gpu_model: str
    gpu_memory_gib: int
    types: Mapping[str, tuple[int, ...]]
    core_sku: str = ""
    gpu_sku: tuple[str, ...] = ()

    def machines(self) -> list[Machine]:
        """One for each of `types`."""
        return [
            Machine(
                self.provider,
                name,
                self.gpu_model,
                gpus,
                Decimal(self.gpu_memory_gib),
                vcpu,
                Decimal(memory_gib),
                ssd[0] if ssd else 0,
                self.core_sku,
                self.gpu_sku,
            )
            for name, (vcpu, memory_gib, gpus, *ssd) in self.types.items()
        ]


@functools.cache
def machines() -> Mapping[tuple[str, str], Machine]:
    """Provider and type, in lower case, to the machine."""
    families = tomllib.loads(PATH.read_text(encoding="utf-8"))["family"]
    known = [machine for table in families for machine in build(Family, table, "machines.toml").machines()]
    return {(machine.provider, machine.instance_type.lower()): machine for machine in known}


def machine(provider: str, instance_type: str) -> Machine | None:
    """The machine of that name; None where it is not in the table."""
    return machines().get((provider.lower(), instance_type.lower()))
