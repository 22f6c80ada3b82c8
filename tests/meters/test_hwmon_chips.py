"""What the files of each family mean, and that no watt is counted twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulemark.meters.hwmon_chips import Chip, chips, held, part
from joulemark.readings import Averaging, Boundary, Current, Quantity
from tests.meters.living.hwmon import rail
from tests.standins.sysfs_tree import chip, link, write

ORIN_NX = ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")
AGX_ORIN = (("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"), ("NC", "VDDQ_VDD2_1V8AO", "NC"))


def jetson(root: Path, index: int, rails: tuple[str, ...], device: str, **more: Any) -> Path:
    """An INA3221 as Jetson has it: three channels, the sum of them, and shunt voltages."""
    attributes: dict[str, Any] = {
        "in7_label": "Sum of shunt voltages",
        "in7_input": 120,
        "curr4_input": 3000,
        "update_interval": 36,
        **more,
    }
    for i, label in enumerate(rails, start=1):
        attributes |= {f"in{i}_label": label, f"in{i}_input": 5000, f"curr{i}_input": 1000 * i, f"in{i + 3}_input": 40}
    return chip(root, index, "ina3221", attributes, device=device)


def by_serial(root: Path) -> dict[str, Chip]:
    return {one.serial: one for one in chips(root, "node1")}


def covers(root: Path) -> dict[str, set[str]]:
    """Channel of each sensor -> what it covers, without the host."""
    found = [(one, sensor) for one in chips(root, "node1") for sensor in one.sensors]
    said = {f"{one.serial}:{sensor.channel}": sensor.about.get("covers") or one.about["covers"] for one, sensor in found}
    return {name: {token.removeprefix("node1/") for token in tokens} for name, tokens in said.items()}


@pytest.mark.parametrize("below", [True, False])
def test_grace_rails_contain_each_other(tmp_path: Path, below: bool) -> None:
    """Module holds Grace, Grace holds CPU and SysIO, sockets share nothing; whether the attributes stand in `device/` or not."""
    for index, (name, socket) in enumerate([("Module", 0), ("Grace", 0), ("CPU", 0), ("SysIO", 0), ("Grace", 1)]):
        rail(tmp_path, index, name, socket=socket, below=below)
    found = covers(tmp_path)
    module, grace, cpu, sysio = (found[f"socket-0-{name}:power"] for name in ("module", "grace", "cpu", "sysio"))
    assert module > grace > cpu | sysio
    assert not cpu & sysio
    assert not found["socket-1-grace:power"] & module
    boundaries = {serial: one.about["boundary"] for serial, one in by_serial(tmp_path).items()}
    assert boundaries == {
        "socket-0-module": Boundary.MODULE,
        "socket-0-grace": Boundary.PACKAGE,
        "socket-0-cpu": Boundary.PACKAGE,
        "socket-0-sysio": Boundary.PACKAGE,
        "socket-1-grace": Boundary.PACKAGE,
    }


def test_grace_window_is_the_interval_in_milliseconds(tmp_path: Path) -> None:
    """The averaging interval is the window of a plain mean; without one the averaging is unknown. The stated accuracy stays words."""
    place = rail(tmp_path, 0, "Grace").parent
    write(tmp_path / "class" / "dmi" / "id" / "bios_version", "02.02.03")
    about = by_serial(tmp_path)["socket-0-grace"].about
    assert (about["averaging"], about["averaging_window_s"], about["update_period_s"]) == (Averaging.BOXCAR, 0.05, 0.05)
    assert (about["vendor"], about["model"], about["firmware"]) == ("NVIDIA", "Grace Power Socket 0", "02.02.03")
    assert "100.0%" in about["note"]
    write(place / "power1_average_interval", 0)
    about = by_serial(tmp_path)["socket-0-grace"].about
    assert (about["averaging"], about["averaging_window_s"]) == (Averaging.UNKNOWN, None)


def test_acpi_meter_of_the_whole_machine(tmp_path: Path) -> None:
    """An ACPI meter that names no rail stands for the server where the firmware says that it measures the system, else for nothing."""
    whole = chip(
        tmp_path, 0, "power_meter", {"power1_average": 412_000_000, "power1_oem_info": "Node Manager"}, device="ACPI000D:00", below=True
    )
    assert chips(tmp_path, "node1") == []
    link(whole / "measures" / "LNXSYBUS:00", "../../LNXSYBUS:00")
    [found] = chips(tmp_path, "node1")
    assert found.serial == "acpi000d-00"
    assert (found.about["boundary"], found.about["current"]) == (Boundary.SERVER_INPUT, Current.AC)


def test_input_rail_covers_all_others(tmp_path: Path) -> None:
    """VDD_IN feeds the whole module: it covers every other rail of the board, which cover only themselves."""
    jetson(tmp_path, 1, ORIN_NX, "1-0040")
    found = covers(tmp_path)
    assert found == {
        "ina3221-1-0040:vdd_in": set(ORIN_NX),
        "ina3221-1-0040:vdd_cpu_gpu_cv": {"VDD_CPU_GPU_CV"},
        "ina3221-1-0040:vdd_soc": {"VDD_SOC"},
    }


def test_board_without_an_input_rail(tmp_path: Path) -> None:
    """An AGX Orin has no VDD_IN: its rails add up, but for the memory rail, which hangs on the 5 V rail of the other chip."""
    for index, (rails, device) in enumerate(zip(AGX_ORIN, ("1-0040", "1-0041"), strict=True)):
        jetson(tmp_path, index, rails, device)
    found = covers(tmp_path)
    assert found["ina3221-1-0040:vin_sys_5v0"] == {"VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"}
    assert found["ina3221-1-0041:vddq_vdd2_1v8ao"] == {"VDDQ_VDD2_1V8AO"}
    assert found["ina3221-1-0040:vdd_gpu_soc"] == {"VDD_GPU_SOC"}
    assert len(found) == 4


def test_sums_and_shunt_voltages_are_no_rails(tmp_path: Path) -> None:
    """Channels above 3, channels labelled NC and channels that are switched off are passed over; a rail without a label is numbered."""
    place = jetson(tmp_path, 0, ("VDD_IN", "NC", "VDD_SOC"), "1-0040", in3_enable=0)
    [only] = chips(tmp_path, "node1")
    assert [sensor.channel for sensor in only.sensors] == ["vdd_in"]
    (place / "in1_label").unlink()
    [only] = chips(tmp_path, "node1")
    assert [sensor.channel for sensor in only.sensors] == ["rail1"]


def test_rail_prefers_its_own_power(tmp_path: Path) -> None:
    """Where the kernel computes the power of a rail that file is read, else voltage and current."""
    place = jetson(tmp_path, 0, ("VDD_IN", "NC", "NC"), "1-0040")
    assert [path.name for path in chips(tmp_path, "node1")[0].sensors[0].files] == ["in1_input", "curr1_input"]
    write(place / "power1_input", 5_000_000)
    assert [path.name for path in chips(tmp_path, "node1")[0].sensors[0].files] == ["power1_input"]


def test_intel_card_covers_its_package(tmp_path: Path) -> None:
    """energy1 is the card and covers every other counter; where there is only the package, it stands for the GPU."""
    counters = {"energy1_input": 9, "energy1_label": "card", "energy2_input": 5, "energy2_label": "pkg", "power1_max": 190_000_000}
    place = chip(tmp_path, 0, "xe", counters, device="0000:03:00.0")
    found = covers(tmp_path)
    assert found["0000-03-00.0:card"] == {"0000:03:00.0", "0000:03:00.0/pkg"}
    assert found["0000-03-00.0:pkg"] == {"0000:03:00.0/pkg"}
    [one] = chips(tmp_path, "node1")
    assert one.about["boundary"] is Boundary.GPU
    assert one.about["rated_w"] == pytest.approx(285.0)
    assert {sensor.about["quantity"] for sensor in one.sensors} == {Quantity.ENERGY_COUNTER}
    (place / "energy1_input").unlink()
    assert list(covers(tmp_path)) == ["0000-03-00.0:pkg"]


def test_tiles_of_an_intel_gpu_are_parts(tmp_path: Path) -> None:
    """i915 shows each tile as a chip `i915_gtN` beside the device: only the device is read."""
    for index, name in enumerate(("i915", "i915_gt0", "i915_gt1")):
        chip(tmp_path, index, name, {"energy1_input": 7}, device="0000:4d:00.0")
    assert [(one.name, one.sensors[0].channel) for one in chips(tmp_path, "node1")] == [("i915", "card")]


def test_amd_gpu_and_its_two_views(tmp_path: Path) -> None:
    """Average and instantaneous power of one card cover the same PCI address, so one of them leads; the id holds its unique number."""
    sensors = {"power1_average": 213_000_000, "power1_input": 220_000_000, "power1_cap_max": 300_000_000}
    chip(tmp_path, 0, "amdgpu", sensors, device="0000:c1:00.0")
    identity = {"unique_id": "a1b2c3d4e5f60718", "vbios_version": "113-D67301-063", "vendor": "0x1002", "device": "0x740f"}
    for name, value in identity.items():
        write(tmp_path / "class" / "hwmon" / "hwmon0" / "device" / name, value)
    assert covers(tmp_path) == {
        "a1b2c3d4e5f60718:power_average": {"0000:c1:00.0"},
        "a1b2c3d4e5f60718:power_input": {"0000:c1:00.0"},
    }
    [one] = chips(tmp_path, "node1")
    assert [sensor.about["averaging"] for sensor in one.sensors] == [Averaging.UNKNOWN, Averaging.INSTANT]
    assert (one.about["model"], one.about["firmware"], one.about["serial"]) == (
        "amdgpu GPU 1002:740f",
        "VBIOS 113-D67301-063",
        "a1b2c3d4e5f60718",
    )
    assert one.about["rated_w"] == pytest.approx(450.0)


def test_processor_with_a_gpu_inside_is_a_package(tmp_path: Path) -> None:
    """The power of an APU includes its CPU: it is the package that RAPL counts too, never a GPU beside it."""
    chip(tmp_path, 0, "amdgpu", {"power1_input": 9_000_000, "in1_label": "vddnb"}, device="0000:c5:00.0")
    [one] = chips(tmp_path, "node1")
    assert one.about["boundary"] is Boundary.PACKAGE
    assert one.about["covers"] == ("node1/package-0",)


def test_other_chips_are_passed_over(tmp_path: Path) -> None:
    """Temperatures, fans, drives and a chip without a name are no meters."""
    chip(tmp_path, 0, "coretemp", {"temp1_input": 40_000})
    chip(tmp_path, 1, "nct6798", {"in0_input": 1016, "power1_average": 5})
    (tmp_path / "class" / "hwmon" / "hwmon2").mkdir()
    assert chips(tmp_path, "node1") == []
    assert chips(tmp_path / "absent", "node1") == []


def test_serial_does_not_depend_on_the_number_of_the_chip(tmp_path: Path) -> None:
    """HwmonN changes from boot to boot; the meter id does not."""
    for boot, index in (("a", 0), ("b", 7)):
        jetson(tmp_path / boot, index, ORIN_NX, "1-0040")
        rail(tmp_path / boot, index + 1, "CPU", socket=1)
    assert list(by_serial(tmp_path / "a")) == list(by_serial(tmp_path / "b")) == ["ina3221-1-0040", "socket-1-cpu"]


def test_part_of_an_id_holds_no_colon() -> None:
    """Labels become parts of meter ids: colons and spaces are replaced."""
    assert part("0000:03:00.0") == "0000-03-00.0"
    assert part(" CPU Power: total ") == "cpu-power-total"
    assert held("VDD_SOC", frozenset({"VDD_IN", "VDD_SOC"})) == ("VDD_SOC",)
