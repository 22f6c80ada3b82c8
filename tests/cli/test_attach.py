"""`joulemark attach` as a stranger calls it: folders and archives, runs and recorded power, exit codes, nothing written in vain."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from joulemark.cards import bundle
from joulemark.cards.evidence import Evidence
from joulemark.cli import group
from joulemark.errors import JoulemarkError
from joulemark.pki import seal
from joulemark.runs import PhaseKind
from tests.interop import openaiperf_bundles as made
from tests.kit.lab import Lab, write

POWER = "timestamp,power_w\n" + "".join(f"2026-11-21T10:29:{s}.000Z,{1000 + 10 * s}\n" for s in range(30, 60))
MEAN_W = {"site_seed": 1515.0, "docs": 1515.0, "ob_tools": 1518.75}
"""Over 47 to 56 s, and over 47.25 to 56.5 s, of a power that rises by 10 W each second from 1300 W at 30 s."""

SECONDS = {"site_seed": 9.0, "docs": 9.0, "ob_tools": 9.25}


@dataclass(frozen=True)
class Done:
    """How a command ended, as a process of its own would have."""

    returncode: int
    stdout: str
    stderr: str


def joulemark(*args: object) -> Done:
    found = CliRunner().invoke(group, [str(arg) for arg in args], standalone_mode=False)
    if isinstance(found.exception, JoulemarkError):
        return Done(found.exception.exit_code, found.stdout, str(found.exception))
    if isinstance(found.exception, click.UsageError):
        return Done(2, found.stdout, str(found.exception))
    if found.exception is not None:
        raise found.exception
    return Done(0, found.stdout, found.stderr)


def attach(*args: object) -> Done:
    return joulemark("attach", *args)


def done(*args: object) -> dict[str, Any]:
    """The JSON of a call that must succeed."""
    found = attach(*args, "--json")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)  # type: ignore[no-any-return]  # parsed JSON


@pytest.fixture
def power(tmp_path: Path) -> Path:
    path = tmp_path / "power.csv"
    path.write_text(POWER)
    return path


def members(path: Path) -> list[tuple[str, bytes]]:
    """(path, bytes) of each file, in the order of the archive, or of names."""
    if path.is_dir():
        return [(p.relative_to(path).as_posix(), p.read_bytes()) for p in sorted(path.rglob("*")) if p.is_file()]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return [(name.removeprefix("bundle/"), archive.read(name)) for name in archive.namelist()]
    with tarfile.open(path) as tar:
        return [(i.name.removeprefix("bundle/"), tar.extractfile(i).read()) for i in tar if i.isreg()]  # type: ignore[union-attr]  # plain files


@pytest.mark.parametrize("shape", made.SHAPES)
@pytest.mark.parametrize("dialect", sorted(MEAN_W))
def test_every_dialect_in_every_shape(tmp_path: Path, power: Path, dialect: str, shape: str) -> None:
    """The energy is that of the true power, originals keep bytes and order, twice is once, and the proof holds."""
    place = made.bundle(tmp_path, made.DIALECTS[dialect](), shape=shape)
    before = members(place)
    told = done(place, "--power", power, "--site-compat")
    assert told["energy_j"] == pytest.approx(MEAN_W[dialect] * SECONDS[dialect], rel=1e-9)
    after = members(place)
    kept = {to: name for name, to in told["kept_as"].items()}
    own = [(kept.get(name, name), data) for name, data in after if name in kept or (name, data) in before]
    assert sorted(own) == sorted(before)
    assert own == before or shape == "folder"
    proof = attach("--verify", place)
    assert proof.returncode == 0, proof.stdout
    assert "not signed" in proof.stdout
    packed = place.read_bytes() if place.is_file() else b""
    done(place, "--power", power, "--site-compat")
    assert members(place) == after
    assert packed == (place.read_bytes() if place.is_file() else b"")


def test_plain_mean_of_the_site(tmp_path: Path, power: Path) -> None:
    """What the site would show is the mean power of the card; a log that the site can read already is left alone."""
    place = made.bundle(tmp_path / "docs", made.docs())
    done(place, "--power", power, "--site-compat")
    lines = [json.loads(line)["power_watts"] for line in (place / "system.log").read_text().splitlines()]
    assert sum(lines) / len(lines) == pytest.approx(1515.0, rel=1e-12)
    assert json.loads((place / "energy_summary.json").read_text())["avg_power_w"] == pytest.approx(1515.0)
    seed = made.bundle(tmp_path / "seed", made.site_seed())
    told = done(seed, "--power", power, "--site-compat")
    assert (seed / "system.log").read_text() == made.site_seed()["system.log"]
    assert "left as it is" in told["notes"][0]


@pytest.mark.parametrize("shape", made.SHAPES)
def test_own_power_that_does_not_cover_is_refused(tmp_path: Path, shape: str) -> None:
    """The seed's own power covers 55.6 % of its evaluation: exit 4, no figure, and not a byte written."""
    place = made.bundle(tmp_path, made.site_seed(), shape=shape)
    before = members(place)
    found = attach(place)
    assert found.returncode == 4
    assert "55.6% of the 9.000 s of evaluation" in found.stderr
    assert "nothing was written" in found.stderr
    assert members(place) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"bundle", place.name})


def test_own_power_that_covers(tmp_path: Path) -> None:
    """A system log that goes on until after the evaluation is measurement enough, and attached again it is still found."""
    files = made.site_seed()
    log = made.lines(*({"timestamp": f"{made.DAY}10:29:{40 + i}Z", "power_watts": 2000} for i in range(20)))
    place = made.bundle(tmp_path, {**files, "system.log": log})
    assert done(place)["energy_j"] == pytest.approx(18_000)
    before = members(place)
    done(place)
    assert members(place) == before


def run_of(tmp_path: Path) -> Path:
    """The bundle of a run of the collector that measured around the made up benchmark."""
    evidence: Evidence = Lab.of("ES1", seed=5).evidence()
    return write(tmp_path / "run", evidence)


def d2_of(tmp_path: Path, begin_s: int, end_s: int) -> Path:
    """A seed bundle whose evaluation lies at other seconds."""
    stamp = {s: datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (begin_s, end_s)}
    log = f"{stamp[begin_s]} [INFO] Beginning evaluation run (3 repeats)\n{stamp[end_s]} [RESULT] Final metrics: x\n"
    return made.bundle(tmp_path, {**made.site_seed(), "run.log": log})


def test_evidence_of_a_run(tmp_path: Path) -> None:
    """What the collector sealed is attached byte for byte, chain and signature with it; the level stays what it was."""
    run = run_of(tmp_path)
    first = next(w for w in Lab.of("ES1", seed=5).windows if w.kind is PhaseKind.MEASURED)
    last = [w for w in Lab.of("ES1", seed=5).windows if w.kind is PhaseKind.MEASURED][-1]
    place = d2_of(tmp_path, first.begin_ns // 10**9, last.end_ns // 10**9)
    done(place, "--run", run)
    for path, data in members(run):
        if path != bundle.MANIFEST:
            assert (place / path).read_bytes() == data
    assert attach("--verify", place).returncode == 0
    assert json.loads(joulemark("validate", place, "--json").stdout)["level"] == "ES1"
    refused = attach(place, "--run", run, "--power", run / "energy")
    assert refused.returncode == 2
    assert "--power is for recorded power" in refused.stderr


def test_a_run_of_another_time(tmp_path: Path) -> None:
    """A run that measured something else is refused with both times, and nothing is written."""
    place = d2_of(tmp_path, made.BEGIN_S, made.END_S)
    before = members(place)
    found = attach(place, "--run", run_of(tmp_path))
    assert found.returncode == 4
    assert "the benchmark's log says" in found.stderr
    assert members(place) == before


def test_a_bundle_without_a_window_takes_a_run(tmp_path: Path) -> None:
    """The oldest layout tells no window: recorded power is refused, a run is taken, and its own summary stays aside."""
    place = made.bundle(tmp_path, made.four_cards_one_log())
    assert attach(place, "--power", place / "events.jsonl").returncode == 2
    told = done(place, "--run", run_of(tmp_path))
    assert told["kept_as"] == {"energy_summary.json": "energy_summary.orig.json"}
    assert json.loads((place / "energy_summary.orig.json").read_text())["avg_power_w"] == 510
    assert "do not tell when it ran" in told["notes"][0]
    assert attach("--verify", place).returncode == 0


def test_other_tools_get_a_folder_beside(corpus: Path, tmp_path: Path) -> None:
    """AIPerf's own telemetry gives its card beside the artefacts, which stay as they are; an archive of them likewise."""
    source = corpus / "aiperf" / "generated_0.13.0_dcgm_truth"
    place = tmp_path / "artifacts"
    shutil.copytree(source, place)
    told = done(place)
    assert told["energy_j"] == pytest.approx(3310.83, abs=0.01)
    assert members(place) == members(source)
    assert attach("--verify", place).returncode == 0
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        tar.add(place, "artifacts")
    data = (tmp_path / "a.tgz").read_bytes()
    done(tmp_path / "a.tgz")
    assert (tmp_path / "a.tgz").read_bytes() == data
    assert members(tmp_path / "a.tgz.energy") == members(tmp_path / "artifacts.energy")
    assert attach("--verify", tmp_path / "a.tgz").returncode == 0
    (place / "inputs.json").write_text("{}")
    found = attach("--verify", place)
    assert (found.returncode, "inputs.json: changed (INT-1)" in found.stdout) == (3, True)
    assert attach(place, "--site-compat").returncode == 2


def test_signed_and_by_whom(tmp_path: Path, power: Path) -> None:
    """A signature is told with its key, known to who lists it, and wanted from who does not sign."""
    key, trust = tmp_path / "key.pem", tmp_path / "trust.toml"
    made_key = seal.new_key()
    seal.write_key(key, made_key)
    trust.write_text(f'[[key]]\npublic_key = "{seal.public_text(made_key)}"\nrole = "submitter"\nowner = "Made Up"\n')
    place = made.bundle(tmp_path, made.docs(), shape="zip")
    assert done(place, "--power", power, "--sign", key)["signed_by"] == seal.public_text(made_key)
    assert "signed by Made Up" in attach("--verify", place, "--trust", trust).stdout
    done(place, "--power", power)
    found = attach("--verify", place, "--trust", trust)
    assert (found.returncode, "energy/signature.json: signature (INT-7)" in found.stdout) == (3, True)


def test_output_leaves_the_archive(tmp_path: Path, power: Path) -> None:
    """With --output the given archive is not touched."""
    place = made.bundle(tmp_path, made.docs(), shape="tgz")
    data = place.read_bytes()
    done(place, "--power", power, "--output", tmp_path / "new.tgz")
    assert place.read_bytes() == data
    assert attach("--verify", tmp_path / "new.tgz").returncode == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--verify", "--site-compat"], "--verify takes no other option"),
        (["--trust", "x"], "--trust is for --verify"),
        (["more.csv"], "more.csv is given beside"),
        (["--output", "x.tgz"], "--output is for an archive"),
        (["--power", "POWER", "--boundary", "moon"], "--boundary moon is none"),
        (["--power", "POWER", "--label", "x"], "label 'x' has no value"),
        (["--power", "none.csv"], "none.csv cannot be read"),
        (["--sign", "none.pem"], "none.pem holds no private key"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, power: Path, args: list[str], said: str) -> None:
    """Each is refused with exit 2, by name, and nothing is written."""
    place = made.bundle(tmp_path, made.docs())
    before = members(place)
    found = attach(place, *[str(power) if arg == "POWER" else arg for arg in args])
    assert (found.returncode, said in found.stderr) == (2, True), found.stderr
    assert members(place) == before


def test_price_and_labels(tmp_path: Path, power: Path) -> None:
    """A price file and the labels of what was rented make a cost of the card."""
    prices = tmp_path / "prices.toml"
    prices.write_text(
        'schema = "joulemark.prices/1"\n[[price]]\nprovider = "aws"\nregion = "us-east-1"\ninstance_type = "p5.48xlarge"\namount = "36"\n'
        'currency = "USD"\nunit = "h"\nsource_url = "https://example.com"\neffective_from = "2026-01-01"\n'
        'fetched_at = "2026-10-01T00:00:00Z"\n'
    )
    place = made.bundle(tmp_path, made.docs())
    labels = [f"--label={name}" for name in ("provider=aws", "region=us-east-1", "instance_type=p5.48xlarge")]
    done(place, "--power", power, "--price", prices, *labels)
    cost = json.loads((place / "energy/card.json").read_text())["headline"]["cost"]
    assert float(cost["market"]["amount"]) == pytest.approx(0.09)
    assert attach("--verify", place).returncode == 0


@pytest.mark.parametrize("shape", ["folder", "tgz"])
def test_kill_9_at_random_points(tmp_path: Path, power: Path, shape: str) -> None:
    """Killed at any moment, the originals are there with their bytes, and a retry ends as if nothing had been."""
    command = [sys.executable, "-m", "joulemark", "attach", "--power", str(power), "--site-compat"]
    reference = made.bundle(tmp_path / "reference", made.docs(), shape=shape)
    done(reference, "--power", power, "--site-compat")
    draw, killed = random.Random(7), 0
    for number in range(3):
        place = made.bundle(tmp_path / str(number), made.docs(), shape=shape)
        before, hidden = dict(members(place)), place if shape == "folder" else place.parent
        process = subprocess.Popen([*command, str(place)], stdout=subprocess.DEVNULL)
        while process.poll() is None and not list(hidden.glob(".*.part")):
            time.sleep(0.0005)
        time.sleep(draw.uniform(0.0, 0.004 * number))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        after = dict(members(place))
        for name, data in before.items():
            assert data in (after.get(name), after.get("system.orig.log") if name == "system.log" else None), name
        done(place, "--power", power, "--site-compat")
        assert members(place) == members(reference)
        assert not list(hidden.glob(".*"))
    assert killed > 0
