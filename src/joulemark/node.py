"""Nodes: what took part in a run, as it stood before and after. What a program cannot find out, the operator states in a file.

None means not known: no rule takes it for a good answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Self

from joulemark import document
from joulemark.errors import FormatError

NODES_SCHEMA: Final = "joulemark.nodes/1"

ASKED_SETTINGS: Final = ("power_cap_w", "clocks", "governor", "c_states", "fan_policy", "psu_redundancy")
"""Power settings that ENV-2 asks for, as keys of `Settings.values`; one of several parts has a dot and its name behind: `clocks.GPU-1`."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator in the chassis, used or not."""

    uuid: str
    model: str = ""
    vbios: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Psu:
    """One power supply. `inlet`: the cord that feeds it, `host/cord`. `live`: whether it draws anything.

    `storage_between`: whether a battery, UPS or BBU stands between the meter and the load. `loss_model`: of a meter on the DC side, how
    the loss of conversion is known: `manufacturer_curve`, `alignment`, or empty.
    """

    name: str
    inlet: str = ""
    live: bool | None = None
    rated_w: float | None = None
    firmware: str = ""
    storage_between: bool | None = None
    loss_model: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """A part outside the node that the work needs: interconnect, CDU, front-end host.

    `method`: `measured` (by the meters of `meter_ids`), `upper_bound` (`max_spec_w` times `provisioning`, the share that this run may
    use, is added to the energy), `estimated`, or `absent`.
    """

    name: str
    method: str
    meter_ids: tuple[str, ...] = ()
    max_spec_w: float | None = None
    provisioning: float = 1.0

    @property
    def upper_bound_w(self) -> float | None:
        """What is added to the power for it; None where it is measured, absent, or its limit is not known."""
        return None if self.method != "upper_bound" or self.max_spec_w is None else self.max_spec_w * self.provisioning


@dataclass(frozen=True, slots=True)
class Settings:
    """Power settings as they stood at `t_ns`, by the names of `ASKED_SETTINGS` and any others."""

    t_ns: int
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Digest of the values without their time, which an alignment is bound to: JSON, keys in order, no spaces, UTF-8."""
        text = json.dumps(dict(self.values), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def missing(self) -> tuple[str, ...]:
        """The settings asked for that it does not hold."""
        held = {key.partition(".")[0] for key, value in self.values.items() if value}
        return tuple(name for name in ASKED_SETTINGS if name not in held)


@dataclass(frozen=True, slots=True)
class Survey:
    """What ran beside the benchmark at `t_ns`: processes on the node that are not part of it. None: not looked at."""

    t_ns: int
    foreign_processes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One machine. `gpus`: every one in the chassis. `settings`: as read before and after, in order; `surveys` during the run."""

    host: str
    serial: str = ""
    gpus: tuple[Gpu, ...] | None = None
    psus: tuple[Psu, ...] | None = None
    bmc_firmware: str = ""
    driver: str = ""
    cuda: str = ""
    kernel: str = ""
    dimms: str = ""
    nics: str = ""
    cooling: str = ""
    fans: str = ""
    settings: tuple[Settings, ...] = ()
    surveys: tuple[Survey, ...] = ()

    def completed(self, stated: Node) -> Self:
        """This node with every fact that `stated` holds in place of its own; dated settings and surveys stay its own."""
        facts = {f.name: getattr(stated, f.name) for f in fields(stated) if f.name not in ("host", "settings", "surveys")}
        return replace(self, **{name: value for name, value in facts.items() if value not in ("", None)})


@dataclass(frozen=True, slots=True)
class Overhead:
    """Cost of monitoring on performance: pairs of runs with and without it, as a share lost, on one node type.

    `agent_build`: the digest of the agent's source, see `Build`. `measured_ns`: when.
    """

    loss_rel: tuple[float, ...]
    agent_build: str
    node_type: str
    measured_ns: int


@dataclass(frozen=True, slots=True)
class Build:
    """A program that took part: its role (agent, collector), host, version and the sha256 of its source."""

    role: str
    host: str
    version: str
    source_sha256: str


@dataclass(frozen=True, slots=True)
class Nodes:
    """All nodes of a run. `participating`: how many did the work, None where nobody said.

    `extrapolated`: whether the figure stands for more nodes than were measured, which then were `chosen_at_random`.
    """

    nodes: tuple[Node, ...] = ()
    participating: int | None = None
    extrapolated: bool = False
    chosen_at_random: bool | None = None
    components: tuple[Component, ...] | None = None
    builds: tuple[Build, ...] = ()
    overheads: tuple[Overhead, ...] = ()

    @property
    def upper_bounds_w(self) -> dict[str, float]:
        """What is added to the power for parts that no meter sees, by name (SCO-5)."""
        return {part.name: bound_w for part in self.components or () if (bound_w := part.upper_bound_w) is not None}

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.nodes/1`."""
        return {"schema": NODES_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError."""
        if data.get("schema") != NODES_SCHEMA:
            what = f"the description of nodes has schema {document.shown(data.get('schema'))}, not {NODES_SCHEMA!r}"
            raise FormatError(what, "use the joulemark version that wrote it")
        return document.record(cls, {key: value for key, value in data.items() if key != "schema"}, where="nodes")
