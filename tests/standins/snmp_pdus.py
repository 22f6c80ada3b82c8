"""What rack PDUs of several makers serve, as data files of the SNMP simulator. Object names and units: the MIBs of `snmp_families`."""

from __future__ import annotations

from collections.abc import Mapping

from tests.standins.snmp_standin import records

APC = "1.3.6.1.4.1.318.1.1.26"
RARITAN = "1.3.6.1.4.1.13742.6"
SENTRY = "1.3.6.1.4.1.1718.4.1"
ENERGY_OBJECT = "1.3.6.1.2.1.229.1.2.1"
ENTITY = "1.3.6.1.2.1.47.1.1.1.1"

WH_PER_J = 1 / 3600
AVAILABLE, NORMAL = "2|1", "2|4"


def system(description: str, object_id: str) -> dict[str, str]:
    """SysDescr and sysObjectID."""
    return {"1.3.6.1.2.1.1.1.0": f"4|{description}", "1.3.6.1.2.1.1.2.0": f"6|{object_id}"}


def apc(outlets: Mapping[int, tuple[str, str]], *, power: str = "2|0", energy: str = "2|51234") -> str:
    """An AP8659: outlets with power in W and energy in 0.1 kWh, as `tag|value`; the device in 0.01 kW and 0.1 kWh."""
    said = system("APC Web/SNMP Management Card", "1.3.6.1.4.1.318.1.3.4.6")
    said |= {f"{APC}.2.1.6.1": "4|v6.5.6", f"{APC}.2.1.8.1": "4|AP8659EU3", f"{APC}.2.1.9.1": "4|ZA1234567890"}
    said |= {f"{APC}.4.3.1.5.1": power, f"{APC}.4.3.1.9.1": energy}
    for outlet, (watts, tenths_kwh) in outlets.items():
        said |= {f"{APC}.9.4.3.1.7.{outlet}": watts, f"{APC}.9.4.3.1.11.{outlet}": tenths_kwh}
    return records(said)


def px3(outlets: Mapping[int, Mapping[str, str]], *, serial: str = "QTG6B00001") -> str:
    """A PX3: outlets with `power`, `energy`, and if need be `digits`, `available`, `state` and `time`, as `tag|value`."""
    said = system("PX3-5902V-V2", RARITAN)
    said |= {f"{RARITAN}.3.2.1.1.2.1": "4|Raritan", f"{RARITAN}.3.2.1.1.3.1": "4|PX3-5902V-V2", f"{RARITAN}.3.2.1.1.4.1": f"4|{serial}"}
    said |= {f"{RARITAN}.3.2.3.1.6.1.1.1": "4|4.2.0.5-50274"}
    for outlet, values in outlets.items():
        for sensor, name in ((5, "power"), (8, "energy")):
            at = f"1.{outlet}.{sensor}"
            said |= {
                f"{RARITAN}.3.5.4.1.7.{at}": values.get("digits", "66|0"),
                f"{RARITAN}.5.4.3.1.2.{at}": values.get("available", AVAILABLE),
                f"{RARITAN}.5.4.3.1.3.{at}": values.get("state", NORMAL),
                f"{RARITAN}.5.4.3.1.4.{at}": values[name],
                f"{RARITAN}.5.4.3.1.5.{at}": values.get("time", "66|1795225000"),
            }
    return records(said)


def sentry4(outlets: Mapping[str, tuple[str, str, str]]) -> str:
    """A Sentry4 unit: outlets by unit.cord.outlet with power in W, its status and energy in Wh; one cord of 1701 W and 893.7 kWh."""
    said = system("Sentry Smart PDU", "1.3.6.1.4.1.1718.4")
    said |= {f"{SENTRY}.1.1.3.0": "4|Version 8.0n", f"{SENTRY}.2.2.1.4.1": "4|ABCD0000001", f"{SENTRY}.2.2.1.5.1": "4|C2S42CE-YCMFAM00"}
    said |= {f"{SENTRY}.3.3.1.3.1.1": "2|1701", f"{SENTRY}.3.3.1.4.1.1": "2|0", f"{SENTRY}.3.3.1.10.1.1": "2|8937"}
    for at, (watts, status, watt_hours) in outlets.items():
        said |= {f"{SENTRY}.8.3.1.7.{at}": watts, f"{SENTRY}.8.3.1.8.{at}": status, f"{SENTRY}.8.3.1.14.{at}": watt_hours}
    return records(said)


def energy_object(objects: Mapping[int, tuple[int, int, int, int, int]]) -> str:
    """Energy objects by entPhysicalIndex: eoPower, multiplier, accuracy in 0.01 %, caliber (3 actual), current type (1 AC, 2 DC)."""
    said = system("EMAN agent", "1.3.6.1.4.1.9.1.1")
    said |= {f"{ENTITY}.9.1": "4|1.2", f"{ENTITY}.11.1": "4|FOC1234", f"{ENTITY}.12.1": "4|Example", f"{ENTITY}.13.1": "4|EO-1"}
    for index, (power, multiplier, accuracy, caliber, current) in objects.items():
        for column, value in ((1, power), (3, multiplier), (4, accuracy), (5, caliber), (6, current)):
            said[f"{ENERGY_OBJECT}.{column}.{index}"] = f"2|{value}"
    return records(said)
