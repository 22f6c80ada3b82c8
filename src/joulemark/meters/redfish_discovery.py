"""Which chassis of a Redfish service measure power, where the best value of each stands, and what it says of itself."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from joulemark.errors import MeterTransient, MeterUnavailable
from joulemark.meters.descriptions import id_part
from joulemark.meters.redfish_inlet import inlet_of
from joulemark.meters.redfish_resources import (
    EXPONENT,
    MOST_PARTS,
    WHOLE,
    Point,
    control_points,
    environment_points,
    inner,
    last_part,
    link,
    links,
    mapping,
    sensor_facts,
    serial_of,
    step_of,
    supply_points,
    text,
    value_at,
)
from joulemark.meters.redfish_service import Service
from joulemark.readings import Boundary, Current, DeviceInfo, MeterInfo, Quantity

KIND: Final = "redfish"
MOST_CHASSIS: Final = 256
"""More members than that are no server room's, but a broken list."""


class Origin(enum.StrEnum):
    """Where the power of a chassis is read."""

    AUTO = "auto"
    ENVIRONMENT = "environment"
    SUPPLIES = "supplies"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Source:
    """One resource that is read at each poll, or seldom, the values in it, and the meters that they are."""

    path: str
    points: tuple[Point, ...]
    device: DeviceInfo


@dataclass(frozen=True, slots=True)
class Found:
    """A resource with values, before it has a name. `supply`: the power supply it belongs to, else empty."""

    path: str
    resource: Mapping[str, Any]
    points: tuple[Point, ...]
    supply: Mapping[str, Any]

    @property
    def answers(self) -> bool:
        """Whether it holds a number now."""
        return any(value_at(self.resource, point).value is not None for point in self.points)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Looks through `service`. `host` goes into the meter ids, `place` where no serial is told; `only` names chassis, all if empty.

    `inlet_interval_s`: how often the air that a server takes in is read; 0 looks for none.
    """

    service: Service
    host: str
    place: str
    origin: Origin
    only: Sequence[str]
    inlet_interval_s: float

    async def sources(self, root: Mapping[str, Any]) -> tuple[Source, ...]:
        """Every source that the service root `root` leads to, in the order of the chassis. Raises MeterUnavailable, MeterTransient."""
        members = links(await self.service.find(link(root, "Chassis")), "Members")[:MOST_CHASSIS]
        chosen = [path for path in members if not self.only or last_part(path) in self.only]
        missing = [name for name in self.only if name not in map(last_part, members)]
        if missing:
            raise MeterUnavailable(
                f"redfish: {self.place} has no chassis {', '.join(missing)}",
                f"write in `chassis` one or more of {', '.join(map(last_part, members)) or 'none: it lists no chassis'}",
            )
        found: list[Source] = []
        for path in chosen:
            found += await self._of_chassis(path, root, taken=frozenset(source.path for source in found))
        if not found:
            raise MeterUnavailable(
                f"redfish: none of {len(chosen)} chassis at {self.place} tells power by EnvironmentMetrics, PowerSupplies or PowerControl",
                "see that the account may read power and that the firmware is new, or read the server with another meter",
            )
        return named_apart(found)

    async def _of_chassis(self, path: str, root: Mapping[str, Any], *, taken: frozenset[str]) -> list[Source]:
        chassis = await self.service.find(path)
        best = [found for found in await self._best(chassis) if found.path not in taken]
        if not best:
            return []
        system = await self.service.find(next(iter(links(mapping(chassis, "Links"), "ComputerSystems")), ""))
        manager = next(iter(links(mapping(chassis, "Links"), "ManagedBy")), "")
        if not manager:
            manager = next(iter(links(await self.service.find(link(root, "Managers")), "Members")), "")
        whole = {
            "vendor": text(chassis, "Manufacturer") or text(system, "Manufacturer") or text(root, "Vendor"),
            "model": text(chassis, "Model") or text(system, "Model"),
            "serial": serial_of(chassis, system),
            "firmware": text(await self.service.find(manager), "FirmwareVersion"),
            "interface": f"Redfish {text(root, 'RedfishVersion')}".rstrip(),
        }
        name = id_part(whole["serial"] or f"{self.place}-{last_part(path)}")
        sources = [await self._described(found, chassis, whole, name) for found in best]
        inlet = await self._inlet(chassis, whole, name, sources[0].device.meters[0])
        return [*sources, *(source for source in inlet if source.path not in taken)]

    async def _best(self, chassis: Mapping[str, Any]) -> list[Found]:
        """The first origin that gives a number now; else the first that has a place for one."""
        ways: dict[Origin, Callable[[Mapping[str, Any]], Awaitable[list[Found]]]] = {
            Origin.ENVIRONMENT: self._environment,
            Origin.SUPPLIES: self._supplies,
            Origin.CONTROL: self._control,
        }
        empty: list[Found] = []
        for origin, way in ways.items():
            if self.origin in (Origin.AUTO, origin):
                found = await way(chassis)
                if any(one.answers for one in found):
                    return found
                empty = empty or found
        return empty

    async def _environment(self, chassis: Mapping[str, Any]) -> list[Found]:
        """EnvironmentMetrics; where its excerpt of the power has no value of its own, the sensor it names."""
        path = link(chassis, "EnvironmentMetrics")
        resource = await self.service.find(path)
        if points := environment_points(resource):
            return [Found(path, resource, points, {})]
        path = sensor_path(resource, ("PowerWatts", "Reading"))
        sensor = await self.service.find(path)
        points = (Point("power", Quantity.POWER, ("Reading",)),) if "Reading" in sensor else ()
        return [Found(path, sensor, points, {})] if points else []

    async def _supplies(self, chassis: Mapping[str, Any]) -> list[Found]:
        """One source per power supply: a cord each. An empty bay has no cord."""
        subsystem = await self.service.find(link(chassis, "PowerSubsystem"))
        found = []
        for path in links(await self.service.find(link(subsystem, "PowerSupplies")), "Members")[:MOST_PARTS]:
            supply = await self.service.find(path)
            metrics = link(supply, "Metrics")
            resource = await self.service.find(metrics)
            points = supply_points(resource, last_part(path))
            if points and mapping(supply, "Status").get("State") != "Absent":
                found.append(Found(metrics, resource, points, {"Id": last_part(path), **supply}))
        return found

    async def _control(self, chassis: Mapping[str, Any]) -> list[Found]:
        path = link(chassis, "Power")
        resource = await self.service.find(path)
        points = control_points(resource)
        return [Found(path, resource, points, {})] if points else []

    async def _inlet(self, chassis: Mapping[str, Any], whole: Mapping[str, str], name: str, power: MeterInfo) -> list[Source]:
        """The air that a server takes in, beside its `power`: a witness on a device of its own, none for a rack or a part.

        A BMC that fails to tell it still tells the power, so that is no error.
        """
        if not self.inlet_interval_s or boundary_of(text(chassis, "ChassisType")) is not Boundary.SERVER_INPUT:
            return []
        try:
            found = await inlet_of(self.service, chassis)
            if found is None:
                return []
            path = sensor_path(found.resource, found.point.keys)
            sensor = found.resource if found.point.keys == ("Reading",) else await self.service.find(path)
        except MeterTransient:
            return []
        facts = {
            **whole,
            **sensor_facts(sensor, found.point, path=path or found.path),
            "serial": "",  # the chassis's own is that of its power: what is said of that serial is not said of a thermometer
            "boundary": power.boundary,
            "current": power.current,
            "covers": (self.host,),
            "update_period_s": self.inlet_interval_s,
        }
        device_id = f"{KIND}:{self.host}:{name}-{found.point.channel}"
        one = meter(found.point, facts, device_id=device_id, step=step_of(raw(found.resource, found.point.keys), found.point))
        return [Source(found.path, (found.point,), DeviceInfo(device_id, (one,), seldom=True))]

    async def _described(self, found: Found, chassis: Mapping[str, Any], whole: Mapping[str, str], name: str) -> Source:
        supply, facts = found.supply, dict(whole)
        if supply:
            name = f"{name}-{id_part(str(supply['Id']))}"
            own = {"vendor": text(supply, "Manufacturer"), "model": text(supply, "Model"), "serial": text(supply, "SerialNumber")}
            facts.update({key: value for key, value in own.items() if value})
        points, meters = [], []
        for point in found.points:
            path = sensor_path(found.resource, point.keys)
            sensor = found.resource if point.keys == ("Reading",) else await self.service.find(path)
            points.append(replace(point, metrics=metric_names(found.path, point, sensor, path)))
            more = {**facts, **placed(chassis, supply, point, name), **sensor_facts(sensor, point, path=path or found.path)}
            meters.append(meter(point, more, device_id=f"{KIND}:{self.host}:{name}", step=step_of(raw(found.resource, point.keys), point)))
        return Source(found.path, tuple(points), DeviceInfo(f"{KIND}:{self.host}:{name}", tuple(meters)))


def meter(point: Point, facts: Mapping[str, Any], *, device_id: str, step: int) -> MeterInfo:
    """The description of the meter at `point`."""
    own = {"averaging": point.averaging, "averaging_window_s": point.window_s, "rated_w": point.rated_w, "note": point.note}
    return MeterInfo(
        meter_id=f"{device_id}:{point.channel}", kind=KIND, quantity=point.quantity, exponent=EXPONENT, step=step, **{**own, **facts}
    )


def placed(chassis: Mapping[str, Any], supply: Mapping[str, Any], point: Point, name: str) -> dict[str, Any]:
    """Boundary, side and cord: a power supply is one cord, a chassis of a server the server, any other a part of one, behind the supply."""
    if supply:
        kind = supply.get("InputNominalVoltageType") or supply.get("PowerSupplyType") or "AC"
        current = Current.DC if "DC" in str(kind) and "AC" not in str(kind) else Current.AC
        head, _, last = name.rpartition("-")
        return {"boundary": Boundary.PSU_INPUT, "current": current, "covers": (f"{head}/{last}",)}
    boundary = point.boundary or boundary_of(text(chassis, "ChassisType"))
    return {"boundary": boundary, "current": Current.DC if boundary is Boundary.MODULE else Current.AC}


def boundary_of(chassis_type: str) -> Boundary:
    """What the power of a chassis of this type is the power of."""
    if chassis_type.startswith("Rack") and chassis_type != "RackMount":
        return Boundary.RACK
    return Boundary.SERVER_INPUT if chassis_type in WHOLE else Boundary.MODULE


def metric_names(path: str, point: Point, sensor: Mapping[str, Any], sensor_uri: str) -> frozenset[str]:
    """How metric reports may call the value. Its sensor stands for it only where both are in the same unit: watts."""
    names = {f"{path}#/{'/'.join(map(str, point.keys))}"}
    if point.quantity is Quantity.POWER and sensor_uri and sensor.get("ReadingUnits", "W") == "W":
        names |= {sensor_uri, f"{sensor_uri}#/Reading", f"{sensor_uri}/Reading"}
    return frozenset(names)


def sensor_path(resource: Mapping[str, Any], keys: Sequence[str | int]) -> str:
    """The sensor that the excerpt around `keys` names; "" where it names none."""
    excerpt = raw(resource, keys[:-1])
    return link({"sensor": {"@odata.id": mapping({"excerpt": excerpt}, "excerpt").get("DataSourceUri")}}, "sensor")


def raw(resource: Any, keys: Sequence[str | int]) -> Any:
    """What stands under `keys`, as it is; None where nothing does."""
    for key in keys:
        resource = inner(resource, key)
    return resource


def named_apart(found: Sequence[Source]) -> tuple[Source, ...]:
    """`found` with the number of the source in every name that would stand twice: some firmware gives all chassis one serial."""

    def apart() -> Iterator[Source]:
        given: set[str] = set()
        for source in found:
            name, number = source.device.device_id, 2
            while name in given:
                name, number = f"{source.device.device_id}-{number}", number + 1
            given.add(name)
            meters = tuple(replace(meter, meter_id=f"{name}:{meter.channel}") for meter in source.device.meters)
            yield replace(source, device=replace(source.device, device_id=name, meters=meters))

    return tuple(apart())
