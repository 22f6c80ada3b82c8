"""Machines with GPUs that providers rent, by their names: what a price is of, where a list gets it wrong or leaves it out."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from joulemark.config import build
from joulemark.errors import FormatError

PATH: Final = Path(__file__).parent / "machines.toml"
WITH_GPUS: Final = re.compile(r"(a\d|g[2-9])\w*-", re.ASCII)
"""Beginning of the machines of Google that have GPUs, also of those that the table does not know."""


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


def counted(provider: str, instance_type: str, said: int | None) -> tuple[int | None, str]:
    """How many GPUs a machine has of which a list says that it has `said`, and a note where the table knows better.

    Raises FormatError for a machine of Google that has GPUs and is listed without: such prices were those of the host alone.
    """
    known = machine(provider, instance_type)
    if not said and provider == "gcp" and WITH_GPUS.match(instance_type.lower()):
        raise FormatError("host_only: the machine has GPUs, and they are not in this price")
    if known is None or known.gpu_count == said:
        return said or (known.gpu_count if known else None), ""
    return known.gpu_count, f"the list says {said} GPUs, a {instance_type} has {known.gpu_count}" if said else ""
