"""The whitelist: every entry has its formula and source, names lead to the right one, and what is not verified is not used for ES2."""

from __future__ import annotations

import datetime
import re
import tomllib

import pytest

from joulemark import whitelist
from joulemark.errors import FormatError
from joulemark.meters.quality import Tier
from joulemark.whitelist import Entry, find, usable

ENTRIES = whitelist.entries()


def found(vendor: str, model: str) -> Entry:
    entry = find(vendor, model)
    assert entry is not None, f"{vendor} {model}"
    return entry


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_is_whole(entry: Entry) -> None:
    """Each entry has conditions, a source, a date of checking, an interface, and a plausible formula or a reason for none."""
    assert entry.source
    assert entry.conditions
    assert entry.interface
    assert datetime.date.fromisoformat(entry.date_checked).year >= 2026
    re.compile(entry.model)
    assert set(entry.listed_by) <= {"SPEC", "MLPerf"}
    if entry.pct_reading is not None:
        assert 0.01 <= entry.pct_reading <= 5.0
        assert 0.0 <= entry.pct_range <= 0.1
        assert 0.0 <= entry.abs_w <= 10.0


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_a_formula_without_a_document_is_marked(entry: Entry) -> None:
    """Figures that come from no document are not verified, are not usable for ES2, and say so in the source of the accuracy."""
    if "general knowledge" in entry.source:
        assert not entry.verified
    if not entry.verified:
        assert not usable(entry, "ES2", tier="platinum")
        stated = entry.accuracy(0.0)
        assert stated is not None
        assert stated.source.endswith("(not verified)")


def test_ids_are_distinct() -> None:
    """No two entries share an id, and there is one for each of the devices that were looked up."""
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES) == 35


def test_limit_at_the_actual_load_and_range() -> None:
    """5 kW on 20 A and 300 V is known within 8 W, 0.16 %; 500 W of idle on the same range within 3.5 W, 0.7 %."""
    wt310e = found("YOKOGAWA", "WT310E")
    stated = wt310e.accuracy(6000.0)
    assert stated is not None
    assert stated.limit_w(5000.0) == pytest.approx(8.0)
    assert wt310e.limit_rel(5000.0, 6000.0) == pytest.approx(0.0016)
    assert wt310e.limit_rel(500.0, 6000.0) == pytest.approx(0.007)
    assert stated.source == "whitelist yokogawa-wt310e: IM WT310E-02EN, page 7-7"


def test_no_power_has_no_relative_limit() -> None:
    """A relative limit of nothing is refused, not infinite."""
    with pytest.raises(ValueError, match=r"0\.0 W"):
        found("Yokogawa", "WT310E").limit_rel(0.0, 6000.0)


NAMES = [
    ("YOKOGAWA", "WT310E", "yokogawa-wt310e"),
    ("Yokogawa", "WT310", "yokogawa-wt310"),
    ("YOKOGAWA", "WT332E", "yokogawa-wt330e"),
    ("YOKOGAWA", "WT1806E", "yokogawa-wt1800e"),
    ("", "YokogawaWT310E", "yokogawa-wt310e"),
    ("", "YokogawaWT330_multichannel", "yokogawa-wt310"),
    ("", "YOKOGAWA;WT333E;C2XL24034V;F1.04", "yokogawa-wt330e"),
    ("", "YOKOGAWA;WT333E", "yokogawa-wt330e"),
    ("", "YokogawaWT210", "yokogawa-wt210"),
    ("HIOKI", "PW3335-01", "hioki-pw3335"),
    ("GWInstek", "GPM-8310", "gwinstek-gpm-8310"),
    ("GW Instek", "GPM-8213", "gwinstek-gpm-8213"),
    ("ZES ZIMMER Electronic Systems GmbH", "LMG670", "zes-lmg600"),
    ("Eastron", "SDM630-Modbus V2", "eastron-sdm630"),
    ("Carlo Gavazzi", "EM24-DIN", "carlo-gavazzi-em24"),
    ("Shelly", "Shelly Pro 3EM", "shelly-pro-3em"),
    ("Shelly", "SPEM-003CEBEU", "shelly-pro-3em"),
    ("APC", "AP8959EU3", "apc-ap8000"),
    ("Schneider Electric", "AP7921B", "apc-ap7000"),
    ("Raritan", "PX3-5190R", "raritan-px"),
    ("Server Technology", "PRO3X", "servertech-pro"),
    ("NVIDIA", "NVIDIA H200", "nvidia-gpu-sensor"),
    ("NVIDIA", "NVIDIA A100-SXM4-80GB", "nvidia-gpu-sensor"),
    ("NVIDIA", "NVIDIA GH200 480GB", "nvidia-gpu-sensor"),
]


@pytest.mark.parametrize(("vendor", "model", "expected"), NAMES, ids=lambda part: part)
def test_names_of_devices_lead_to_their_entry(vendor: str, model: str, expected: str) -> None:
    """What a device calls itself, with its options, and what PTDaemon calls it lead to one entry, and to the right one."""
    assert found(vendor, model).id == expected


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("", ""),
        ("YOKOGAWA", ""),
        ("", "WT310E"),
        ("YOKOGAWA", "WT310EX"),
        ("Hioki", "WT310E"),
        ("Nobody", "AP8959"),
        ("", ";"),
        ("", ";;;"),
    ],
)
def test_what_is_not_listed_is_not_found(vendor: str, model: str) -> None:
    """Another vendor's model, a longer name and an empty one lead to no entry."""
    assert find(vendor, model) is None


def test_what_a_level_may_rest_on() -> None:
    """Verified figures serve all levels, others not ES2, and a meter that is rejected, or has no formula, none."""
    usable_at = {e.id: tuple(level for level in whitelist.LEVELS if usable(e, level, tier="platinum")) for e in ENTRIES}
    assert usable_at["yokogawa-wt310e"] == ("ES0", "ES1", "ES2")
    assert usable_at["yokogawa-wt210"] == ("ES0", "ES1")
    assert usable_at["apc-ap7000"] == usable_at["tektronix-pa4000"] == ()
    assert found("APC", "AP7920").accuracy(0.0) is None
    with pytest.raises(ValueError, match="ES3"):
        usable(ENTRIES[0], "ES3", tier="gold")
    with pytest.raises(ValueError, match="wood"):
        usable(ENTRIES[0], "ES1", tier="wood")


@pytest.mark.parametrize(("tier", "levels"), [("none", ("ES0",)), ("bronze", ("ES0", "ES1")), ("silver", ("ES0", "ES1", "ES2"))])
def test_a_formula_is_worth_no_more_than_the_driver(tier: str, levels: tuple[str, ...]) -> None:
    """The best analyser counts for ES1 only through a driver of bronze, for ES2 only through one that knows real hardware."""
    best = found("Yokogawa", "WT310E")
    assert tuple(level for level in whitelist.LEVELS if usable(best, level, tier=tier)) == levels


def test_tiers_are_those_of_the_quality_files() -> None:
    """The tiers that the whitelist asks for are those that drivers have."""
    assert tuple(Tier) == whitelist.TIERS


def test_an_unknown_key_is_refused() -> None:
    """A key of the file that the program does not know is an error, not a figure that is overlooked."""
    data = tomllib.loads(whitelist.PATH.read_text(encoding="utf-8"))["device"][0]
    with pytest.raises(FormatError, match="pct_rng"):
        whitelist.parsed({**data, "pct_rng": 0.1})
