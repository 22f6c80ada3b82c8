from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterUnavailable
from joulemark.meters import registry


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another distribution that registers kinds: one that works, one that lacks a library, one that names nothing."""
    (tmp_path / "acme_meters.py").write_text("from joulemark.meters.fake import DRIVER\n")
    (tmp_path / "acme_broken.py").write_text("import a_library_that_nobody_has\n")
    info = tmp_path / "acme_meters-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-meters\nVersion: 1.0\nProvides-Extra: bus\n")
    kinds = [
        "acme = acme_meters:DRIVER",
        "acmebus = acme_broken:DRIVER [bus]",
        "acmeold = acme_broken:DRIVER",
        "acmenone = acme_meters:NONE",
    ]
    (info / "entry_points.txt").write_text("\n".join(["[joulemark.meters]", *kinds]))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_own_kinds_are_those_that_have_a_driver(repository: Path) -> None:
    """Every driver file of Joulemark is registered under its own name, and nothing else is; the names are sorted."""
    folder = repository / "src" / "joulemark" / "meters"
    drivers = sorted(path.stem for path in folder.glob("*.py") if "\nDRIVER: Final" in path.read_text(encoding="utf-8"))
    assert list(registry.kinds()) == drivers
    assert all(entry.value == f"joulemark.meters.{kind}:DRIVER" or entry.extras for kind, entry in registry.kinds().items())


def test_unknown_kind_suggests_the_nearest() -> None:
    """A misspelt kind is a configuration error that names the right one; a far-off one lists them all."""
    with pytest.raises(ConfigError, match="did you mean 'nvml'"):
        registry.driver("nvmll")
    with pytest.raises(ConfigError, match="fake, hwmon, ipmi"):
        registry.driver("zzz")


def test_meters_come_in_the_order_of_the_tables() -> None:
    """One meter per table, in order, none of them open."""
    meters = registry.build([MeterTable("replay"), MeterTable("fake")], host="node1")
    assert [meter.kind for meter in meters] == ["replay", "fake"]
    assert all(meter.info == () for meter in meters)


def test_third_party_kind(installed: Path) -> None:
    """A kind that another installed distribution registers is found and built."""
    assert installed.exists()
    [meter] = registry.build([MeterTable("acme", {"mean_w": 120.0})], host="node1")
    meter.open()
    assert meter.info


@pytest.mark.parametrize(("kind", "command"), [("acmebus", r"pip install 'acme-meters\[bus\]'"), ("acmeold", "pip install 'acme-meters'")])
def test_missing_library_names_the_install(installed: Path, kind: str, command: str) -> None:
    """A driver whose library is missing is unavailable and names the module and the pip command, with the extra where there is one."""
    assert installed.exists()
    with pytest.raises(MeterUnavailable, match=f"a_library_that_nobody_has.*{command}"):
        registry.driver(kind)


def test_ipmi_without_its_extra() -> None:
    """Where the ipmi driver cannot be imported the message names joulemark's own extra."""
    assert registry._install_command(registry.kinds()["ipmi"]) == "pip install 'joulemark[ipmi]'"


def test_registration_of_nothing(installed: Path) -> None:
    """An entry point that names no object is a configuration error with its text."""
    assert installed.exists()
    with pytest.raises(ConfigError, match="acme_meters:NONE"):
        registry.driver("acmenone")


def test_discovery_passes_over_what_is_missing(installed: Path) -> None:
    """Discovery never offers a simulated meter and is not stopped by a kind whose library is missing."""
    (installed / "acme_meters-1.0.dist-info" / "entry_points.txt").write_text("[joulemark.meters]\nacmebus = acme_broken:DRIVER\n")
    assert not {table.kind for table in registry.discover()} & {"fake", "replay", "acmebus"}


def test_looking_up_kinds_loads_no_driver() -> None:
    """Listing the kinds imports neither a driver nor numpy, so an agent pays only for the meters it uses."""
    code = "import sys; from joulemark.meters import registry; registry.kinds(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pynvml", "pyghmi", "numpy", "joulemark.meters.nvml"} & set(loaded)
