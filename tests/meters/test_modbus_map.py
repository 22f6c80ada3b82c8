from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import ConfigError
from joulemark.meters.modbus_map import Block, blocks, load_file, load_shipped, parse_map, shipped
from joulemark.meters.modbus_register import Encoding, Register
from joulemark.readings import Boundary, Quantity

OWN = """
vendor = "Acme"
model = "Three"
source = "page 4 of its manual"
function_code = 3
word_order = "little"
rated_w = 2000

[[meter]]
channel = "power"
address = 10
type = "int32"
unit = "W"

[[meter]]
channel = "energy"
address = 20
type = "uint64"
word_order = "big"
unit = "Wh"
"""

kinds = st.sampled_from([Encoding.UINT16, Encoding.FLOAT32, Encoding.UINT64])
registers = st.lists(st.builds(Register, address=st.integers(0, 300), type=kinds, function_code=st.sampled_from([3, 4])), max_size=12)


@given(registers=registers, longest=st.integers(4, 125), even=st.booleans(), bridge=st.integers(0, 20))
def test_blocks_hold_every_register_and_keep_the_limits(registers: list[Register], longest: int, even: bool, bridge: int) -> None:
    """Each register lies whole in a block, no block is longer than a device answers, and counts are even where they must be."""
    longest -= longest % 2
    found = blocks(registers, longest=longest, even=even, bridge=bridge)
    assert all(any(block.holds(register) for block in found) for register in registers)
    assert all(0 < block.count <= longest and not (even and block.count % 2) for block in found)
    assert all(block.words(r, range(block.address, 70_000))[0] == r.address for r in registers for block in found if block.holds(r))


def test_neighbours_are_one_request_and_strangers_are_not_asked_for() -> None:
    """Registers side by side are read together; a hole is read over only as far as the map allows."""
    pair = [Register(address=a, type=Encoding.FLOAT32) for a in (12, 14, 52)]
    assert blocks(pair) == (Block(4, 12, 4), Block(4, 52, 2))
    assert blocks(pair, bridge=36) == (Block(4, 12, 42),)
    assert blocks(pair, bridge=36, longest=40) == (Block(4, 12, 4), Block(4, 52, 2))


FACTS = {
    "em24": ("Carlo Gavazzi", {"power": 0x28, "energy": 0x34, "l1-power": 0x12, "l3-energy": 0x44}, "int32", "little"),
    "em340": ("Carlo Gavazzi", {"power": 0x28, "energy": 0x34, "l3-power": 0x16, "l1-energy": 0x40}, "int32", "little"),
    "sdm120": ("Eastron", {"power": 12, "energy": 72}, "float32", "big"),
    "sdm630": ("Eastron", {"power": 52, "energy": 72, "l2-power": 14, "l2-energy": 348}, "float32", "big"),
    "wt310e": ("Yokogawa", {"power": 0x07D0 + 2 * (3 - 1)}, "float32", "big"),
}


@pytest.mark.parametrize("device", FACTS)
def test_shipped_maps_say_what_the_makers_say(device: str) -> None:
    """Addresses, encoding and word order of every shipped map, against the makers' tables."""
    vendor, addresses, kind, order = FACTS[device]
    found = load_shipped(device)
    assert found.vendor == vendor
    assert {m.channel: m.address for m in found.meters if m.channel in addresses} == addresses
    assert {(m.type, m.word_order, m.function_code) for m in found.meters} == {(kind, order, 4)}
    assert {check.name.split()[0] for check in found.checks} >= {"voltage", "frequency"}
    assert found.source


def test_every_shipped_map_is_known_here() -> None:
    """No map is shipped that no test compares with its source."""
    assert set(shipped()) == set(FACTS)


def test_only_what_is_confirmed_is_called_so() -> None:
    """The two maps with an unconfirmed address say so."""
    assert {device for device in shipped() if not load_shipped(device).verified} == {"em340", "wt310e"}


def test_power_of_a_billing_meter_has_no_accuracy_of_its_own() -> None:
    """The class of a kWh meter limits its energy; its power registers stay without a limit."""
    for device in ("em24", "em340", "sdm120", "sdm630"):
        assert set(load_shipped(device).accuracy) == {Quantity.ENERGY_COUNTER}


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    """Keys at the top hold for every register that does not say otherwise; what is not said has its default."""
    path = tmp_path / "three.toml"
    path.write_text(OWN)
    found = load_file(path)
    power, energy = found.meters
    assert (power.function_code, power.word_order, energy.word_order) == (3, "little", "big")
    assert (found.boundary, found.verified, found.checks) == (Boundary.PDU_INLET, False, ())


@pytest.mark.parametrize(
    ("change", "what", "step"),
    [
        (('unit = "W"', 'unit = "VA"'), "unit", "W, kW, J, Wh, kWh, MWh"),
        (('unit = "W"', ""), "missing unit", "add it"),
        (('type = "int32"', 'type = "int24"'), "type", "int16"),
        (("address = 10", 'address = "10"'), "address", ""),
        (("address = 10", "address = 70000"), "70000", "from 0"),
        (('channel = "power"', 'chanel = "power"'), "'chanel'", "did you mean 'channel'"),
        (('channel = "energy"', 'channel = "power"'), "each channel once", "rename"),
        (('vendor = "Acme"', ""), "missing vendor", "add it"),
        (("rated_w = 2000", "longest_read = 3"), "longest_read = 3", "between 4 and 125"),
        (("rated_w = 2000", "even_reads = true\nlongest_read = 5"), "longest_read = 5", "between 4 and 125"),
        (("rated_w = 2000", "accuracy.volts.pct_reading = 1.0"), "accuracy", "accuracy.power"),
        (("rated_w = 2000", "[meter]\nx = 1"), "three.toml", ""),
        (("[[meter]]", "[[check]]"), "[[check]]", ""),
        (("function_code = 3", "function_code = 16"), "function_code = 16", "use 3"),
        (("rated_w = 2000", "identity = 3"), "identity is not a list of tables", "[[identity]]"),
        (('source = "page', "source = page"), "not valid TOML", "mend"),
    ],
)
def test_a_wrong_map_says_what_is_wrong_and_where(tmp_path: Path, change: tuple[str, str], what: str, step: str) -> None:
    """Every mistake in a map of one's own names the file, the table or key, and what to do."""
    path = tmp_path / "three.toml"
    assert change[0] in OWN
    path.write_text(OWN.replace(*change))
    with pytest.raises(ConfigError) as raised:
        load_file(path)
    assert str(path) in raised.value.what
    assert what in raised.value.what
    assert raised.value.next_step
    assert step in raised.value.next_step


def test_a_missing_map_and_an_unknown_model(tmp_path: Path) -> None:
    """A map_file that is not there and a device without a map say what to do."""
    with pytest.raises(ConfigError, match="name an existing TOML file"):
        load_file(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="em24, em340, sdm120, sdm630, wt310e"):
        load_shipped("sdm72")


def test_phases_alone_are_no_device() -> None:
    """A map without a meter of the whole device is refused: its phases cannot stand for it."""
    data = tomllib.loads(OWN)
    phases = [{**meter, "phase": "l1"} for meter in data["meter"]]
    with pytest.raises(ConfigError, match="of the whole device"):
        parse_map({**data, "meter": phases}, "own map")
