"""`joulemark ring`: from the plan to the badges."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from joulemark.cli.ring import command
from joulemark.errors import FormatError, JoulemarkError, UsageError

HASH = "ab" * 32
FOUND = dict(zip("ABCDEF", (250.3, 252.1, 247.9, 249.6, 251.8, 248.8), strict=True))


def invoke(*arguments: object) -> Result:
    """The command with these arguments."""
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False)


def plan(file: Path, *more: object, names: str = "ABCDEF") -> Result:
    """A round of these laboratories in `file`."""
    named = [part for name in names for part in ("--laboratory", name)]
    return invoke("plan", file, "--round", "2026-1", *named, "--begin", "2026-08-01", "--workload-sha256", HASH, *more)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A plan with the results of six laboratories written into it by hand."""
    file = tmp_path / "round.toml"
    plan(file)
    text = file.read_text()
    for name, value in FOUND.items():
        text = text.replace(f'name = "{name}"\n', f'name = "{name}"\nvalue = {value}\nu95 = 4.0\n')
    file.write_text(text)
    return file


def bundle(folder: Path, card: dict[str, Any]) -> Path:
    """A folder with a card."""
    (folder / "energy").mkdir(parents=True)
    (folder / "energy" / "card.json").write_text(json.dumps(card))
    return folder


def test_plan_evaluate_badges(filled: Path, tmp_path: Path) -> None:
    """The file of the plan, with results added, becomes an evaluation, a report and a badge for each who passed."""
    out = tmp_path / "out"
    done = invoke("evaluate", filled, "--out", out, "--json")
    found = json.loads(done.stdout)
    assert found["date"] == "2026-10-23"
    assert [one["name"] for one in found["laboratories"]] == list("ABCDEF")
    assert sorted(path.parent.name for path in out.glob("badges/*/ring.json")) == [f"0{n}-{name}" for n, name in enumerate("ABCDEF", 1)]
    assert json.loads((out / "evaluation.json").read_text())["laboratories"] == found["laboratories"]
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert "z' counts" in (text := invoke("evaluate", filled).output) or "z counts" in text


def test_a_bundle_brings_the_score_of_its_card(filled: Path, tmp_path: Path) -> None:
    """Value and U95 of a laboratory come from the card of its bundle, found by its label or by the name of the folder."""
    score = {"joules_per_1k_output_tokens": 261.8, "u95_j": 5.0}
    one = bundle(tmp_path / "run-7", {"labels": {"laboratory": "C"}, "score": score})
    other = bundle(tmp_path / "D", {"labels": {}, "score": {**score, "joules_per_1k_output_tokens": 249}})
    found = json.loads(invoke("evaluate", filled, one, other, "--json").stdout)
    values = {entry["name"]: (entry["value"], entry["u95"]) for entry in found["laboratories"]}
    assert values["C"] == (261.8, 5.0)
    assert values["D"] == (249.0, 5.0)
    assert values["A"] == (250.3, 4.0)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ({"labels": {"laboratory": "X"}, "score": {"joules_per_1k_output_tokens": 1.0, "u95_j": 1.0}}, "takes no part"),
        ({"labels": {"laboratory": "C"}, "score": None, "score_reason": "2 measured phases"}, "2 measured phases"),
        ({"labels": {"laboratory": "C"}, "score": {"joules_per_1k_output_tokens": True, "u95_j": "x"}}, "no score"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(filled: Path, tmp_path: Path, card: dict[str, Any], told: str) -> None:
    """A stranger's bundle, and one without score, are named and not left out in silence."""
    with pytest.raises(JoulemarkError, match=told):
        invoke("evaluate", filled, bundle(tmp_path / "b", card))


def test_a_plan_is_not_written_over(tmp_path: Path) -> None:
    """A file that may hold results stays."""
    file = tmp_path / "round.json"
    assert json.loads(plan(file, "--json").stdout)["repeats"] == 5
    assert json.loads(file.read_text())["artefact"] == "travelling"
    with pytest.raises(UsageError, match="exists"):
        plan(file)


def test_an_image_is_planned_with_pinned_clocks(tmp_path: Path) -> None:
    """An image comes with the clock of its GPUs, or not at all; all laboratories measure in the same weeks."""
    file = tmp_path / "round.toml"
    plan(file, "--image-sha256", HASH, "--gpu-clock-mhz", 1410)
    data = tomllib.loads(file.read_text())
    assert (data["artefact"], data["gpu_clock_mhz"], data["image_sha256"]) == ("image", 1410, HASH)
    assert {one["begin"] for one in data["laboratory"]} == {"2026-08-01"}
    with pytest.raises(UsageError, match="belong together"):
        plan(tmp_path / "other.toml", "--image-sha256", HASH)


@pytest.mark.parametrize("more", [("--repeats", 4), ("--begin", "soon"), ("--workload-sha256", "ab")])
def test_a_wrong_plan_is_refused(tmp_path: Path, more: tuple[object, ...]) -> None:
    """Too few repeats, no date and half a hash do not become a plan."""
    with pytest.raises(JoulemarkError):
        plan(tmp_path / "round.toml", *more)
    assert not (tmp_path / "round.toml").exists()


def test_few_laboratories_are_warned(tmp_path: Path) -> None:
    """A plan of three says that only En will count."""
    assert "only En" in plan(tmp_path / "round.toml", names="ABC").output


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A file that is no TOML, and one that is no round, say so with their name."""
    for content in ("round = [", 'schema = "joulemark.ring-round/1"\nround = "x"\nlaboratory = []\n'):
        (tmp_path / "bad.toml").write_text(content)
        with pytest.raises(FormatError, match=r"bad\.toml"):
            invoke("evaluate", tmp_path / "bad.toml")
    with pytest.raises(UsageError, match="0 descriptions"):
        invoke("evaluate", tmp_path)
