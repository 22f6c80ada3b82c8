"""Where each kind of meter sits on the one server of `make meters-live`, and what flows there.

The server has two cords. Its inner meters see loads of their own; around them stand its input, its cords and the strip that feeds
them: each level takes what the level inside it takes, and a little more for what is lost on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PSU1, PSU2 = "psu1", "psu2"
CORDS = {PSU1: 0.6, PSU2: 0.4}
"""Cord -> its share of what the server takes."""

OTHER_W = 180.0
"""Fans, disks and losses inside the server, which no inner meter sees."""

LOSS = {"server_input": 1.0, "cord": 1.02, "pdu_inlet": 1.03}
"""Level -> what flows there over what the server takes."""


@dataclass(frozen=True)
class Place:
    """Where a kind sits, and what flows there when each of its `devices` is told the power P.

    `watts`: P of an inner meter at full load. `level`, `cords`: of an outer meter, whose P is its part of what the server takes.
    `more_w`: what the devices together show above their P. `flows`: boundary to the power found there over the P of all devices.
    `takes`: what the server takes for an inner meter, over the P of all devices. `channels`: ends of the ids of the power meters whose sum
    is the first of `flows`; none where the kind counts energy only. `keys`: added to the options of its table.
    """

    flows: Mapping[str, float]
    channels: tuple[str, ...]
    watts: float = 0.0
    devices: int = 1
    more_w: float = 0.0
    takes: float = 1.0
    level: str = ""
    cords: tuple[str, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)

    def told_w(self, load: float, server_w: float) -> float:
        """What to tell each device when the load is `load` (0 to 1) and the server takes `server_w`."""
        if self.watts:
            return self.watts * load
        return server_w * LOSS[self.level] * sum(CORDS[cord] for cord in self.cords) / self.devices

    def flow_w(self, told_w: float) -> float:
        """What all devices together show when each is told `told_w`."""
        return told_w * self.devices + self.more_w


def server_w(places: Mapping[str, Place], load: float) -> float:
    """What the server takes at `load`: all that its inner meters see, and the rest."""
    return OTHER_W + sum(place.flow_w(place.watts * load) * place.takes for place in places.values() if place.watts)


BOTH = (PSU1, PSU2)

PLACES: Mapping[str, Place] = {
    "nvml": Place({"gpu": 1.0}, ("power_instant",), watts=420.0, devices=2, keys={"interval_ms": 100}),
    "amd": Place({"gpu": 1.0}, ("power_current",), watts=350.0, devices=2, keys={"interval_ms": 200}),
    "prometheus": Place({"gpu": 1.0}, ("power",), watts=310.0, devices=2, more_w=10.0),
    "hwmon": Place(
        {"module": 1.0, "package": 0.4, "gpu": 0.5}, ("socket-0-module:power",), watts=300.0, takes=1.5, keys={"interval_ms": 200}
    ),
    "rapl": Place({"package": 1.0}, (), watts=260.0, keys={"interval_ms": 200}),
    "ipmi": Place({"server_input": 1.0}, ("power",), level="server_input", cords=BOTH, keys={"covers": BOTH}),
    "redfish": Place({"server_input": 1.0}, ("power",), level="server_input", cords=BOTH, keys={"covers": BOTH}),
    "exec": Place({"server_input": 1.0}, ("power",), level="server_input", cords=BOTH, keys={"covers": BOTH, "interval_ms": 1000}),
    "snmp": Place({"outlet": 1.0}, ("o1.1-power",), level="cord", cords=(PSU1,), keys={"inlet": False, "covers": [PSU1]}),
    "shelly": Place({"outlet": 1.0}, ("switch-0-power",), level="cord", cords=(PSU2,), keys={"covers": [PSU2]}),
    "tasmota": Place({"outlet": 1.0}, ("power",), level="cord", cords=(PSU2,), keys={"covers": [PSU2]}),
    "ptdaemon": Place({"wall_analyzer": 1.0}, ("total",), level="cord", cords=BOTH, keys={"covers": BOTH, "interval_ms": 100}),
    "scpi": Place({"wall_analyzer": 1.0}, ("power-1",), level="cord", cords=(PSU1,), keys={"covers": [PSU1], "interval_ms": 250}),
    "modbus": Place({"pdu_inlet": 1.0}, ("power",), level="pdu_inlet", cords=BOTH, keys={"covers": BOTH, "boundary": "pdu_inlet"}),
}
"""Kind -> its place. Kinds that watch one cord are alternatives, of which the product has to take one."""
